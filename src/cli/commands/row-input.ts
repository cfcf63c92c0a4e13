/** @file Tables that rows are predicted of: files by their names, or lines on standard input. */

import { ConfigError } from "../../base/errors.ts";
import { fileLines } from "../../data/file-lines.ts";
import { questionFile } from "../../data/question-file.ts";
import { type TableRow, TableSource } from "../../data/table.ts";
import type { TaggedSource } from "../../data/tagged-sentence.ts";
import { openTagged, type TaggedFileSettings } from "../settings/tagging-task.ts";
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

/** The questions of a file in the layout of SQuAD; they are counted, since such a file has no lines. */
async function* questionRows(file: string): AsyncGenerator<TableRow> {
  const { questions } = await questionFile(file);
  for (const [i, { id, question, context, answers }] of questions.entries()) {
    yield { fields: { id, question, context, answers: answers.map(({ text }) => text) }, line: i + 1 };
  }
}

async function* taggedRows(source: TaggedSource): AsyncGenerator<TableRow> {
  for await (const { words, tags, line } of source.sentences()) yield { fields: { words, tags }, line };
}

/** What a model learns from besides tables. */
export interface ModelLayout {
  /** What it has learnt, as a {@link RowPredictor} says it. */
  readonly task: string;
  /** How a tagger's training file was read. */
  readonly tagged: TaggedFileSettings | undefined;
}

/**
 * Opens a file in the layout of a model's own training files by its name: questions in that of SQuAD (`.json`), words with tags
 * in columns (`.conllu`, `.conll`, `.bio`, `.iob`, `.iob2`).
 * @returns undefined for other names and models, whose files are tables
 */
export function openModelRows(
  file: string,
  format: InputFormat,
  { task, tagged }: ModelLayout,
  reading: Reading,
): TableSource | undefined {
  if (format !== "auto") return undefined;
  if (task === "questionAnswering" && /\.json(\.gz)?$/i.test(file)) {
    return new TableSource(file, () => questionRows(file), {});
  }
  if (tagged === undefined || !/\.(conllu|conll|bio|iob2?)(\.gz)?$/i.test(file)) return undefined;
  return new TableSource(file, () => taggedRows(openTagged(file, { ...tagged, format: "auto" }, reading)), {});
}
