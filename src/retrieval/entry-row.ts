/** @file Rows of a table as entries of an index: their ids and texts, checked. */
import { CheckpointError, DataError } from "../base/errors.ts";
import { type ColumnRef, cellText, type TableRow } from "../data/table.ts";
import type { Entry, StoredText } from "./entry-store.ts";

/** Which columns hold what. */
export interface EntryColumns {
  /** Null: the number of the line. */
  readonly idColumn: ColumnRef | null;
  readonly textColumn: ColumnRef;
}

/** An entry whose vector is still to be made. */
export type PlainEntry = Omit<Entry, "vector">;

/** An entry and where it stands. */
export interface EntryLine {
  readonly entry: PlainEntry;
  readonly line: number;
}

/**
 * A row as an entry. Halves of surrogate pairs, which JSON can hold and files cannot, are U+FFFD in its text, as they are for
 * tokenizers; the fields keep them, and ids must have none: two of them would become one.
 * @throws {DataError} ID_EMPTY, ID_INVALID, TEXT_EMPTY, COLUMN_UNKNOWN, CELL_NOT_TEXT
 */
export function entryOf(row: TableRow, { idColumn, textColumn }: EntryColumns, file: string): PlainEntry {
  const fail = (what: string, code: string, fix = "Fill it in"): never => {
    const message = `line ${row.line}: ${what}. ${fix}, or remove the row.`;
    throw new DataError(message, { code, path: file, details: { line: row.line } });
  };
  const id = idColumn === null ? String(row.line) : cellText(row, idColumn, file).trim();
  const text = cellText(row, textColumn, file).toWellFormed();
  if (id === "") fail(`the id in column ${idColumn} is empty`, "ID_EMPTY");
  if (!id.isWellFormed()) {
    const what = `the id ${JSON.stringify(id)} in column ${idColumn} holds half of a surrogate pair, which no file can keep`;
    fail(what, "ID_INVALID", "Give it another id");
  }
  if (text.trim() === "") fail(`the text in column ${textColumn} is empty`, "TEXT_EMPTY");
  return { id, text, fields: row.fields };
}

/**
 * Rows as entries, with their lines.
 * @param lines where ids stand that were read before; those of the rows are added
 * @throws {DataError} ID_TWICE and those of {@link entryOf}
 */
export function entriesOf(
  rows: readonly TableRow[],
  columns: EntryColumns,
  file: string,
  lines: Map<string, number> = new Map(),
): readonly EntryLine[] {
  return rows.map((row) => {
    const { line } = row;
    const entry = entryOf(row, columns, file);
    // Numbers of lines differ.
    if (columns.idColumn === null) return { entry, line };
    const first = lines.get(entry.id);
    if (first !== undefined) {
      const message = `line ${line}: the id ${JSON.stringify(entry.id)} stands in line ${first} too. Ids must differ; correct the file.`;
      throw new DataError(message, { code: "ID_TWICE", path: file, details: { line, first, id: entry.id } });
    }
    lines.set(entry.id, line);
    return { entry, line };
  });
}

/** What is done with ids that are in the index. */
export interface ExistingRule {
  /** Whether ids are numbers of lines. */
  readonly isByLine: boolean;
  /** Whether a new entry takes the place of an old one. */
  readonly isReplacing: boolean;
  /** Whether the same entry there is one that a broken-off run has put in. */
  readonly goesOn: boolean;
  /** Whether all that is in the index comes from the rows: it is being made of them. */
  readonly isBuilding: boolean;
}

/** The error of an index that was begun with other rows than its source has now. */
export function sourceChanged(what: string, file: string, details: Readonly<Record<string, unknown>>): CheckpointError {
  return new CheckpointError(
    `has changed since the index of it was begun: ${what}. Remove the folder of the index, and build it anew.`,
    { code: "INDEX_SOURCE_CHANGED", path: file, details },
  );
}

function taken(
  { entry: { id }, line }: EntryLine,
  file: string,
  { isByLine, isBuilding, goesOn }: ExistingRule,
): never {
  const told = JSON.stringify(id);
  const details = { line, id };
  if (isBuilding && goesOn)
    throw sourceChanged(`line ${line} has another text or field for the id ${told}`, file, details);
  const fix = isByLine
    ? "The index takes numbers of lines for ids, which begin anew in every file: build it with a column of ids (--id), or replace entries (--replace)."
    : "Give it another id, or replace entries (--replace).";
  throw isBuilding
    ? new DataError(
        `line ${line}: the id ${told} stands earlier in the file, too. Ids must differ; correct the file.`,
        {
          code: "ID_TWICE",
          path: file,
          details,
        },
      )
    : new DataError(`line ${line}: the id ${told} is in the index or earlier in the file. ${fix}`, {
        code: "ID_TAKEN",
        path: file,
        details,
      });
}

/**
 * Of some entries those that are still to be put in.
 * @throws {DataError} ID_TAKEN, ID_TWICE; {CheckpointError} INDEX_SOURCE_CHANGED
 */
export function missingEntries(
  entries: readonly EntryLine[],
  there: ReadonlyMap<string, StoredText>,
  file: string,
  rule: ExistingRule,
): PlainEntry[] {
  return entries.flatMap((own) => {
    const { id, text, fields } = own.entry;
    const stored = there.get(id);
    if (stored === undefined) return [own.entry];
    if (rule.goesOn && stored.text === text && stored.fields === JSON.stringify(fields)) return [];
    return rule.isReplacing ? [own.entry] : taken(own, file, rule);
  });
}
