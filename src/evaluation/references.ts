import { DataError } from "../base/errors.ts";
import { checkSameLength } from "./check.ts";

/**
 * Demands at least one hypothesis, and a reference for each.
 * @throws {DataError} LENGTH_MISMATCH, REFERENCE_MISSING, DATA_EMPTY
 */
export function checkReferences(
  where: string,
  hypotheses: readonly string[],
  references: readonly (readonly string[])[],
): void {
  checkSameLength(where, hypotheses, references);
  if (hypotheses.length === 0) {
    throw new DataError("there are no hypotheses. Pass at least one.", { code: "DATA_EMPTY", path: where });
  }
  const row = references.findIndex(({ length }) => length === 0);
  if (row < 0) return;
  throw new DataError(`every hypothesis needs a reference; row ${row} has none. Leave it out.`, {
    code: "REFERENCE_MISSING",
    path: where,
    details: { row },
  });
}

/** How many references a row has, as signatures say it. */
export function referenceCount(references: readonly (readonly string[])[]): string {
  const counts = new Set(references.map(({ length }) => length));
  return counts.size === 1 ? String([...counts][0]) : "var";
}
