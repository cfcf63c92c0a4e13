/** @file Rows of a table as entries of an index: their ids and texts, checked. */
import { DataError } from "../base/errors.ts";
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

/** A row as an entry. @throws {DataError} ID_EMPTY, TEXT_EMPTY, COLUMN_UNKNOWN, CELL_NOT_TEXT */
export function entryOf(row: TableRow, { idColumn, textColumn }: EntryColumns, file: string): PlainEntry {
  const fail = (what: string, code: string): never => {
    const message = `line ${row.line}: ${what}. Fill it in, or remove the row.`;
    throw new DataError(message, { code, path: file, details: { line: row.line } });
  };
  const id = idColumn === null ? String(row.line) : cellText(row, idColumn, file).trim();
  const text = cellText(row, textColumn, file);
  if (id === "") fail(`the id in column ${idColumn} is empty`, "ID_EMPTY");
  if (text.trim() === "") fail(`the text in column ${textColumn} is empty`, "TEXT_EMPTY");
  return { id, text, fields: row.fields };
}

/** Rows as entries, with their lines. @throws {DataError} ID_TWICE and those of {@link entryOf} */
export function entriesOf(
  rows: readonly TableRow[],
  columns: EntryColumns,
  file: string,
): readonly { readonly entry: PlainEntry; readonly line: number }[] {
  const lines = new Map<string, number>();
  return rows.map((row) => {
    const { line } = row;
    const entry = entryOf(row, columns, file);
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
}

/** Of some entries those that are still to be put in. @throws {DataError} ID_TAKEN */
export function missingEntries(
  entries: ReturnType<typeof entriesOf>,
  there: ReadonlyMap<string, StoredText>,
  file: string,
  { isByLine, isReplacing, goesOn }: ExistingRule,
): PlainEntry[] {
  return entries.flatMap(({ entry, line }) => {
    const { id, text, fields } = entry;
    const stored = there.get(id);
    if (stored === undefined) return [entry];
    if (goesOn && stored.text === text && stored.fields === JSON.stringify(fields)) return [];
    if (isReplacing) return [entry];
    const fix = isByLine
      ? "The index takes numbers of lines for ids, which begin anew in every file: build it with a column of ids (--id), or replace entries (--replace)."
      : "Give it another id, or replace entries (--replace).";
    const message = `line ${line}: the id ${JSON.stringify(id)} is in the index or earlier in the file. ${fix}`;
    throw new DataError(message, { code: "ID_TAKEN", path: file, details: { line, id } });
  });
}
