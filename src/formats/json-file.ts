import { readFile } from "node:fs/promises";
import { CheckpointError } from "../base/errors.ts";
import { readFailure } from "./file-failure.ts";
import { findJsonProblem, isJsonObject, type JsonObject, type JsonValue } from "./json-text.ts";

/**
 * Parses JSON and refuses repeated keys.
 *
 * @param where the file, for messages
 * @throws {CheckpointError} JSON_INVALID with line and column
 */
export function parseJson(text: string, where: string): JsonValue {
  const problem = findJsonProblem(text);
  if (problem !== undefined) {
    throw new CheckpointError(
      `line ${problem.line}, column ${problem.column}: not valid JSON; ${problem.rule}. Correct the file or fetch it again.`,
      { code: "JSON_INVALID", path: where, details: { ...problem } },
    );
  }
  return JSON.parse(text);
}

/**
 * Decodes UTF-8 (a byte order mark is dropped).
 * @throws {CheckpointError} NOT_UTF8
 */
export function decodeUtf8(bytes: Uint8Array, where: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new CheckpointError("must be UTF-8 text, but holds bytes that are not. Save it as UTF-8.", {
      code: "NOT_UTF8",
      path: where,
      cause,
    });
  }
}

/**
 * Reads a JSON file.
 * @throws {CheckpointError} MISSING_FILE, NOT_READABLE, NOT_UTF8, JSON_INVALID
 */
export async function readJsonFile(path: string): Promise<JsonValue> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw readFailure(cause, path);
  }
  return parseJson(decodeUtf8(bytes, path), path);
}

/**
 * Reads a JSON file whose top level must be an object, such as `config.json`.
 * @throws {CheckpointError} as readJsonFile; JSON_NOT_OBJECT
 */
export async function readJsonObject(path: string): Promise<JsonObject> {
  const value = await readJsonFile(path);
  if (isJsonObject(value)) return value;
  const found = Array.isArray(value) ? "a list" : value === null ? "null" : `a ${typeof value}`;
  throw new CheckpointError(`must hold a JSON object; found ${found}. Check that this is the right file.`, {
    code: "JSON_NOT_OBJECT",
    path,
  });
}

/** JSON text as the files of a model directory have it: two spaces, a final line end. */
export function formatJson(value: JsonValue): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
