/** @file Encoded texts in rows, with the places of their first and last tokens. */
import type { Batch } from "../data/batch.ts";
import type { PlannedBatch } from "../data/row-plan.ts";
import type { HostTensor } from "../ir/dtype.ts";
import { UNSCORED } from "../ir/unscored.ts";
import { tokenTypes } from "../objectives/frame.ts";
import { integers, roomFor, rowBatch } from "../objectives/row-batch.ts";
import type { EncodedText } from "./encode-text.ts";

export interface TextBatchOptions {
  readonly maxSeqLength: number;
  readonly padId: number;
  /** Whether rows hold several texts. */
  readonly packed: boolean;
  /** Which text stands where, by a plan for more texts than these; the cheapest shape when left out. */
  readonly layout?: PlannedBatch | undefined;
  /** Room for at least so many texts; for these when left out. */
  readonly minRoom?: number | undefined;
}

/**
 * A batch of texts in rows, and `firstTokens` and `lastTokens` i32 `[S]`, the places of each text's first and last token
 * over all rows; S is the number of texts rounded up, and the surplus points at place 0.
 */
export function textBatch(texts: readonly EncodedText[], options: TextBatchOptions): Batch {
  const { padId, packed, maxSeqLength, layout, minRoom = 0 } = options;
  const rows = rowBatch(
    texts.map((text) => ({ tokens: text.tokens, tokenTypeIds: tokenTypes(text) })),
    layout === undefined ? { padId, packed, maxSeqLength } : { padId, layout },
  );
  const room = roomFor(Math.max(texts.length, minRoom));
  const firstTokens = new Int32Array(room);
  firstTokens.set(rows.starts);
  const lastTokens = new Int32Array(room);
  lastTokens.set(rows.starts.map((start, i) => start + texts[i]!.tokens.length - 1));
  return {
    tensors: {
      ...rows.tensors,
      firstTokens: integers(firstTokens, [room]),
      lastTokens: integers(lastTokens, [room]),
    },
    lists: { firstTokens: { count: texts.length, beside: {} }, lastTokens: { count: texts.length, beside: {} } },
    counts: { sequences: texts.length },
    numSequences: texts.length,
    numTokens: rows.numTokens,
    numPlaces: rows.numPlaces,
  };
}

/** A batch with more tensors `[S]` beside its texts, and what their surplus is filled with. */
function beside(
  batch: Batch,
  tensors: Readonly<Record<string, HostTensor>>,
  fills: Readonly<Record<string, number>>,
): Batch {
  const firstTokens = { count: batch.numSequences, beside: { ...batch.lists?.firstTokens?.beside, ...fills } };
  return { ...batch, tensors: { ...batch.tensors, ...tensors }, lists: { ...batch.lists, firstTokens } };
}

/** A batch with `labels` i32 `[S]`, −100 in the surplus. */
export function withLabels(batch: Batch, labels: readonly number[]): Batch {
  const shape = batch.tensors.firstTokens!.shape;
  const data = new Int32Array(shape[0]!).fill(UNSCORED);
  data.set(labels);
  return beside(batch, { labels: integers(data, shape) }, { labels: UNSCORED });
}

/** A batch with `secondOffsets` i32 `[S]`: tokens of each text before its second segment, for heads that read pairs. */
export function withSecondOffsets(batch: Batch, texts: readonly Pick<EncodedText, "secondStart">[]): Batch {
  const shape = batch.tensors.firstTokens!.shape;
  const data = new Int32Array(shape[0]!);
  data.set(texts.map(({ secondStart }) => secondStart));
  return beside(batch, { secondOffsets: integers(data, shape) }, { secondOffsets: 0 });
}

/** A batch with `scores` f32 `[S]` and `scored` f32 `[S]`: 1 for each text, 0 in the surplus. */
export function withScores(batch: Batch, scores: readonly number[]): Batch {
  const shape = batch.tensors.firstTokens!.shape;
  const floats = (values: readonly number[]): HostTensor => {
    const data = new Float32Array(shape[0]!);
    data.set(values);
    return { dtype: "f32", shape, data };
  };
  const tensors = { scores: floats(scores), scored: floats(scores.map(() => 1)) };
  return beside(batch, tensors, { scores: 0, scored: 0 });
}
