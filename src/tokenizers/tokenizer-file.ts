import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { CheckpointError } from "../base/errors.ts";

/** A token that is found in raw text before anything else happens to it. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
  readonly single_word: boolean;
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  readonly normalized: boolean;
}

/** What Firth reads of a `tokenizer.json`; the native library reads all of it. */
export interface TokenizerFile {
  /** The parsed file as it was. */
  readonly json: Readonly<Record<string, unknown>>;
  readonly kind: string;
  /** Token of every id; holes are undefined. */
  readonly tokens: readonly (string | undefined)[];
  readonly ids: ReadonlyMap<string, number>;
  readonly addedTokens: readonly AddedToken[];
}

/** Whether a JSON value is an object. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function malformed(path: string, rule: string, cause?: unknown): CheckpointError {
  return new CheckpointError(`${rule}. Restore the file from where it came, or train a tokenizer anew.`, {
    code: "TOKENIZER_FILE_MALFORMED",
    path,
    cause,
  });
}

/**
 * Text of a file that must be UTF-8.
 * @throws {CheckpointError} TOKENIZER_FILE_MISSING, TOKENIZER_FILE_ENCODING
 */
export async function readTextFile(path: string): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new CheckpointError(
      `cannot be read (${(cause as NodeJS.ErrnoException).code ?? "unknown"}). Name a tokenizer folder or file.`,
      { code: "TOKENIZER_FILE_MISSING", path, cause },
    );
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new CheckpointError("is not UTF-8. Convert the file.", { code: "TOKENIZER_FILE_ENCODING", path, cause });
  }
}

/** An object read from JSON text. @throws {CheckpointError} TOKENIZER_FILE_MALFORMED */
export function parseJsonObject(text: string, path: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw malformed(path, `is not JSON: ${(cause as Error).message}`, cause);
  }
  if (!isRecord(value)) throw malformed(path, "must hold a JSON object");
  return value;
}

function kindOf(model: Record<string, unknown>): string {
  if (typeof model.type === "string") return model.type;
  // Old files have no type: the fields tell.
  if ("max_input_chars_per_word" in model || "continuing_subword_prefix" in model) {
    return "merges" in model ? "BPE" : "WordPiece";
  }
  if ("merges" in model) return "BPE";
  return Array.isArray(model.vocab) ? "Unigram" : "WordLevel";
}

function vocabularyEntries(model: Record<string, unknown>, path: string): [string, number][] {
  const { vocab } = model;
  if (isRecord(vocab)) {
    return Object.entries(vocab).map(([token, id]) => {
      if (typeof id !== "number" || !Number.isInteger(id) || id < 0) {
        throw malformed(path, `model.vocab: ids must be integers from 0; ${JSON.stringify(token)} has ${String(id)}`);
      }
      return [token, id];
    });
  }
  if (Array.isArray(vocab)) {
    return vocab.map((entry: unknown, id) => {
      const token: unknown = Array.isArray(entry) ? entry[0] : undefined;
      if (typeof token !== "string") throw malformed(path, `model.vocab[${id}]: must be [token, score]`);
      return [token, id];
    });
  }
  throw malformed(path, "model.vocab: must be an object of ids or a list of [token, score]");
}

function addedTokensOf(json: Record<string, unknown>, path: string): AddedToken[] {
  const list: unknown = json.added_tokens ?? [];
  if (!Array.isArray(list)) throw malformed(path, "added_tokens: must be a list");
  return list.map((entry: unknown, index) => {
    if (!isRecord(entry) || typeof entry.content !== "string") {
      throw malformed(path, `added_tokens[${index}]: must have content and id`);
    }
    const { id } = entry;
    if (typeof id !== "number" || !Number.isInteger(id) || id < 0) {
      throw malformed(path, `added_tokens[${index}]: ids must be integers from 0; got ${String(id)}`);
    }
    const flag = (key: string): boolean => entry[key] === true;
    return {
      id,
      content: entry.content,
      special: flag("special"),
      single_word: flag("single_word"),
      lstrip: flag("lstrip"),
      rstrip: flag("rstrip"),
      normalized: flag("normalized"),
    };
  });
}

/**
 * Reads the parts of a `tokenizer.json` that Firth needs.
 * @param path named in errors
 * @throws {CheckpointError} TOKENIZER_FILE_MALFORMED, TOKENIZER_ID_TWICE
 */
export function parseTokenizerFile(text: string, path: string): TokenizerFile {
  const json = parseJsonObject(text, path);
  if (!isRecord(json.model)) throw malformed(path, "model: must be an object");
  const addedTokens = addedTokensOf(json, path);
  const tokens: (string | undefined)[] = [];
  const ids = new Map<string, number>();
  const entries = vocabularyEntries(json.model, path);
  for (const [token, id] of [...entries, ...addedTokens.map((t): [string, number] => [t.content, t.id])]) {
    if (id > 100_000_000) throw malformed(path, `id ${id} of ${JSON.stringify(token)} is beyond any vocabulary`);
    const other = tokens[id];
    if (other !== undefined && other !== token) {
      throw new CheckpointError(
        `two tokens have the id ${id}: ${JSON.stringify(other)} and ${JSON.stringify(token)}. Give each its own.`,
        { code: "TOKENIZER_ID_TWICE", path },
      );
    }
    while (tokens.length < id) tokens.push(undefined);
    tokens[id] = token;
    ids.set(token, id);
  }
  return { json, kind: kindOf(json.model), tokens, ids, addedTokens };
}

/** JSON text with object keys sorted, so that equal values have equal text. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (!isRecord(value)) return JSON.stringify(value) ?? "null";
  const keys = Object.keys(value).sort();
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key])}`).join(",")}}`;
}

/** SHA-256 of a value's canonical JSON, hex. */
export function hashOf(value: unknown): string {
  return createHash("sha256").update(canonicalJson(value)).digest("hex");
}
