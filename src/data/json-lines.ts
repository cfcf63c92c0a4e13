import { DataError } from "../base/errors.ts";
import type { DecodeOptions } from "./encoding.ts";
import { wholeLines } from "./file-lines.ts";
import { type ColumnRef, type TableRow, TableSource, type TextColumnOptions } from "./table.ts";

/** How a JSON Lines file is read. */
export interface JsonLinesOptions extends DecodeOptions, Omit<TextColumnOptions, "column"> {
  /** The field whose texts are the documents; needed by `documents`, not by `rows`. */
  readonly field?: ColumnRef;
}

/** A file with one JSON object a line, also gzipped; blank lines are passed over. */
export function jsonLines(file: string, options: JsonLinesOptions = {}): TableSource {
  const { field, ...rest } = options;
  return new TableSource(file, () => jsonRows(file, options), field === undefined ? rest : { ...rest, column: field });
}

async function* jsonRows(file: string, options: DecodeOptions): AsyncGenerator<TableRow> {
  for await (const { text, line } of wholeLines(file, options)) {
    if (text.trim() === "") continue;
    yield { fields: parseJsonLine(text, file, line), line };
  }
}

/**
 * The object of one line.
 * @throws {DataError} JSON_INVALID, JSON_NOT_OBJECT, naming file and line
 */
export function parseJsonLine(text: string, file: string, line: number): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new DataError(
      `line ${line}: not valid JSON (${(cause as Error).message}). A line must be one whole object.`,
      {
        code: "JSON_INVALID",
        path: file,
        details: { line },
        cause,
      },
    );
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  const kind = value === null ? "null" : Array.isArray(value) ? "a list" : `a ${typeof value}`;
  throw new DataError(`line ${line}: must be a JSON object; got ${kind}. Write one {"field": …} object a line.`, {
    code: "JSON_NOT_OBJECT",
    path: file,
    details: { line },
  });
}
