import { Bpe } from "./bpe.ts";
import { LibraryTokenizer } from "./library-tokenizer.ts";
import type { TokenizerSettings } from "./special-role.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { parseTokenizerFile } from "./tokenizer-file.ts";
import { Unigram } from "./unigram.ts";
import { WordPiece } from "./wordpiece.ts";

/** A tokenizer as plain data, to be made anew in another thread. */
export interface PortableTokenizer {
  /** Contents of its `tokenizer.json`. */
  readonly fileText: string;
  readonly settings: TokenizerSettings;
}

/** The tokenizer as plain data; undefined for one of another make, of which nothing is known but its interface. */
export function portableTokenizer(tokenizer: Tokenizer): PortableTokenizer | undefined {
  // An object that only inherits from one of ours may do something else.
  const kind: unknown = Object.getPrototypeOf(tokenizer);
  if (![WordPiece.prototype, Bpe.prototype, Unigram.prototype, LibraryTokenizer.prototype].includes(kind as never))
    return undefined;
  if (!(tokenizer instanceof LibraryTokenizer) || Object.hasOwn(tokenizer, "encodeIds")) return undefined;
  return { fileText: tokenizer.fileText, settings: tokenizer.settings };
}

/**
 * The tokenizer that plain data describe.
 * @param path named in errors
 * @throws {CheckpointError} TOKENIZER_FILE_MALFORMED, TOKENIZER_UNK_MISSING
 */
export function openPortable({ fileText, settings }: PortableTokenizer, path = "tokenizer"): Tokenizer {
  const { kind } = parseTokenizerFile(fileText, path);
  if (kind === "WordPiece") return WordPiece.fromText(fileText, path, settings);
  if (kind === "BPE") return Bpe.fromText(fileText, path, settings);
  if (kind === "Unigram") return Unigram.fromText(fileText, path, settings);
  return new LibraryTokenizer(fileText, path, settings);
}
