import { dirname, join } from "node:path";
import { CheckpointError } from "../base/errors.ts";
import { openPortable } from "./portable.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { readTextFile } from "./tokenizer-file.ts";
import { entryKind, readSettings, WordPiece } from "./wordpiece.ts";

/**
 * Loads any tokenizer: a `tokenizer.json` of whatever kind, or BERT's `vocab.txt`.
 * @param folderOrFile a model or tokenizer folder, or the file itself
 * @throws {CheckpointError} TOKENIZER_FILE_MISSING, TOKENIZER_FILE_MALFORMED
 */
export async function loadTokenizer(folderOrFile: string): Promise<Tokenizer> {
  const isFolder = (await entryKind(folderOrFile)) === "folder";
  const path = isFolder ? join(folderOrFile, "tokenizer.json") : folderOrFile;
  if (isFolder && (await entryKind(path)) !== "file") {
    if ((await entryKind(join(folderOrFile, "vocab.txt"))) === "file") return WordPiece.load(folderOrFile);
    throw new CheckpointError("holds neither tokenizer.json nor vocab.txt. Name a tokenizer folder.", {
      code: "TOKENIZER_FILE_MISSING",
      path: folderOrFile,
    });
  }
  if (path.endsWith(".txt")) return WordPiece.load(path);
  const text = await readTextFile(path);
  return openPortable({ fileText: text, settings: await readSettings(dirname(path)) }, path);
}
