/** @file Scores of many texts by a classifier whose weights lie in an engine. */
import type { Backend } from "../backend/backend.ts";
import type { ClassificationModel } from "../models/model.ts";
import { BatchProgram } from "../train/batch-program.ts";
import type { ParameterSource } from "../train/fixed-weights.ts";
import { type DTypePolicy, traceForward } from "../train/forward-graph.ts";
import { type TextBatchOptions, textBatch } from "./classification-batch.ts";
import type { EncodedText } from "./encode-text.ts";
import { classificationLogits } from "./text-classification.ts";

export interface TextClassifierProgramOptions extends Omit<TextBatchOptions, "packed"> {
  readonly backend: Backend;
  readonly store: ParameterSource;
  readonly model: ClassificationModel;
  /** Texts computed together. */
  readonly batchSize: number;
  readonly policy?: DTypePolicy;
  /** True by default. */
  readonly packed?: boolean;
}

/** Short texts are computed before long ones among this many batches. */
const ORDERED_BATCHES = 32;
/** Texts up to this length count as equally short: packing fills rows better with mixed lengths, and in fewer shapes. */
const SHORT = 64;

/** Class of a length: 0 up to SHORT tokens, 1 up to twice that, and so on. */
function lengthClass({ tokens }: EncodedText): number {
  return Math.max(0, Math.ceil(Math.log2(tokens.length / SHORT)));
}

/** Runs a classifier without dropout over any number of texts. */
export class TextClassifierProgram {
  private readonly options: TextClassifierProgramOptions;
  private readonly program: BatchProgram;
  private last: Promise<unknown> = Promise.resolve();

  constructor(options: TextClassifierProgramOptions) {
    const { backend, store, model, policy = { compute: "f32" } } = options;
    this.options = options;
    this.program = new BatchProgram({
      backend,
      store,
      fixed: ({ numPlaces }) => store.fixedFor?.(numPlaces),
      trace: (batch) =>
        traceForward(
          store.parameters,
          batch,
          policy,
          (context, symbols) => ({ logits: classificationLogits(model, context, symbols) }),
          store.quantized,
        ),
    });
  }

  /**
   * Scores in the order of the texts, each `[numLabels]`. A second call waits for the first.
   */
  logits(texts: readonly EncodedText[]): Promise<Float32Array[]> {
    const result = this.last.then(() => this.compute(texts));
    this.last = result.catch(() => undefined);
    return result;
  }

  private async compute(texts: readonly EncodedText[]): Promise<Float32Array[]> {
    const { batchSize, maxSeqLength, padId, model, packed = true } = this.options;
    const { numLabels } = model;
    const results = new Array<Float32Array>(texts.length);
    const span = batchSize * ORDERED_BATCHES;
    for (let from = 0; from < texts.length; from += span) {
      const order = Array.from({ length: Math.min(span, texts.length - from) }, (_, i) => from + i);
      order.sort((a, b) => lengthClass(texts[a]!) - lengthClass(texts[b]!) || a - b);
      for (let at = 0; at < order.length; at += batchSize) {
        const part = order.slice(at, at + batchSize);
        const batch = textBatch(
          part.map((i) => texts[i]!),
          { maxSeqLength, padId, packed },
        );
        const logits = (await this.program.run(batch)).logits as Float32Array;
        part.forEach((i, row) => {
          results[i] = logits.slice(row * numLabels, (row + 1) * numLabels);
        });
      }
    }
    return results;
  }

  async dispose(): Promise<void> {
    await this.last;
    await this.program.dispose();
  }
}
