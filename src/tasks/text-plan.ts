/** @file Which of many texts are computed together, in which rows. */
import type { Batch } from "../data/batch.ts";
import { batchLayout, type PlannedBatch, planRows } from "../data/row-plan.ts";
import { type TextBatchOptions, textBatch, withSecondOffsets } from "./classification-batch.ts";
import type { EncodedText } from "./encode-text.ts";

/** Tokens of a text as batch sizes count them. */
const USUAL_LENGTH = 128;
/** Texts whose rows are planned together: enough to leave hardly any gap. */
const WINDOW = 4_096;
/** Width of rows at which attention costs as much as all else, in multiples of the hidden size. */
const ATTENTION_WIDTH = 5;

export interface TextPlanOptions extends Pick<TextBatchOptions, "maxSeqLength" | "padId" | "packed"> {
  /** Texts of 128 tokens computed together; more where they are shorter. */
  readonly batchSize: number;
  readonly hiddenSize: number;
  /** Whether batches say where second segments begin; false by default. */
  readonly marksSecond?: boolean;
}

/** Batches that hold each text once, and for each batch the numbers of its texts. */
export function* plannedTextBatches(
  texts: readonly EncodedText[],
  { batchSize, hiddenSize, maxSeqLength, packed, padId, marksSecond = false }: TextPlanOptions,
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
      const { items: places, layout } = batchLayout(planned);
      const items = places.map((i) => from + i);
      const minRoom = rooms.get(shapeOf(planned));
      const own = items.map((i) => texts[i]!);
      const batch = textBatch(own, { maxSeqLength, padId, packed, layout, minRoom });
      yield { batch: marksSecond ? withSecondOffsets(batch, own) : batch, items };
    }
  }
}
