/** @file Models with random weights everywhere, and what they make of batches. */
import type { Backend } from "../../src/backend/backend.ts";
import { Random } from "../../src/base/random.ts";
import type { Batch } from "../../src/data/batch.ts";
import type { ComputeDType } from "../../src/ir/dtype.ts";
import { bertConfig } from "../../src/models/bert/config.ts";
import { bert } from "../../src/models/bert/family.ts";
import { gpt2Config } from "../../src/models/gpt2/config.ts";
import { gpt2 } from "../../src/models/gpt2/family.ts";
import type { PretrainingModel } from "../../src/models/model.ts";
import { type Module, namedParameters } from "../../src/nn/module.ts";
import type { Weights } from "../../src/nn/weights.ts";
import type { Objective } from "../../src/objectives/objective.ts";
import { adamW } from "../../src/optim/adamw.ts";
import type { Tokenizer } from "../../src/tokenizers/tokenizer.ts";
import { Evaluator } from "../../src/train/evaluator.ts";
import { ModelStore } from "../../src/train/model-store.ts";
import { TrainStep } from "../../src/train/train-step.ts";
import { tinyTokenizer } from "./tiny-run.ts";

/** A left-to-right network of two layers for {@link tinyTokenizer}. */
export function tinyGpt2(): PretrainingModel {
  const { vocabSize } = tinyTokenizer;
  const sizes = { hiddenSize: 16, numHiddenLayers: 2, numAttentionHeads: 2, maxPositionEmbeddings: 16 };
  return gpt2(gpt2Config({ vocabSize, ...sizes }), { seed: 1 }).module;
}

/** A BERT with the six token types of UniLM. */
export function tinyUnifiedBert(): PretrainingModel {
  const { vocabSize } = tinyTokenizer;
  const sizes = { hiddenSize: 16, numHiddenLayers: 2, numAttentionHeads: 2, intermediateSize: 32 };
  const dropout = { hiddenDropoutProb: 0, attentionProbsDropoutProb: 0 };
  const config = bertConfig({ vocabSize, ...sizes, ...dropout, maxPositionEmbeddings: 16, typeVocabSize: 6 });
  return bert(config, { seed: 1 }).module;
}

/** Numbers large enough that everything has an effect, LayerNorm's gain and all biases included. */
export function randomWeights(module: Module, seed = 21, scale = 0.3): Weights {
  const random = new Random(seed);
  return new Map(
    [...namedParameters(module)].map(([name, { shape }]) => {
      const size = shape.reduce((product, dim) => product * dim, 1);
      return [name, Float32Array.from({ length: size }, () => scale * random.nextNormal())];
    }),
  );
}

/** A tokenizer with other roles of its tokens. */
export function withSpecial(special: Partial<Tokenizer["special"]>): Tokenizer {
  return { ...tinyTokenizer, special: { ...tinyTokenizer.special, ...special } };
}

/** Figures and gradients of a first step over a batch; weights do not move. */
export async function firstStep<M extends Module>(options: {
  readonly backend: Backend;
  readonly model: M;
  readonly weights: Weights;
  readonly loss: Objective<never, M>["loss"];
  readonly batch: Batch;
  readonly lanes?: 1 | 2;
  readonly compute?: ComputeDType;
}) {
  const { batch, lanes = 1, compute = "f32", ...own } = options;
  const step = await TrainStep.create({
    ...own,
    optimizer: adamW(),
    treatment: () => ({ learningRateScale: 1, weightDecay: 0 }),
    maxGradNorm: Number.POSITIVE_INFINITY,
    policy: { compute },
    accumulates: false,
    seed: 1,
    lanes,
  });
  const figures = await step.run([batch], 1, 0);
  const gradients = await step.store.read("gradient");
  await step.dispose();
  return { figures, gradients };
}

/** The loss's figures of batches together, with random weights. */
export async function measureLoss<M extends Module>(
  backend: Backend,
  module: M,
  loss: Objective<never, M>["loss"],
  batches: readonly Batch[],
) {
  const store = new ModelStore(backend, module, ["value"]);
  store.write("value", randomWeights(module));
  const evaluator = new Evaluator({ backend, store, model: module, loss, policy: { compute: "f32" } });
  const result = await evaluator.run(batches);
  await evaluator.dispose();
  store.dispose();
  return result;
}
