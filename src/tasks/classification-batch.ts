/** @file Encoded texts in rows, with the places of their first tokens. */
import type { Batch } from "../data/batch.ts";
import { packSequences } from "../data/packing.ts";
import { integers, rowBatch } from "../objectives/row-batch.ts";
import type { EncodedText } from "./encode-text.ts";

export interface TextBatchOptions {
  readonly maxSeqLength: number;
  readonly padId: number;
  /** Whether rows hold several texts. */
  readonly packed: boolean;
}

/** Ignored by crossEntropy. */
export const UNSCORED = -100;

/** Row widths are multiples of this, so that few shapes occur. */
const WIDTH_STEP = 32;
/** Room for texts is made in steps of this. */
const TEXT_STEP = 8;

/** Token type ids of a text: 0 for its first segment, 1 for its second. */
export function tokenTypes({ tokens, secondStart }: EncodedText): Int32Array {
  return new Int32Array(tokens.length).fill(1, secondStart);
}

/**
 * The width of rows: what the longest text needs, or twice that where it makes fewer places, because texts that fill
 * little more than half a row cannot share one.
 */
function rowWidth(lengths: readonly number[], rowMultiple: number, { maxSeqLength, packed }: TextBatchOptions): number {
  const rounded = (width: number): number => Math.min(maxSeqLength, Math.ceil(width / WIDTH_STEP) * WIDTH_STEP);
  const narrow = rounded(Math.max(1, ...lengths));
  const wide = rounded(2 * narrow);
  if (!packed || wide === narrow) return narrow;
  const places = (width: number): number =>
    Math.ceil(packSequences(lengths, width).rows.length / rowMultiple) * rowMultiple * width;
  return places(wide) < 0.95 * places(narrow) ? wide : narrow;
}

/**
 * A batch of texts: rows as wide as the longest text needs or twice that, and `firstTokens` i32 `[S]`, the place of each text's
 * first token over all rows; S is the number of texts rounded up, and the surplus points at place 0.
 */
export function textBatch(texts: readonly EncodedText[], options: TextBatchOptions): Batch {
  const { padId, packed } = options;
  const lengths = texts.map(({ tokens }) => tokens.length);
  const rowMultiple = Math.max(1, Math.floor(texts.length / 16));
  const rows = rowBatch(
    texts.map((text) => ({ tokens: text.tokens, tokenTypeIds: tokenTypes(text) })),
    { width: rowWidth(lengths, rowMultiple, options), padId, packed, rowMultiple },
  );
  const room = Math.ceil(texts.length / TEXT_STEP) * TEXT_STEP;
  const firstTokens = new Int32Array(room);
  firstTokens.set(rows.starts);
  return {
    tensors: { ...rows.tensors, firstTokens: integers(firstTokens, [room]) },
    counts: { sequences: texts.length },
    numSequences: texts.length,
    numTokens: rows.numTokens,
    numPlaces: rows.numPlaces,
  };
}

/** A batch with `labels` i32 `[S]`, −100 in the surplus. */
export function withLabels(batch: Batch, labels: readonly number[]): Batch {
  const shape = batch.tensors.firstTokens!.shape;
  const data = new Int32Array(shape[0]!).fill(UNSCORED);
  data.set(labels);
  return { ...batch, tensors: { ...batch.tensors, labels: integers(data, shape) } };
}
