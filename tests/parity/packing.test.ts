/** @file What packing must not change: losses, gradients and scores are those of one sequence a row. */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Backend } from "../../src/backend/backend.ts";
import { createOnnxBackend } from "../../src/backend/onnx/onnx-backend.ts";
import { Random } from "../../src/base/random.ts";
import type { Batch } from "../../src/data/batch.ts";
import { albertConfig } from "../../src/models/albert/config.ts";
import { albertFamily } from "../../src/models/albert/family.ts";
import { bertConfig } from "../../src/models/bert/config.ts";
import { BertForPretraining, BertForSequenceClassification } from "../../src/models/bert/model.ts";
import type { PretrainingModel } from "../../src/models/model.ts";
import { robertaConfig } from "../../src/models/roberta/config.ts";
import { robertaFamily } from "../../src/models/roberta/family.ts";
import type { Module } from "../../src/nn/module.ts";
import { maskedLanguageModeling } from "../../src/objectives/masked-language-modeling.ts";
import type { Objective } from "../../src/objectives/objective.ts";
import type { EncodedText } from "../../src/tasks/encode-text.ts";
import { textClassification } from "../../src/tasks/text-classification.ts";
import { TextClassifierProgram } from "../../src/tasks/text-classifier-program.ts";
import { ModelStore } from "../../src/train/model-store.ts";
import { firstStep, randomWeights } from "../support/random-model.ts";
import { numWords, tinyTokenizer } from "../support/tiny-run.ts";

let backend: Backend;
beforeAll(async () => {
  backend = await createOnnxBackend({ threads: 2 });
});
afterAll(() => backend.dispose());

const sizes = {
  vocabSize: tinyTokenizer.vocabSize,
  hiddenSize: 32,
  numHiddenLayers: 2,
  numAttentionHeads: 2,
  intermediateSize: 64,
  maxPositionEmbeddings: 64,
  hiddenDropoutProb: 0,
  attentionProbsDropoutProb: 0,
};
const config = bertConfig(sizes);

const weightsOf = (model: Module) => randomWeights(model, 17, 0.1);

/** Loss, terms and gradients of one step over a batch. */
function measure<M extends Module>(model: M, loss: Objective<never, M>["loss"], batch: Batch) {
  return firstStep({ backend, model, weights: weightsOf(model), loss, batch });
}

/** Compares a packed batch with one sequence a row; the packed one must be the denser. */
async function compare<M extends Module>(
  make: () => M,
  loss: Objective<never, M>["loss"],
  packed: Batch,
  single: Batch,
): Promise<void> {
  expect(packed.numTokens).toBe(single.numTokens);
  expect(packed.tensors.inputIds!.shape[0]!).toBeLessThan(single.tensors.inputIds!.shape[0]!);
  expect(packed.numPlaces).toBeLessThan(single.numPlaces);
  const [one, other] = [await measure(make(), loss, packed), await measure(make(), loss, single)];
  expect(Math.abs(one.figures.loss - other.figures.loss)).toBeLessThan(1e-5);
  for (const [name, mean] of Object.entries(other.figures.means)) {
    expect(Math.abs(one.figures.means[name]! - mean)).toBeLessThan(1e-5);
  }
  expect(other.figures.gradientNorm).toBeGreaterThan(0.01);
  for (const [name, gradient] of other.gradients) {
    const own = one.gradients.get(name)!;
    const worst = gradient.reduce((most, value, i) => Math.max(most, Math.abs(value - own[i]!)), 0);
    expect(worst, name).toBeLessThan(1e-5);
  }
}

const random = new Random(5);
const words = (length: number): Int32Array => Int32Array.from({ length }, () => 5 + random.nextInt(numWords));
const segment = (length: number) => ({ tokens: words(length), wordStarts: new Uint8Array(length).fill(1) });

test("masked words and pairs: loss and gradients (would catch positions or sequences that run on in a row)", async () => {
  const bert = () => new BertForPretraining(config);
  const roberta = () => robertaFamily.pretraining(robertaConfig(sizes));
  const albert = () => albertFamily.pretraining(albertConfig({ ...sizes, embeddingSize: 16 }));
  const cases = [
    ["none", bert],
    ["nextSentence", bert],
    ["none", roberta],
    ["sentenceOrder", albert],
  ] as const;
  for (const [pair, make] of cases) {
    const drawn = Array.from({ length: 16 }, (_, item) => {
      const a = segment(3 + random.nextInt(12));
      const b = pair === "none" ? {} : { b: segment(2 + random.nextInt(20)) };
      const label = pair === "nextSentence" ? { isNext: item % 3 > 0 } : { isSwapped: item % 3 > 0 };
      return { example: { a, ...b, ...(pair === "none" ? {} : label) }, epoch: 0, item };
    });
    const objective = (packed: boolean) =>
      maskedLanguageModeling({ tokenizer: tinyTokenizer, maxSeqLength: 64, pair, packed, maskProbability: 0.3 });
    const [packed, single] = [objective(true), objective(false)];
    await compare<PretrainingModel>(make, packed.loss as never, packed.collate(drawn, 3), single.collate(drawn, 3));
  }
});

/** Texts as a task encodes them, of one segment or two. */
function encoded(count: number, segments: 1 | 2): (EncodedText & { readonly label: number })[] {
  return Array.from({ length: count }, () => {
    const first = 1 + random.nextInt(14);
    const second = segments === 1 ? 0 : 1 + random.nextInt(14);
    const tokens = Int32Array.of(2, ...words(first), 3, ...(second === 0 ? [] : [...words(second), 3]));
    return {
      tokens,
      firstStart: 1,
      secondStart: first + 2,
      secondType: 1 as const,
      truncated: false,
      label: random.nextInt(3),
    };
  });
}

test("classification of one segment and of two: loss and gradients (would catch a first token of the row, not of the text)", async () => {
  for (const segments of [1, 2] as const) {
    const drawn = encoded(21, segments).map((example, item) => ({ example, epoch: 0, item }));
    const task = (packed: boolean) => textClassification({ tokenizer: tinyTokenizer, maxSeqLength: 64, packed });
    const [packed, single] = [task(true), task(false)];
    const make = () => new BertForSequenceClassification(config, 3);
    await compare(make, packed.loss as never, packed.collate(drawn, 3), single.collate(drawn, 3));
  }
});

test("scores of many texts come in their order and do not depend on packing (would catch rows read in plan order)", async () => {
  const model = new BertForSequenceClassification(config, 3);
  const store = new ModelStore(backend, model, ["value"]);
  store.write("value", weightsOf(model));
  for (const segments of [1, 2] as const) {
    const texts = encoded(150, segments);
    const score = async (packed: boolean, batchSize: number, part = texts) => {
      const program = new TextClassifierProgram({
        backend,
        store,
        model,
        batchSize,
        maxSeqLength: 64,
        padId: 0,
        packed,
      });
      const logits = await program.logits(part);
      await program.dispose();
      return logits;
    };
    const expected: Float32Array[] = [];
    for (const text of texts.slice(0, 6)) expected.push(...(await score(false, 1, [text])));
    expect(new Set(expected.map(([first]) => first)).size).toBeGreaterThan(4);
    for (const [packed, batchSize] of [
      [true, 8],
      [true, 32],
      [false, 8],
    ] as const) {
      const logits = await score(packed, batchSize);
      expect(logits).toHaveLength(150);
      expected.forEach((row, i) => {
        for (const [k, value] of row.entries()) expect(Math.abs(logits[i]![k]! - value)).toBeLessThan(1e-5);
      });
    }
  }
  store.dispose();
});
