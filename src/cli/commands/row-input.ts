/** @file Tables that rows are predicted of: files by their names, or lines on standard input. */

import { ConfigError } from "../../base/errors.ts";
import { fileLines } from "../../data/file-lines.ts";
import { type TableRow, TableSource } from "../../data/table.ts";
import { openTable, type TableSettings } from "../settings/text.ts";
import { inputLines, standardTable } from "./standard-input.ts";

export const inputFormats = ["auto", "jsonl", "csv", "tsv", "text"] as const;
export type InputFormat = (typeof inputFormats)[number];

type Reading = TableSettings & { readonly columns?: readonly string[] | null };

/** Each line of a file as a row with the field `text`; lines of white space are passed over. */
async function* textRows(
  lines: AsyncIterable<{ readonly text: string; readonly line: number }>,
): AsyncGenerator<TableRow> {
  for await (const { text, line } of lines) if (text.trim() !== "") yield { fields: { text }, line };
}

/** Whether each line is a text. */
export function areLines(file: string, format: InputFormat): boolean {
  return format === "text" || (format === "auto" && /\.txt(\.gz)?$/i.test(file));
}

/**
 * Opens what is to be predicted.
 * @param format `auto`: by the file's name, JSON lines on standard input (`-`)
 * @throws {ConfigError} CONFIG_UNSUPPORTED for CSV and TSV on standard input
 */
export function openRows(file: string, format: InputFormat, reading: Reading): TableSource {
  if (file === "-") {
    if (format === "csv" || format === "tsv") {
      const message = `must be jsonl or text on standard input; got ${format}. Give a file, as /dev/stdin.`;
      throw new ConfigError("predict", [{ path: "input", message, code: "CONFIG_UNSUPPORTED" }]);
    }
    const table = standardTable(reading);
    if (format !== "text") return table;
    return new TableSource(table.name, () => textRows(inputLines(reading)), { isReadOnce: true });
  }
  if (areLines(file, format)) {
    return new TableSource(file, () => textRows(fileLines(file, reading)), {});
  }
  return openTable(file, reading, format === "auto" ? undefined : (format as "jsonl" | "csv" | "tsv"));
}
