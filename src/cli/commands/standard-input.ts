/** @file Lines and rows of standard input, read as those of files are: by their line ends, with errors for broken bytes. */
import process from "node:process";
import type { DecodeOptions } from "../../data/encoding.ts";
import { type TextLine, wholeLines } from "../../data/file-lines.ts";
import { parseJsonLine } from "../../data/json-lines.ts";
import { type TableRow, TableSource } from "../../data/table.ts";

/** What messages call it. */
const name = "standard input";

async function* bytes(): AsyncGenerator<Buffer> {
  for await (const chunk of process.stdin) yield Buffer.from(chunk as Buffer);
}

/** Lines as they come. @throws {DataError} TEXT_NOT_UTF8, TEXT_INVALID, LINE_TOO_LONG */
export function inputLines(options: DecodeOptions = {}): AsyncGenerator<TextLine> {
  return wholeLines(name, options, bytes());
}

/** All lines, empty ones too. @throws as {@link inputLines} */
export async function standardLines(options: DecodeOptions = {}): Promise<string[]> {
  const lines: string[] = [];
  for await (const { text } of inputLines(options)) lines.push(text);
  return lines;
}

async function* rows(options: DecodeOptions): AsyncGenerator<TableRow> {
  for await (const { text, line } of inputLines(options)) {
    if (text.trim() !== "") yield { fields: parseJsonLine(text, name, line), line };
  }
}

/** A table of JSON lines, which can be read once. @throws as {@link inputLines}; {DataError} JSON_INVALID, JSON_NOT_OBJECT */
export function standardTable({ encoding, invalid }: DecodeOptions = {}): TableSource {
  const options = { ...(encoding && { encoding }), ...(invalid && { invalid }) };
  return new TableSource(name, () => rows(options), { isReadOnce: true });
}
