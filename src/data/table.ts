import { DataError, nearestName } from "../base/errors.ts";
import { blockSize, type DocumentBlock } from "./document-block.ts";
import type { DocumentOptions } from "./document-builder.ts";
import type { DecodeOptions } from "./encoding.ts";
import { BlockSource } from "./source.ts";

/** A column by its name, or by its number from 0. */
export type ColumnRef = string | number;

/** One row as it stands in its file. */
export interface TableRow {
  /** The row's own fields under their column names (`0`, `1`, … where the file has no header). */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Number of the row's first line in the file, from 1. */
  readonly line: number;
}

/** How the cells of a TSV or CSV file are found. */
export interface DelimitedOptions extends DecodeOptions {
  /** Whether the first row names the columns; `auto` (default) says yes where its cells look like names, one of
   * them a usual one (text, label, …). */
  readonly header?: boolean | "auto";
  /** Names for the columns of a file without a header, or other names for those of one with it. */
  readonly columns?: readonly string[];
  /** What to do with a row that has more cells than the others: an error (default), or drop the surplus. */
  readonly extraColumns?: "error" | "ignore";
  /** One character between cells: a tab for `tsv`, a comma for `csv`. */
  readonly delimiter?: string;
}

/** Which column holds the text when a table is read as a corpus. */
export interface TextColumnOptions extends DocumentOptions {
  /** The column whose texts are the documents; needed by `documents`, not by `rows`. */
  readonly column?: ColumnRef;
}

const sentenceOptions = ["sentences", "locale", "unwrap"] as const;

/** What there is to know of a table beside its rows. */
export interface TableSourceOptions extends TextColumnOptions {
  /** Whether the rows come once only, as those of a stream do; false by default. */
  readonly isReadOnce?: boolean;
}

/** Reads the rows of one file from the beginning. */
export type RowReader = () => AsyncIterable<TableRow>;

/** Rows of a file for labelled tasks; also a corpus of the texts in one column, each a document. */
export class TableSource extends BlockSource {
  readonly name: string;
  /** Whether the rows come once only. */
  readonly isReadOnce: boolean;
  private readonly read: RowReader;
  private readonly options: TextColumnOptions;

  constructor(name: string, read: RowReader, options: TableSourceOptions) {
    super();
    this.name = name;
    this.isReadOnce = options.isReadOnce ?? false;
    this.read = read;
    this.options = options;
  }

  /**
   * The rows in order, in constant memory.
   * @throws {DataError} TABLE_EMPTY when there is none, and the file's own errors
   */
  async *rows(): AsyncGenerator<TableRow> {
    let isEmpty = true;
    for await (const row of this.read()) {
      isEmpty = false;
      yield row;
    }
    if (isEmpty)
      throw new DataError("the table has no rows. Is it the right file?", { code: "TABLE_EMPTY", path: this.name });
  }

  /** @throws {DataError} COLUMN_NEEDED, COLUMN_UNKNOWN, CELL_NOT_TEXT */
  async *blocks(): AsyncGenerator<DocumentBlock> {
    const { column } = this.options;
    if (column === undefined) {
      throw new DataError(
        "reading a table as text needs the column that holds it. Set column (field for JSON Lines).",
        {
          code: "COLUMN_NEEDED",
          path: this.name,
        },
      );
    }
    const options = Object.fromEntries(sentenceOptions.map((key) => [key, this.options[key]]));
    let texts: string[] = [];
    let size = 0;
    for await (const row of this.rows()) {
      const text = cellText(row, column, this.name);
      texts.push(text);
      size += text.length;
      if (size < blockSize) continue;
      yield { kind: "cells", texts, options };
      texts = [];
      size = 0;
    }
    if (texts.length > 0) yield { kind: "cells", texts, options };
  }
}

/**
 * The value in one column of a row.
 * @throws {DataError} COLUMN_UNKNOWN, naming the file, the line and the columns there are
 */
export function cellValue(row: TableRow, column: ColumnRef, file: string): unknown {
  // A number counts columns, also where the header has names.
  const key = typeof column === "number" ? Object.keys(row.fields)[column] : column;
  if (key !== undefined && Object.hasOwn(row.fields, key)) return row.fields[key];
  const names = Object.keys(row.fields);
  const nearest = typeof column === "string" ? nearestName(column, names) : undefined;
  const shown = typeof column === "string" ? `"${column}"` : String(column);
  const fix =
    nearest === undefined
      ? names[0] === "0"
        ? "Count columns from 0, or set header to true if the first row names them."
        : "Use one of these names, or a number from 0."
      : `Did you mean "${nearest}"?`;
  throw new DataError(`line ${row.line}: no column ${shown}; the columns are ${names.join(", ")}. ${fix}`, {
    code: "COLUMN_UNKNOWN",
    path: file,
    details: { column, columns: names, line: row.line },
  });
}

/**
 * The text in one column of a row; numbers and booleans of JSON become text.
 * @throws {DataError} COLUMN_UNKNOWN, CELL_NOT_TEXT
 */
export function cellText(row: TableRow, column: ColumnRef, file: string): string {
  const value = cellValue(row, column, file);
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  const kind = value === null ? "null" : Array.isArray(value) ? "a list" : typeof value;
  throw new DataError(`line ${row.line}: column ${column} must hold text; got ${kind}. Choose another column.`, {
    code: "CELL_NOT_TEXT",
    path: file,
    details: { column, line: row.line },
  });
}
