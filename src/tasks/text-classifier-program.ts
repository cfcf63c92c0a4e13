/** @file Scores of many texts by a classifier whose weights lie in an engine. */
import type { Backend } from "../backend/backend.ts";
import type { Batch } from "../data/batch.ts";
import { batchLayout, type PlannedBatch, planRows } from "../data/row-plan.ts";
import type { ClassificationModel } from "../models/model.ts";
import { BatchProgram } from "../train/batch-program.ts";
import type { ParameterSource } from "../train/fixed-weights.ts";
import { type DTypePolicy, traceForward } from "../train/forward-graph.ts";
import { type TextBatchOptions, textBatch } from "./classification-batch.ts";
import type { EncodedText } from "./encode-text.ts";
import { classificationLogits } from "./text-classification.ts";

export interface TextClassifierProgramOptions extends Pick<TextBatchOptions, "maxSeqLength" | "padId"> {
  readonly backend: Backend;
  readonly store: ParameterSource;
  readonly model: ClassificationModel;
  /** Texts of {@link USUAL_LENGTH} tokens computed together; more where they are shorter. */
  readonly batchSize: number;
  readonly policy?: DTypePolicy;
  /** True by default. */
  readonly packed?: boolean;
}

const USUAL_LENGTH = 128;
/** Texts whose rows are planned together: enough to leave hardly any gap. */
const WINDOW = 4_096;
/** Width of rows at which attention costs as much as all else, in multiples of the hidden size. */
const ATTENTION_WIDTH = 5;

export interface TextPlanOptions extends Pick<TextBatchOptions, "maxSeqLength" | "padId" | "packed"> {
  readonly batchSize: number;
  readonly hiddenSize: number;
}

/** Batches that hold each text once, and for each batch the numbers of its texts. */
export function* plannedTextBatches(
  texts: readonly EncodedText[],
  { batchSize, hiddenSize, maxSeqLength, packed, padId }: TextPlanOptions,
): Generator<{ readonly batch: Batch; readonly items: readonly number[] }> {
  for (let from = 0; from < texts.length; from += WINDOW) {
    const lengths = texts.slice(from, from + WINDOW).map(({ tokens }) => tokens.length);
    const plan = planRows(lengths, {
      packed,
      maxSeqLength,
      maxPlaces: batchSize * Math.min(maxSeqLength, USUAL_LENGTH),
      attentionWidth: ATTENTION_WIDTH * hiddenSize,
    });
    // Batches of the same rows have the same room for texts, so that they share a graph.
    const rooms = new Map<string, number>();
    const shapeOf = ({ numRows, width }: PlannedBatch): string => `${numRows} × ${width}`;
    for (const planned of plan) {
      const count = planned.rows.reduce((sum, row) => sum + row.length, 0);
      rooms.set(shapeOf(planned), Math.max(count, rooms.get(shapeOf(planned)) ?? 0));
    }
    for (const planned of plan) {
      const { items: own, layout } = batchLayout(planned);
      const items = own.map((i) => from + i);
      const minRoom = rooms.get(shapeOf(planned));
      yield {
        batch: textBatch(
          items.map((i) => texts[i]!),
          { maxSeqLength, padId, packed, layout, minRoom },
        ),
        items,
      };
    }
  }
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
    const { numLabels, encoder } = model;
    const results = new Array<Float32Array>(texts.length);
    const options = { batchSize, maxSeqLength, padId, packed, hiddenSize: encoder.hiddenSize };
    for (const { batch, items } of plannedTextBatches(texts, options)) {
      const logits = (await this.program.run(batch)).logits as Float32Array;
      items.forEach((item, row) => {
        results[item] = logits.slice(row * numLabels, (row + 1) * numLabels);
      });
    }
    return results;
  }

  async dispose(): Promise<void> {
    await this.last;
    await this.program.dispose();
  }
}
