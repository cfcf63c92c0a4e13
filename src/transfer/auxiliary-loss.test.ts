import { afterAll, describe, expect, test } from "vitest";
import { createReferenceBackend } from "../backend/reference/reference-backend.ts";
import { bartConfig } from "../models/bart/config.ts";
import { bertConfig } from "../models/bert/config.ts";
import { gpt2Config } from "../models/gpt2/config.ts";
import type { ClassificationModel, EncoderInputs } from "../models/model.ts";
import type { Module } from "../nn/module.ts";
import { namedParameters } from "../nn/module.ts";
import { adoptWeights, initialWeights } from "../nn/weights.ts";
import type { Objective } from "../objectives/objective.ts";
import { integers, rowBatch } from "../objectives/row-batch.ts";
import { adamW } from "../optim/adamw.ts";
import { crossEntropy } from "../tensor/fused.ts";
import { gather, reshape } from "../tensor/movement.ts";
import { sum } from "../tensor/reduction.ts";
import { WordPiece } from "../tokenizers/wordpiece.ts";
import { Evaluator } from "../train/evaluator.ts";
import { ModelStore } from "../train/model-store.ts";
import { TrainStep } from "../train/train-step.ts";
import { auxiliaryWeight, withAuxiliaryLoss } from "./auxiliary-loss.ts";
import { JointModel } from "./joint-model.ts";
import { languageLearning, textOfFramed } from "./language-text.ts";
import { bartFamily, bertFamily, gpt2Family } from "./testing.ts";

const backend = createReferenceBackend();
afterAll(() => backend.dispose());

const words = Array.from({ length: 27 }, (_, i) => `w${i}`);
const tokenizer = WordPiece.fromVocabulary(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ...words]);
const { cls, sep, pad } = tokenizer.special;
const quiet = { hiddenDropoutProb: 0, attentionProbsDropoutProb: 0 };
const sizes = {
  vocabSize: tokenizer.vocabSize,
  hiddenSize: 8,
  numAttentionHeads: 2,
  maxPositionEmbeddings: 16,
  ...quiet,
};

interface Labelled {
  readonly tokens: Int32Array;
  readonly label: number;
}
const data: readonly Labelled[] = [
  { tokens: Int32Array.of(cls!, 7, 8, 9, 10, 11, sep!), label: 1 },
  { tokens: Int32Array.of(cls!, 12, 13, 14, sep!), label: 0 },
  { tokens: Int32Array.of(cls!, 20, 21, 22, 23, 24, 25, sep!), label: 1 },
];
const textOf = ({ tokens }: Labelled) =>
  textOfFramed({ tokens, firstStart: 1, secondStart: tokens.length, secondType: 0 }, tokenizer);

/** A class for each text from its last token. */
const task: Objective<Labelled, ClassificationModel> = {
  name: "classes",
  collate: (drawn) => {
    const texts = drawn.map(({ example: { tokens } }) => ({ tokens, tokenTypeIds: new Int32Array(tokens.length) }));
    const rows = rowBatch(texts, { padId: pad, packed: false, maxSeqLength: 16 });
    const places = Int32Array.from(rows.starts, (start, i) => start + texts[i]!.tokens.length - 1);
    const labels = Int32Array.from(drawn, ({ example }) => example.label);
    return {
      tensors: { ...rows.tensors, places: integers(places, [3]), labels: integers(labels, [3]) },
      counts: { sequences: 3 },
      ...{ numSequences: 3, numTokens: rows.numTokens, numPlaces: rows.numPlaces },
    };
  },
  loss: (model, context, batch) => {
    const { lastHiddenState } = model.encoder.encode(context, batch as unknown as EncoderInputs);
    const hidden = gather(reshape(lastHiddenState, [-1, lastHiddenState.dim(-1)]), batch.places!);
    const losses = crossEntropy(model.classificationLogits(context, hidden), batch.labels!);
    return { terms: { classes: { sum: sum(losses), count: "sequences", weight: 1 } }, metrics: {} };
  },
};
const drawn = data.map((example, item) => ({ example, epoch: 0, item }));

const bart = bartConfig({
  ...{ ...sizes, numHiddenLayers: 1, intermediateSize: 16, padTokenId: pad, classifierDropout: 0 },
  ...{ numDecoderLayers: 1, numDecoderAttentionHeads: 2, decoderIntermediateSize: 16 },
  ...{ bosTokenId: cls!, eosTokenId: sep!, forcedEosTokenId: sep!, decoderStartTokenId: sep! },
});
const bert = bertConfig({ ...sizes, numHiddenLayers: 2, intermediateSize: 16 });
const gpt2 = gpt2Config({ ...sizes, numHiddenLayers: 2, embeddingDropoutProb: 0, bosTokenId: cls!, eosTokenId: sep! });

const networks = {
  "masked words of BERT": {
    task: () => bertFamily.classification(bert, 2),
    language: () => bertFamily.pretraining(bert),
    term: "mlm",
  },
  "next words of GPT-2": {
    task: () => gpt2Family.classification(gpt2, 2),
    language: () => gpt2Family.pretraining(gpt2),
    term: "lm",
  },
  "denoising of BART": {
    task: () => bartFamily.classification(bart, 2),
    language: () => bartFamily.pretraining(bart),
    term: "denoising",
  },
};

