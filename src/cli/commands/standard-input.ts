import process from "node:process";
import { createInterface } from "node:readline";
import { parseJsonLine } from "../../data/json-lines.ts";
import type { TableRow } from "../../data/table.ts";

/** Lines of standard input, empty ones too. */
export async function standardLines(): Promise<string[]> {
  const lines: string[] = [];
  const reader = createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY });
  for await (const line of reader) lines.push(line);
  return lines;
}

/** Rows of JSON lines on standard input. */
export async function* standardInput(): AsyncGenerator<TableRow> {
  let line = 0;
  for await (const text of createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY })) {
    line++;
    if (text.trim() !== "") yield { fields: parseJsonLine(text, "standard input", line), line };
  }
}
