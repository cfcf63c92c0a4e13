import { packAlong, packRows } from "../data/packing.ts";
import { fitRows, type RowLayout, type RowShapeOptions } from "../data/row-shape.ts";
import type { HostTensor } from "../ir/dtype.ts";

/** One sequence of a batch, special tokens included. */
export interface RowSequence {
  readonly tokens: Int32Array;
  readonly tokenTypeIds: Int32Array;
  /** See `EncoderInputs.attentionRanks`; of all sequences of a batch or of none. */
  readonly ranks?: Int32Array | undefined;
}

/** How sequences become rows: by a plan, or in the cheapest shape for these sequences. */
export type RowBatchOptions = { readonly padId: number } & (
  | { readonly layout: Pick<RowLayout, "rows" | "width" | "numRows"> }
  | RowShapeOptions
);

export interface RowBatch {
  /** `inputIds`, `sequenceIds`, `positionIds`, `tokenTypeIds` and, of sequences with ranks, `attentionRanks`: i32 `[R, W]`. */
  readonly tensors: Readonly<Record<"inputIds" | "sequenceIds" | "positionIds" | "tokenTypeIds", HostTensor>> & {
    readonly attentionRanks?: HostTensor;
  };
  /** For each sequence the place of its first token over all rows. */
  readonly starts: Int32Array;
  readonly numTokens: number;
  readonly numPlaces: number;
}

/** An i32 tensor over an array. */
export function integers(data: Int32Array, shape: readonly number[]): HostTensor {
  return { dtype: "i32", shape, data };
}

/** Room for what each sequence has one of: grows in steps of at least 8, and of an eighth to a quarter of it: few shapes, little waste. */
export function roomFor(count: number): number {
  const power = Math.floor(Math.log2(Math.max(1, count)));
  const unit = Math.max(Math.min(8, 2 ** power), 2 ** power / 8);
  return Math.ceil(count / unit) * unit;
}

/**
 * Lays sequences out in rows as what an encoder takes.
 * @throws {DataError} SEQUENCE_TOO_LONG, SEQUENCE_EMPTY
 */
export function rowBatch(sequences: readonly RowSequence[], options: RowBatchOptions): RowBatch {
  const lengths = sequences.map(({ tokens }) => tokens.length);
  const layout = "layout" in options ? options.layout : fitRows(lengths, options);
  const { width, numRows } = layout;
  const rows = packRows(
    sequences.map(({ tokens }) => tokens),
    { rows: layout.rows },
    { width, padId: options.padId, numRows },
  );
  const types = packAlong(
    sequences.map(({ tokenTypeIds }) => tokenTypeIds),
    rows,
    0,
  );
  const ranks = sequences.flatMap((sequence) => (sequence.ranks === undefined ? [] : [sequence.ranks]));
  const shape = [numRows, width];
  return {
    tensors: {
      inputIds: integers(rows.inputIds, shape),
      sequenceIds: integers(rows.sequenceIds, shape),
      positionIds: integers(rows.positionIds, shape),
      tokenTypeIds: integers(types, shape),
      ...(ranks.length === 0 ? {} : { attentionRanks: integers(packAlong(ranks, rows, 0), shape) }),
    },
    starts: rows.starts,
    numTokens: lengths.reduce((sum, length) => sum + length, 0),
    numPlaces: numRows * width,
  };
}