function joint({ task: build, language: buildLanguage }: (typeof networks)[keyof typeof networks]) {
  const [model, language] = [build() as ClassificationModel, buildLanguage()];
  const weights = initialWeights(model, 1);
  // Other heads than those of a new network, as a pre-trained one has.
  const languageWeights = adoptWeights(initialWeights(language, 2), weights).weights;
  const learning = languageLearning(language, { tokenizer, maxSeqLength: 16, packed: true, maskProbability: 0.3 });
  const both = new JointModel(model as ClassificationModel & Module, language);
  const objective = withAuxiliaryLoss(task as never as Objective<Labelled, ClassificationModel & Module>, {
    objective: learning.objective,
    example: (example) => learning.example(textOf(example)),
    weightAt: (made) => 0.2 / (made + 1),
  });
  return { model, both, objective, learning, weights, languageWeights, all: both.weights(weights, languageWeights) };
}

/** The loss of an objective without any training. */
async function measured(
  objective: Objective<never, never>,
  model: Module,
  weights: ReadonlyMap<string, Float32Array>,
  examples: unknown,
) {
  const store = new ModelStore(backend, model, ["value"]);
  store.write("value", weights);
  const evaluator = new Evaluator({ backend, store, model, loss: objective.loss as never, policy: { compute: "f32" } });
  try {
    return await evaluator.run([objective.collate(examples as never, 7)]);
  } finally {
    await evaluator.dispose();
    store.dispose();
  }
}

describe.each(Object.entries(networks))("the auxiliary loss: %s", (_name, network) => {
  test("is the task's loss plus the factor times that of the pre-trained model on the same texts, computed apart (bugs: another encoder's weights, heads of a new network, counts mixed up)", async () => {
    const { model, both, objective, learning, weights, languageWeights, all } = joint(network);
    const texts = data.map((example, item) => ({ example: learning.example(textOf(example)), epoch: 0, item }));
    const alone = await measured(learning.objective as never, network.language(), languageWeights, texts);
    const own = await measured(task as never, model, weights, drawn);
    const step = await TrainStep.create({
      ...{ backend, model: both, weights: all, loss: objective.loss as never, factorsAt: objective.factorsAt },
      optimizer: adamW(),
      treatment: () => ({ learningRateScale: 1, weightDecay: 0 }),
      ...{ maxGradNorm: 1, policy: { compute: "f32" as const }, accumulates: false, seed: 1 },
    });
    for (const number of [1, 4]) {
      const { loss, means } = await step.run([objective.collate(drawn, 7)], number, 0);
      expect(means[network.term]).toBeCloseTo(alone.loss, 5);
      expect(means.classes).toBeCloseTo(own.loss, 5);
      expect(loss).toBeCloseTo(own.loss + (0.2 / number) * alone.loss, 5);
    }
    await step.dispose();
  });

  test("moves the one encoder for both, and its factor scales the gradient (bug: a factor that only scales the figure)", async () => {
    const { both, objective, all } = joint(network);
    const name = [...all.keys()].findLast((key) => key.endsWith("layers.0.output.weight"))!;
    const gradients = [];
    for (const factor of [0, 1, 2]) {
      const step = await TrainStep.create({
        ...{
          backend,
          model: both,
          weights: all,
          loss: objective.loss as never,
          factorsAt: () => ({ auxiliary: factor }),
        },
        optimizer: adamW(),
        treatment: () => ({ learningRateScale: 1, weightDecay: 0 }),
        ...{ maxGradNorm: 1, policy: { compute: "f32" as const }, accumulates: false, seed: 1 },
      });
      await step.run([objective.collate(drawn, 7)], 1, 0);
      gradients.push((await step.store.read("gradient")).get(name)!);
      await step.dispose();
    }
    const [none, once, twice] = gradients;
    const change = once!.map((x, i) => x - none![i]!);
    expect(Math.max(...change.map(Math.abs))).toBeGreaterThan(1e-4);
    for (const [i, x] of change.entries()) expect(twice![i]! - none![i]!).toBeCloseTo(2 * x, 5);
  });

  test("leaves the task's network its names, and takes the heads out of what is kept", () => {
    const { model, both, all, weights } = joint(network);
    const own = [...namedParameters(model).keys()];
    const names = [...namedParameters(both).keys()];
    expect(names.filter((name) => !name.startsWith("languageHead."))).toEqual(own);
    expect([...all.keys()].sort()).toEqual(names.sort());
    expect([...both.taskWeights(all).keys()]).toEqual([...weights.keys()]);
  });
});

describe("auxiliaryWeight", () => {
  test("goes exponentially from one to the other, or stays (bugs: linear, one step too short)", () => {
    const falling = { weight: 0.2, finalWeight: 0.1, maxSteps: 11 };
    expect(auxiliaryWeight(0, falling)).toBe(0.2);
    expect(auxiliaryWeight(5, falling)).toBeCloseTo(0.2 * Math.SQRT1_2, 14);
    expect(auxiliaryWeight(10, falling)).toBeCloseTo(0.1, 14);
    expect(auxiliaryWeight(7, { ...falling, finalWeight: null })).toBe(0.2);
    expect(auxiliaryWeight(0, { ...falling, maxSteps: 1 })).toBe(0.2);
  });
});

describe("textOfFramed", () => {
  test("is the text without its frame; an unknown word at its end stays (bug: trimmed as special)", () => {
    const tokens = Int32Array.of(cls!, 7, 1, sep!, 8, 9, 1, sep!);
    const [first, second] = textOfFramed({ tokens, firstStart: 1, secondStart: 4, secondType: 1 }, tokenizer);
    expect([[...first], [...second!]]).toEqual([
      [7, 1],
      [8, 9, 1],
    ]);
    const causal = languageLearning(gpt2Family.pretraining(gpt2), {
      tokenizer,
      maxSeqLength: 16,
      packed: true,
      maskProbability: 0.15,
    });
    expect([...causal.example([first, second!]).a.tokens]).toEqual([7, 1, 8, 9, 1]);
  });
});
