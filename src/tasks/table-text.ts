/** @file Texts and labels in the rows of a table. */
import { DataError } from "../base/errors.ts";
import { type ColumnRef, cellText, cellValue, type TableRow, type TableSource } from "../data/table.ts";
import { type EncodedText, encodeTexts, type TextEncoding, type TextInput } from "./encode-text.ts";

/** One column of text, or two that are read together. */
export type TextColumns = ColumnRef | readonly [ColumnRef] | readonly [ColumnRef, ColumnRef];

export interface TextReading extends TextEncoding {
  readonly textColumns: readonly ColumnRef[];
}

/** A row and its text, encoded. */
export interface EncodedRow {
  readonly row: TableRow;
  readonly text: EncodedText;
}

/** Rows encoded at a time. */
const CHUNK = 4_096;

/** The list of text columns. */
export function columnList(columns: TextColumns): readonly ColumnRef[] {
  return typeof columns === "object" ? columns : [columns];
}

function rowText(row: TableRow, columns: readonly ColumnRef[], file: string): TextInput {
  const texts = columns.map((column) => cellText(row, column, file));
  return texts.length === 1 ? texts[0]! : [texts[0]!, texts[1]!];
}

/**
 * The rows of a table with their encoded texts, in order and in constant memory.
 * @param wanted rows that are read; all when left out
 * @throws {DataError} TEXT_EMPTY, COLUMN_UNKNOWN, CELL_NOT_TEXT, each naming file and line
 */
export async function* encodedRows(
  source: TableSource,
  reading: TextReading,
  wanted: (row: TableRow) => boolean = () => true,
): AsyncGenerator<readonly EncodedRow[]> {
  const { textColumns } = reading;
  const encode = async (rows: readonly TableRow[]): Promise<EncodedRow[]> => {
    const inputs = rows.map((row) => rowText(row, textColumns, source.name));
    const texts = await encodeTexts(reading, inputs, (input, segment) => {
      const { line } = rows[input]!;
      const column = textColumns[segment]!;
      throw new DataError(`line ${line}: the text in column ${column} is empty. Fill it in, or remove the row.`, {
        code: "TEXT_EMPTY",
        path: source.name,
        details: { line, column },
      });
    });
    return rows.map((row, i) => ({ row, text: texts[i]! }));
  };
  let rows: TableRow[] = [];
  for await (const row of source.rows()) {
    if (!wanted(row)) continue;
    rows.push(row);
    if (rows.length < CHUNK) continue;
    yield await encode(rows);
    rows = [];
  }
  if (rows.length > 0) yield await encode(rows);
}

/**
 * The label of a row.
 * @throws {DataError} LABEL_MISSING when there is none
 */
export function rowLabel(row: TableRow, column: ColumnRef, file: string): string {
  const value = cellValue(row, column, file);
  const label = value === null ? "" : cellText(row, column, file).trim();
  if (label !== "") return label;
  throw new DataError(`line ${row.line}: there is no label in column ${column}. Label the row, or remove it.`, {
    code: "LABEL_MISSING",
    path: file,
    details: { line: row.line, column },
  });
}
