import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { CheckpointError } from "../base/errors.ts";
import { Bpe, findBpeFiles } from "./bpe.ts";
import { openPortable } from "./portable.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { readTextFile } from "./tokenizer-file.ts";
import { entryKind, readSettings } from "./tokenizer-folder.ts";
import { Unigram } from "./unigram.ts";
import { WordPiece } from "./wordpiece.ts";

/** Files of which a folder with a tokenizer has at least one. */
const signs = ["tokenizer.json", "vocab.json", "encoder.json", "spiece.model", "vocab.txt"];

/** Whether a folder seems to hold a tokenizer. */
export function hasTokenizer(folder: string): boolean {
  return signs.some((name) => existsSync(join(folder, name)));
}

/**
 * Loads any tokenizer: a `tokenizer.json` of whatever kind, the vocabulary and merges of GPT-2, RoBERTa or GPT, ALBERT's
 * `spiece.model`, or BERT's `vocab.txt`.
 * @param folderOrFile a model or tokenizer folder, or the file itself
 * @throws {CheckpointError} TOKENIZER_FILE_MISSING, TOKENIZER_FILE_MALFORMED, TOKENIZER_KIND
 */
export async function loadTokenizer(folderOrFile: string): Promise<Tokenizer> {
  const isFolder = (await entryKind(folderOrFile)) === "folder";
  const path = isFolder ? join(folderOrFile, "tokenizer.json") : folderOrFile;
  if (isFolder && (await entryKind(path)) !== "file") {
    if ((await findBpeFiles(folderOrFile)) !== undefined) return Bpe.load(folderOrFile);
    if ((await entryKind(join(folderOrFile, "spiece.model"))) === "file") return Unigram.load(folderOrFile);
    if ((await entryKind(join(folderOrFile, "vocab.txt"))) === "file") return WordPiece.load(folderOrFile);
    throw new CheckpointError(
      "holds no tokenizer.json, no vocab.json with merges.txt, no spiece.model and no vocab.txt. Name a tokenizer folder.",
      { code: "TOKENIZER_FILE_MISSING", path: folderOrFile },
    );
  }
  if (path.endsWith(".model")) return Unigram.load(path);
  if (path.endsWith(".txt")) return WordPiece.load(path);
  const text = await readTextFile(path);
  return openPortable({ fileText: text, settings: await readSettings(dirname(path)) }, path);
}
