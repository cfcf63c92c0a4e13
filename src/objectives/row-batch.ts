import { packAlong, packRows, packSequences } from "../data/packing.ts";
import type { HostTensor } from "../ir/dtype.ts";

/** One sequence of a batch, special tokens included. */
export interface RowSequence {
  readonly tokens: Int32Array;
  readonly tokenTypeIds: Int32Array;
}

export interface RowBatchOptions {
  /** Places in a row. */
  readonly width: number;
  readonly padId: number;
  /** Whether rows hold several sequences. */
  readonly packed: boolean;
  /** The number of rows is rounded up to a multiple of this, so that few shapes occur. */
  readonly rowMultiple: number;
}

export interface RowBatch {
  /** `inputIds`, `sequenceIds`, `positionIds`, `tokenTypeIds`: i32 `[R, W]`. */
  readonly tensors: Readonly<Record<"inputIds" | "sequenceIds" | "positionIds" | "tokenTypeIds", HostTensor>>;
  /** For each sequence the place of its first token over all rows. */
  readonly starts: Int32Array;
  readonly numTokens: number;
  readonly numPlaces: number;
}

/** An i32 tensor over an array. */
export function integers(data: Int32Array, shape: readonly number[]): HostTensor {
  return { dtype: "i32", shape, data };
}

/** Lays sequences out in rows, packed or one a row, as what an encoder takes. */
export function rowBatch(sequences: readonly RowSequence[], options: RowBatchOptions): RowBatch {
  const { width, padId, packed, rowMultiple } = options;
  const lengths = sequences.map(({ tokens }) => tokens.length);
  const packing = packSequences(lengths, width, packed ? {} : { maxPerRow: 1 });
  const numRows = Math.ceil(packing.rows.length / rowMultiple) * rowMultiple;
  const rows = packRows(
    sequences.map(({ tokens }) => tokens),
    packing,
    { width, padId, numRows },
  );
  const types = packAlong(
    sequences.map(({ tokenTypeIds }) => tokenTypeIds),
    rows,
    0,
  );
  const shape = [numRows, width];
  return {
    tensors: {
      inputIds: integers(rows.inputIds, shape),
      sequenceIds: integers(rows.sequenceIds, shape),
      positionIds: integers(rows.positionIds, shape),
      tokenTypeIds: integers(types, shape),
    },
    starts: rows.starts,
    numTokens: lengths.reduce((sum, length) => sum + length, 0),
    numPlaces: numRows * width,
  };
}
