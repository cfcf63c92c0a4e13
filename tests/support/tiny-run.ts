/** @file A whole pre-training run small enough for tests: a language of 19 words in cycles, and a tiny BERT. */
import type { Backend } from "../../src/backend/backend.ts";
import { Random } from "../../src/base/random.ts";
import type { PretrainingExample } from "../../src/data/segment.ts";
import { bertConfig } from "../../src/models/bert/config.ts";
import { bert } from "../../src/models/bert/family.ts";
import type { PretrainingModel } from "../../src/models/model.ts";
import {
  type MaskedLanguageModelingOptions,
  maskedLanguageModeling,
} from "../../src/objectives/masked-language-modeling.ts";
import type { Tokenizer } from "../../src/tokenizers/tokenizer.ts";
import type { Examples } from "../../src/train/batch-maker.ts";
import { Evaluator } from "../../src/train/evaluator.ts";
import { type TrainOptionsInput, trainOptionsTable } from "../../src/train/options.ts";
import type { OpenEvaluation, TrainSpec } from "../../src/train/trainer.ts";

/** Ids 0 to 4 are special; the words are 5 to 23. */
export const numWords = 19;
const unused = (): never => {
  throw new Error("this tokenizer has ids only");
};

export const tinyTokenizer: Tokenizer = {
  vocabSize: 5 + numWords,
  special: { pad: 0, unk: 1, cls: 2, sep: 3, mask: 4, bos: 2, eos: 3 },
  specialIds: [0, 1, 2, 3, 4],
  hash: "tiny",
  encodeBatch: unused,
  encodeIds: unused,
  decode: unused,
  stream: unused,
  idToToken: String,
  tokenToId: Number,
  save: unused,
};

/** Words in cyclic order from a random one on: every word follows from its neighbours, all are equally frequent. */
export function cyclicExamples(numExamples = 64, longest = 11): Examples<PretrainingExample> {
  return {
    numExamples,
    example: (_seed, _epoch, index) => {
      const random = new Random(99, index);
      const length = longest - random.nextInt(4);
      const first = random.nextInt(numWords);
      const tokens = Int32Array.from({ length }, (_, i) => 5 + ((first + i) % numWords));
      return { a: { tokens, wordStarts: new Uint8Array(length).fill(1) } };
    },
  };
}

export function tinyBert(
  options: { readonly dropout?: number; readonly seed?: number; readonly layers?: number } = {},
) {
  const { dropout = 0.1, seed = 1, layers = 2 } = options;
  const config = bertConfig({
    vocabSize: tinyTokenizer.vocabSize,
    hiddenSize: 16,
    numHiddenLayers: layers,
    numAttentionHeads: 2,
    intermediateSize: 32,
    maxPositionEmbeddings: 16,
    hiddenDropoutProb: dropout,
    attentionProbsDropoutProb: dropout,
  });
  return bert(config, { seed });
}

export function tinyObjective(options: Partial<MaskedLanguageModelingOptions> = {}) {
  return maskedLanguageModeling({ tokenizer: tinyTokenizer, maxSeqLength: 16, ...options });
}

export type TinySpec = TrainSpec<PretrainingExample, PretrainingModel>;

/** Everything `train` needs; options and parts can be replaced. */
export function tinySpec(
  backend: Backend,
  options: TrainOptionsInput,
  parts: Partial<Omit<TinySpec, "options">> & { readonly dropout?: number } = {},
): TinySpec {
  const { dropout, ...rest } = parts;
  const { module, weights } = tinyBert(dropout === undefined ? {} : { dropout });
  return {
    backend,
    model: module,
    weights,
    objective: tinyObjective(),
    examples: cyclicExamples(),
    options: trainOptionsTable.resolve({ batchSize: 8, learningRate: 2e-3, seed: 3, ...options }),
    ...rest,
  };
}

/** Evaluates on sixteen examples with the same masks every time. */
export function tinyEvaluation({ backend, model, objective, examples }: TinySpec): OpenEvaluation {
  const drawn = Array.from({ length: 16 }, (_, item) => ({ example: examples.example(0, 0, item), epoch: 0, item }));
  return (store) => {
    const evaluator = new Evaluator({ backend, store, model, loss: objective.loss, policy: { compute: "f32" } });
    return {
      run: () => evaluator.run([objective.collate(drawn.slice(0, 9), 0), objective.collate(drawn.slice(9), 0)]),
      dispose: () => evaluator.dispose(),
    };
  };
}

/** Plain arrays for comparing bits. */
export function plain(weights: ReadonlyMap<string, Float32Array>): Record<string, number[]> {
  return Object.fromEntries([...weights].map(([name, data]) => [name, [...new Uint32Array(data.slice().buffer)]]));
}

/** Of the run that is killed in the middle. */
export const killedRunOptions: TrainOptionsInput = {
  maxSteps: 60,
  checkpointSteps: 4,
  gradientAccumulationSteps: 2,
  keepCheckpoints: 2,
};
