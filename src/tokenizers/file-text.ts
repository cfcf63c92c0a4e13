import type { AddedToken } from "./tokenizer-file.ts";

/** Parts of a `tokenizer.json`; null for none. */
export interface FileParts {
  readonly added: readonly AddedToken[];
  readonly normalizer: unknown;
  readonly preTokenizer: unknown;
  readonly postProcessor: unknown;
  readonly decoder: unknown;
  /** Fields of the model with their JSON text. */
  readonly model: readonly (readonly [key: string, text: string])[];
}

/** Text of a JSON value, indented as part of a file. */
function indented(value: unknown, depth: number): string {
  return JSON.stringify(value, null, 2).replaceAll("\n", `\n${"  ".repeat(depth)}`);
}

/** Text of a `tokenizer.json`, as the native library writes it. */
export function tokenizerFileText(parts: FileParts): string {
  const model = parts.model.map(([key, text]) => `    "${key}": ${text}`).join(",\n");
  const entries: [string, string][] = [
    ["version", '"1.0"'],
    ["truncation", "null"],
    ["padding", "null"],
    ["added_tokens", indented(parts.added, 1)],
    ["normalizer", indented(parts.normalizer, 1)],
    ["pre_tokenizer", indented(parts.preTokenizer, 1)],
    ["post_processor", indented(parts.postProcessor, 1)],
    ["decoder", indented(parts.decoder, 1)],
    ["model", `{\n${model}\n  }`],
  ];
  return `{\n${entries.map(([key, text]) => `  "${key}": ${text}`).join(",\n")}\n}`;
}

/** Text of a vocabulary as an object in the order of its ids; written by hand, for an object would move numbers ahead. */
export function vocabularyText(ids: ReadonlyMap<string, number>, indent: string): string {
  const entries = [...ids].sort(([, a], [, b]) => a - b);
  const lines = entries.map(([token, id]) => `${indent}  ${JSON.stringify(token)}: ${id}`);
  return `{\n${lines.join(",\n")}\n${indent}}`;
}
