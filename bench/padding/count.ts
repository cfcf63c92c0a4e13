/** @file How many places of a run's batches are padding, and how many graphs they need. */

import { DEFAULT_EVAL_EXAMPLES as HELD_OUT, heldOutBatches } from "../../src/api/pretrain.ts";
import { type Batch, batchSignature } from "../../src/data/batch.ts";
import { endlessOrder } from "../../src/data/order.ts";
import type { ExampleStream, PretrainingExample } from "../../src/data/segment.ts";
import { maskedLanguageModeling } from "../../src/objectives/masked-language-modeling.ts";
import { textClassification } from "../../src/tasks/text-classification.ts";
import { plannedTextBatches } from "../../src/tasks/text-plan.ts";
import type { Tokenizer } from "../../src/tokenizers/tokenizer.ts";
import type { Cut, TextSet } from "./data-set.ts";

/** What one way of making batches wastes. */
export interface PaddingCount {
  readonly data: string;
  readonly mode: string;
  readonly batches: number;
  readonly sequences: number;
  /** Different shapes, each a compiled graph. */
  readonly shapes: number;
  /** Share of the batches that the four commonest shapes make. */
  readonly commonShare: number;
  readonly meanWidth: number;
  /** Shares of places that are padding: as Firth packs, and with one sequence a row as wide as the batch's longest, or
   * as the longest allowed. */
  readonly packed: number;
  readonly toLongest: number;
  readonly toMaximum: number;
}

const SEED = 1;
const EPOCHS = 3;

/** Adds up batches as they are made; `lengths` are those of the same sequences in groups of the batch size. */
class Counter {
  private readonly shapes = new Map<string, number>();
  private batches = 0;
  private tokens = 0;
  private places = 0;
  private rows = 0;
  private sequences = 0;
  private longestPlaces = 0;

  add(batch: Batch): void {
    const signature = batchSignature(batch);
    this.shapes.set(signature, (this.shapes.get(signature) ?? 0) + 1);
    this.batches++;
    this.tokens += batch.numTokens;
    this.places += batch.numPlaces;
    this.rows += batch.tensors.inputIds!.shape[0]!;
    this.sequences += batch.numSequences;
  }

  addUnpacked(lengths: readonly number[]): void {
    this.longestPlaces += lengths.length * Math.max(...lengths);
  }

  finish(data: string, mode: string, maxSeqLength: number): PaddingCount {
    const common = [...this.shapes.values()].sort((a, b) => b - a).slice(0, 4);
    return {
      data,
      mode,
      batches: this.batches,
      sequences: this.sequences,
      shapes: this.shapes.size,
      commonShare: common.reduce((sum, count) => sum + count, 0) / this.batches,
      meanWidth: this.places / this.rows,
      packed: 1 - this.tokens / this.places,
      toLongest: 1 - this.tokens / this.longestPlaces,
      toMaximum: 1 - this.tokens / (this.sequences * maxSeqLength),
    };
  }
}

/** Fine-tuning: shuffled batches over several epochs. */
export function countFineTuning(set: TextSet, tokenizer: Tokenizer, batchSize: number): PaddingCount {
  const { name, maxSeqLength, train } = set;
  const task = textClassification({ tokenizer, maxSeqLength });
  const counter = new Counter();
  const order = endlessOrder(train.length, SEED);
  const steps = Math.floor((EPOCHS * train.length) / batchSize);
  for (let step = 0; step < steps; step++) {
    const drawn = Array.from({ length: batchSize }, (_, i) => {
      const { epoch, item } = order(step * batchSize + i);
      return { example: train[item]!, epoch, item };
    });
    counter.add(task.collate(drawn, SEED));
    counter.addUnpacked(drawn.map(({ example }) => example.tokens.length));
  }
  return counter.finish(name, `fine-tuning, ${batchSize} texts a step`, maxSeqLength);
}

/** Evaluation and prediction: texts in the order of their file, computed in any. */
export function countPrediction(set: TextSet, tokenizer: Tokenizer, batchSize: number, packed: boolean): PaddingCount {
  const { name, maxSeqLength, held } = set;
  const counter = new Counter();
  const padId = tokenizer.special.pad;
  const options = { batchSize, maxSeqLength, padId, packed, hiddenSize: 256 };
  for (const { batch } of plannedTextBatches(held, options)) counter.add(batch);
  for (let at = 0; at < held.length; at += batchSize) {
    counter.addUnpacked(held.slice(at, at + batchSize).map(({ tokens }) => tokens.length));
  }
  return counter.finish(name, packed ? "evaluation, prediction" : "same, buckets only", maxSeqLength);
}

/** Pre-training: shuffled batches over several epochs. */
export function countPretraining(
  examples: ExampleStream,
  { maxSeqLength, pair }: Cut,
  tokenizer: Tokenizer,
  batchSize: number,
): PaddingCount {
  const { collate } = maskedLanguageModeling({ tokenizer, maxSeqLength, pair });
  const counter = new Counter();
  const order = endlessOrder(examples.numExamples, SEED);
  const steps = Math.max(1, Math.floor((EPOCHS * examples.numExamples) / batchSize));
  for (let step = 0; step < steps; step++) {
    const drawn = Array.from({ length: batchSize }, (_, i) => {
      const { epoch, item } = order(step * batchSize + i);
      return { example: examples.example(SEED, epoch, item), epoch, item };
    });
    counter.add(collate(drawn, SEED));
    counter.addUnpacked(drawn.map(({ example }) => lengthOf(example)));
  }
  const what = pair === "none" ? "text" : "sentence pairs";
  return counter.finish("WikiText-2", `pre-training on ${what}, ${batchSize} × ${maxSeqLength}`, maxSeqLength);
}

/** Evaluation while pre-training, as `pretrain` makes it. */
export function countHeldOut(
  examples: ExampleStream,
  { maxSeqLength, pair }: Cut,
  tokenizer: Tokenizer,
  batchSize: number,
): PaddingCount {
  const objective = maskedLanguageModeling({ tokenizer, maxSeqLength, pair });
  const counter = new Counter();
  for (const batch of heldOutBatches(objective, examples, { batchSize })) counter.add(batch);
  const count = Math.min(HELD_OUT, examples.numExamples);
  for (let at = 0; at < count; at += batchSize) {
    const items = Array.from({ length: Math.min(batchSize, count - at) }, (_, i) => at + i);
    const spread = items.map((i) => Math.floor((i * examples.numExamples) / count));
    counter.addUnpacked(spread.map((item) => lengthOf(examples.example(0, 0, item))));
  }
  const what = pair === "none" ? "text" : "sentence pairs";
  return counter.finish("WikiText-2", `its evaluation on ${what}, ${batchSize} × ${maxSeqLength}`, maxSeqLength);
}

function lengthOf({ a, b }: PretrainingExample): number {
  return a.tokens.length + 2 + (b === undefined ? 0 : b.tokens.length + 1);
}
