/** @file Lists of texts that belong together: `text<TAB>kind<TAB>count`, one a line. */
import { DataError } from "../base/errors.ts";
import { fileLines } from "./file-lines.ts";

/** What a span is: a phrase (words that often stand together), or an entity (the name of someone or something). */
export type SpanKind = "phrase" | "entity";

export const spanKinds: readonly SpanKind[] = ["phrase", "entity"];

/** A text that is masked as a whole. */
export interface SpanEntry {
  readonly text: string;
  readonly kind: SpanKind;
  /** How often it was seen; 0 where that is not said. */
  readonly count: number;
}

/** The lines of a span file. */
export function formatSpans(entries: readonly SpanEntry[]): string {
  return entries.map(({ text, kind, count }) => `${text}\t${kind}\t${count}\n`).join("");
}

function parseLine(line: string, number: number, path: string): SpanEntry {
  const [text = "", kind, count = "0", ...more] = line.split("\t");
  const fail = (rule: string): never => {
    throw new DataError(`line ${number}: ${rule} A line is text, tab, phrase or entity, and if known tab, count.`, {
      code: "SPAN_FILE_MALFORMED",
      path,
      details: { line: number },
    });
  };
  if (text.trim() === "") return fail("the text is empty.");
  const known = spanKinds.find((item) => item === kind);
  if (known === undefined) return fail(`the kind must be phrase or entity; got ${JSON.stringify(kind ?? "")}.`);
  if (!/^\d+$/.test(count) || more.length > 0) return fail("the third column must be a whole number, and the last.");
  return { text: text.trim(), kind: known, count: Number(count) };
}

/**
 * Reads a span file.
 * @throws {DataError} SPAN_FILE_MALFORMED, SPAN_FILE_EMPTY, FILE_MISSING, TEXT_NOT_UTF8, naming the line
 */
export async function readSpans(path: string): Promise<SpanEntry[]> {
  const entries: SpanEntry[] = [];
  for await (const { text, line } of fileLines(path)) if (text !== "") entries.push(parseLine(text, line, path));
  if (entries.length > 0) return entries;
  throw new DataError("holds no spans. Make it with firth data spans.", { code: "SPAN_FILE_EMPTY", path });
}
