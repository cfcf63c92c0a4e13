import { DataError } from "../base/errors.ts";

/**
 * Demands two columns of the same length.
 * @throws {DataError} LENGTH_MISMATCH
 */
export function checkSameLength(where: string, first: ArrayLike<unknown>, second: ArrayLike<unknown>): void {
  if (first.length === second.length) return;
  throw new DataError(
    `both columns must have one value per row; got ${first.length} and ${second.length}. Pass the columns of the same rows.`,
    { code: "LENGTH_MISMATCH", path: where, details: { lengths: [first.length, second.length] } },
  );
}

/**
 * Demands a class number in `[0, numClasses)`.
 * @throws {DataError} CLASS_OUT_OF_RANGE
 */
export function checkClass(where: string, value: number, row: number, numClasses: number): void {
  if (Number.isInteger(value) && value >= 0 && value < numClasses) return;
  throw new DataError(
    `a class must be a whole number from 0 to ${numClasses - 1}; got ${value} in row ${row}. Leave unscored rows out.`,
    { code: "CLASS_OUT_OF_RANGE", path: where, details: { value, row, numClasses } },
  );
}
