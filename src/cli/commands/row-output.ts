/** @file Where predicted rows go, and in which form. */
import type { PredictedRow } from "../../api/row-prediction.ts";
import { ConfigError, DataError } from "../../base/errors.ts";
import { writeLinesAtomic } from "../../formats/write-lines.ts";
import type { Session } from "../session.ts";

export const outputFormats = ["jsonl", "csv", "text"] as const;
export type OutputFormat = (typeof outputFormats)[number];

/**
 * The form that a file's name says; JSON lines where it says none.
 * @throws {ConfigError} CONFIG_UNSUPPORTED for a table with tabs, which rows are not written as
 */
export function formatOfName(file: string | undefined): OutputFormat {
  if (file !== undefined && /\.tsv$/i.test(file)) {
    const message = `rows are written as JSON lines, CSV or text; got the name ${file}. Name it .csv, or say --output-format.`;
    throw new ConfigError("predict", [{ path: "--output", message, code: "CONFIG_UNSUPPORTED" }]);
  }
  if (file !== undefined && /\.csv$/i.test(file)) return "csv";
  return file !== undefined && /\.txt$/i.test(file) ? "text" : "jsonl";
}

/** A cell by RFC 4180: quoted where it has to be; lists and objects as JSON. */
function cell(value: unknown): string {
  const text =
    value === null || value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
  return /[",\r\n]/.test(text) || text !== text.trim() ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Makes lines of rows. */
export function rowLines(format: OutputFormat, file: string): (row: PredictedRow) => string[] {
  if (format === "jsonl") return ({ fields, added }) => [JSON.stringify({ ...fields, ...added })];
  if (format === "text") return ({ text }) => [text];
  let names: readonly string[] | undefined;
  return ({ fields, added, line }) => {
    const values: Readonly<Record<string, unknown>> = { ...fields, ...added };
    const own = Object.keys(values);
    const isFirst = names === undefined;
    names ??= own;
    const differs = own.find((name) => !names!.includes(name)) ?? names.find((name) => !Object.hasOwn(values, name));
    if (differs !== undefined) {
      throw new DataError(
        `line ${line}: all rows must have the same fields in CSV; ${differs} is not in all. Write JSON lines (--output-format jsonl).`,
        { code: "FIELDS_DIFFER", path: file, details: { line, field: differs } },
      );
    }
    const row = names.map((name) => cell(values[name])).join(",");
    return isFirst ? [names.map(cell).join(","), row] : [row];
  };
}

/**
 * Writes rows to standard output, or into a file that is there whole or not at all.
 * @param rows read once, in constant memory
 * @returns how many
 */
export async function writeRows(
  session: Session,
  rows: AsyncIterable<PredictedRow>,
  {
    format,
    output,
    source,
    signal,
  }: {
    readonly format: OutputFormat;
    readonly output: string | undefined;
    readonly source: string;
    /** Ends the writing between two rows: its reason is thrown, and no file is left. */
    readonly signal?: AbortSignal | undefined;
  },
): Promise<number> {
  const linesOf = rowLines(format, source);
  let count = 0;
  const lines = async function* (): AsyncGenerator<string> {
    for await (const row of rows) {
      signal?.throwIfAborted();
      yield* linesOf(row);
      count++;
    }
  };
  if (output !== undefined) await writeLinesAtomic(output, lines());
  else for await (const line of lines()) await session.line(line);
  return count;
}
