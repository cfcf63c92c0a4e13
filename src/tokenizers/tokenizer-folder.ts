import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { TokenizerSettings } from "./special-role.ts";
import { parseJsonObject, readTextFile } from "./tokenizer-file.ts";

/** Which kind of entry a path is; undefined where there is none. */
export async function entryKind(path: string): Promise<"file" | "folder" | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return undefined;
  return found.isDirectory() ? "folder" : "file";
}

/** `tokenizer_config.json` beside a tokenizer, or no settings at all. */
export async function readSettings(folder: string): Promise<TokenizerSettings> {
  const path = join(folder, "tokenizer_config.json");
  return (await entryKind(path)) === "file" ? parseJsonObject(await readTextFile(path), path) : {};
}
