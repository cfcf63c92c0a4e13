import { DataError } from "../base/errors.ts";

/** Which sequences share which row. */
export interface Packing {
  /** For each row the numbers of its sequences, in the order they stand in it. */
  readonly rows: readonly (readonly number[])[];
  /** Share of the rows' places that hold tokens, in (0, 1]; 1 − fillRatio is padding. */
  readonly fillRatio: number;
}

/** Limits of a packing. */
export interface PackingOptions {
  /** Most sequences in a row; no limit unless given. */
  readonly maxPerRow?: number;
}

/**
 * Packs sequences whole into few rows of one width: best fit, longest first; ties by number, so the same lengths
 * always give the same rows. Rows are ordered by their smallest sequence number.
 * @param lengths tokens of each sequence, special tokens included
 * @param width places in a row
 * @throws {DataError} SEQUENCE_TOO_LONG when a sequence is longer than a row, SEQUENCE_EMPTY
 * @source Johnson 1973, best-fit decreasing: never above 11/9 of the fewest rows possible (and 6/9 of one)
 */
export function packSequences(lengths: ArrayLike<number>, width: number, options: PackingOptions = {}): Packing {
  const { maxPerRow = Number.POSITIVE_INFINITY } = options;
  const order = Array.from({ length: lengths.length }, (_, i) => i);
  for (const i of order) checkLength(lengths[i]!, width, i);
  order.sort((a, b) => lengths[b]! - lengths[a]! || a - b);
  const rows: number[][] = [];
  // rowsByRoom[r]: rows with exactly r places left, the oldest last, so that it is taken first.
  const rowsByRoom: number[][] = Array.from({ length: width + 1 }, () => []);
  let total = 0;
  for (const sequence of order) {
    const length = lengths[sequence]!;
    total += length;
    let room = length;
    while (room <= width && rowsByRoom[room]!.length === 0) room++;
    let row = room <= width ? rowsByRoom[room]!.pop() : undefined;
    if (row === undefined) {
      row = rows.push([]) - 1;
      room = width;
    }
    rows[row]!.push(sequence);
    if (rows[row]!.length < maxPerRow) rowsByRoom[room - length]!.push(row);
  }
  for (const row of rows) row.sort((a, b) => a - b);
  rows.sort((a, b) => a[0]! - b[0]!);
  return { rows, fillRatio: rows.length === 0 ? 1 : total / (rows.length * width) };
}

function checkLength(length: number, width: number, sequence: number): void {
  if (length > width) {
    throw new DataError(`sequence ${sequence} has ${length} tokens, a row only ${width} places. Truncate it first.`, {
      code: "SEQUENCE_TOO_LONG",
      details: { sequence, length, width },
    });
  }
  if (!(Number.isInteger(length) && length > 0)) {
    throw new DataError(`sequence ${sequence} must have at least one token; got ${length}. Leave it out.`, {
      code: "SEQUENCE_EMPTY",
      details: { sequence, length },
    });
  }
}

/** Rows of packed sequences as arrays. Dims: R rows, W places. */
export interface PackedRows {
  readonly numRows: number;
  readonly width: number;
  /** int32 `[R, W]`; the padding id where nothing stands. */
  readonly inputIds: Int32Array;
  /** int32 `[R, W]`; counts from 0 again for each sequence; 0 at padding. */
  readonly positionIds: Int32Array;
  /** int32 `[R, W]`; 1, 2, … by sequence of the row, 0 at padding: tokens attend only to their own number. */
  readonly sequenceIds: Int32Array;
  /** For each sequence the place of its first token, counted over all rows (row · W + column); −1 if it is in no row. */
  readonly starts: Int32Array;
}

/** What {@link packRows} fills rows with. */
export interface PackRowsOptions {
  readonly width: number;
  readonly padId: number;
  /** Rows to make; those beyond the packing's own are all padding. The packing's own number unless given. */
  readonly numRows?: number;
}

/**
 * Lays packed sequences out in rows.
 * @throws {DataError} ROWS_TOO_FEW when numRows is less than the packing needs
 */
export function packRows(
  sequences: readonly ArrayLike<number>[],
  packing: Pick<Packing, "rows">,
  { width, padId, numRows = packing.rows.length }: PackRowsOptions,
): PackedRows {
  if (numRows < packing.rows.length) {
    throw new DataError(`the sequences need ${packing.rows.length} rows; got room for ${numRows}. Take fewer.`, {
      code: "ROWS_TOO_FEW",
    });
  }
  const inputIds = new Int32Array(numRows * width).fill(padId);
  const positionIds = new Int32Array(numRows * width);
  const sequenceIds = new Int32Array(numRows * width);
  const starts = new Int32Array(sequences.length).fill(-1);
  packing.rows.forEach((row, r) => {
    let at = r * width;
    row.forEach((sequence, n) => {
      const tokens = sequences[sequence]!;
      starts[sequence] = at;
      inputIds.set(tokens, at);
      sequenceIds.fill(n + 1, at, at + tokens.length);
      for (let i = 0; i < tokens.length; i++) positionIds[at++] = i;
    });
  });
  return { numRows, width, inputIds, positionIds, sequenceIds, starts };
}

/** Lays a per-token array of each sequence out beside {@link packRows}, e.g. labels or token types. */
export function packAlong(values: readonly ArrayLike<number>[], rows: PackedRows, fill: number): Int32Array {
  const out = new Int32Array(rows.numRows * rows.width).fill(fill);
  values.forEach((value, sequence) => {
    if (rows.starts[sequence]! >= 0) out.set(value, rows.starts[sequence]!);
  });
  return out;
}
