/**
 * @file The shape of the rows that a batch is laid out in: few tokens wasted, few shapes, cheap attention.
 *
 * A place costs 1 + width / attentionWidth: everything a token costs by itself, and its attention to the whole row
 * (block-diagonal attention computes the blocks that it blanks out, too). A shape costs a compiled graph.
 */
import { fillRows } from "./fill-rows.ts";
import { type Packing, packSequences } from "./packing.ts";

/** Rows of one width, and which sequences stand in which. */
export interface RowLayout extends Packing {
  readonly width: number;
  /** At least the rows in use; the others are padding. */
  readonly numRows: number;
}

export interface RowShapeOptions {
  /** Whether rows may hold several sequences. */
  readonly packed: boolean;
  /** Longest sequence there can be; rows of single sequences are never wider. No limit unless given. */
  readonly maxSeqLength?: number | undefined;
  /** See {@link rowCost}. */
  readonly attentionWidth?: number | undefined;
}

/** {@link rowCost}'s default: between a network of 256 hidden units (1 300) and one of 768 (about 4 500). */
export const defaultAttentionWidth = 2_048;

/**
 * Cost of rows in places of no attention.
 * @param attentionWidth width at which attention costs as much as everything else: 4 · W · H operations a token and
 * layer against 24 · H², so 6 · H; measured a little less, for softmax and dropout (5 · H at H = 256)
 */
export function rowCost(numRows: number, width: number, attentionWidth = defaultAttentionWidth): number {
  return numRows * width * (1 + width / attentionWidth);
}

/** Widths of packed rows grow by this factor from one to the next: half of it is wasted, and shapes are few. */
const WIDTH_RATIO = 1.045;
/** Sequences that share a row of a batch: fewer leave gaps, more make rows wide. */
const SEQUENCES_PER_ROW = 3.2;
const FEW_SEQUENCES = 4;
/** Above so many sequences best fit leaves no gaps either, and is faster. */
const MANY_SEQUENCES = 256;

/** The next width that packed rows may have: even numbers about {@link WIDTH_RATIO} apart. */
export function packedWidth(least: number): number {
  const even = (step: number): number => 2 * Math.round(WIDTH_RATIO ** step / 2);
  let step = Math.max(0, Math.floor(Math.log(least) / Math.log(WIDTH_RATIO)) - 1);
  while (even(step) < least) step++;
  return even(step);
}

/** The next width that rows of single sequences may have: multiples of 8, above 64 eight to the doubling. */
export function bucketWidth(least: number, maxSeqLength = Number.POSITIVE_INFINITY): number {
  const unit = Math.max(8, 2 ** Math.floor(Math.log2(Math.max(1, least - 1))) / 8);
  return Math.max(least, Math.min(maxSeqLength, Math.ceil(least / unit) * unit));
}

/** Packs sequences into rows of one width as tightly as it can. */
export function packTightly(lengths: ArrayLike<number>, width: number): Packing {
  const quick = packSequences(lengths, width);
  let total = 0;
  for (let i = 0; i < lengths.length; i++) total += lengths[i]!;
  if (lengths.length > MANY_SEQUENCES || quick.rows.length === Math.ceil(total / width)) return quick;
  const thorough = fillRows(lengths, width);
  return thorough.rows.length < quick.rows.length ? thorough : quick;
}

/** As many rows as a third of the sequences, as wide as that needs. */
function balanced(lengths: readonly number[], longest: number, total: number): RowLayout {
  const wanted = Math.max(1, Math.floor(lengths.length / SEQUENCES_PER_ROW));
  for (let width = packedWidth(Math.max(longest, total / wanted)); ; width = packedWidth(width + 1)) {
    const packing = packTightly(lengths, width);
    // One long sequence makes all rows wide; then fewer of them do.
    if (packing.rows.length <= wanted) return { ...packing, width, numRows: packing.rows.length };
  }
}

/** Rows as narrow as the longest sequence allows. */
function narrow(lengths: readonly number[], longest: number, maxSeqLength: number | undefined): RowLayout {
  const width = bucketWidth(longest, maxSeqLength);
  const packing = packTightly(lengths, width);
  return { ...packing, width, numRows: packing.rows.length };
}

/**
 * Rows for a batch whose sequences are given: those of an optimizer step. A pure function of the lengths.
 *
 * Packed, about three sequences share a row, and widths are 4 % apart, so that padding is 2 to 3 % and batches of the
 * same kind need about ten shapes; sequences that are mostly as long as allowed stay narrower, where that is cheaper.
 * @param lengths tokens of each sequence; at least one
 * @throws {DataError} SEQUENCE_TOO_LONG, SEQUENCE_EMPTY
 */
export function fitRows(lengths: readonly number[], options: RowShapeOptions): RowLayout {
  const { packed, maxSeqLength, attentionWidth } = options;
  const longest = lengths.reduce((most, length) => Math.max(most, length), 1);
  if (!packed) {
    const width = bucketWidth(longest, maxSeqLength);
    const packing = packSequences(lengths, width, { maxPerRow: 1 });
    return { ...packing, width, numRows: packing.rows.length };
  }
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const tall = narrow(lengths, longest, maxSeqLength);
  // Few sequences come in any length: buckets keep their shapes few.
  if (lengths.length < FEW_SEQUENCES) return tall;
  const wide = balanced(lengths, longest, total);
  const cost = ({ numRows, width }: RowLayout): number => rowCost(numRows, width, attentionWidth);
  // Where both cost nearly the same, one kind of shape for all batches is worth more.
  return cost(tall) < 0.92 * cost(wide) ? tall : wide;
}
