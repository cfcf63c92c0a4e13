import type { TextStream } from "./text-stream.ts";

/** One text as pieces. All arrays have the same length; special tokens are never added here. */
export interface Encoding {
  /** Piece ids. */
  readonly ids: Int32Array;
  /** For each piece, the index of the word it belongs to (see {@link IdEncoding}), counted from 0 in this text. */
  readonly wordIds: Int32Array;
  /** Start of each piece in the text, in UTF-16 code units. */
  readonly starts: Int32Array;
  /** End (exclusive) of each piece in the text, in UTF-16 code units. */
  readonly ends: Int32Array;
}

/** One text as pieces without places: what pre-training shards hold. */
export interface IdEncoding {
  /** Piece ids. */
  readonly ids: Int32Array;
  /**
   * For each piece, 1 where it begins a word, else 0. Words are the pre-tokens (WordPiece, BPE); where pieces carry their
   * white space (byte-level BPE, Unigram), what lies between white space.
   */
  readonly wordStarts: Uint8Array;
}

/**
 * Ids of the special tokens by what they do; undefined where the vocabulary has none for it.
 *
 * One token may do several things: RoBERTa and BART begin with `<s>` (`cls` and `bos`) and end with `</s>` (`sep` and
 * `eos`); in GPT-2 `<|endoftext|>` is `bos` and `eos`, and fills rows.
 */
export interface SpecialTokenIds {
  /** Fills rows; where the vocabulary has none, the end-of-text token, else 0 (padding is never attended to). */
  readonly pad: number;
  /** Stands for what the vocabulary cannot spell; -1 where it can spell everything. */
  readonly unk: number;
  readonly cls: number | undefined;
  readonly sep: number | undefined;
  readonly mask: number | undefined;
  /** Begins a text, where that is a token of its own kind. */
  readonly bos?: number | undefined;
  /** Ends a text. */
  readonly eos?: number | undefined;
}

/** What data, objectives and tasks need of a tokenizer; they never ask which kind it is. */
export interface Tokenizer {
  /** Number of rows an embedding table needs: highest id + 1. */
  readonly vocabSize: number;
  readonly special: SpecialTokenIds;
  /** Every special id, sorted: never masked, never drawn as a random replacement (includes `[unused…]` entries). */
  readonly specialIds: readonly number[];
  /** SHA-256 of the canonical tokenizer file, hex: names the tokenizer in manifests and checkpoints. */
  readonly hash: string;
  /** Encodes many texts at once, without special tokens. */
  encodeBatch(texts: readonly string[]): Promise<Encoding[]>;
  /** The ids of `encodeBatch` and where words begin, several times as fast. */
  encodeIds(texts: readonly string[]): Promise<IdEncoding[]>;
  /** Text of ids; special tokens are left out unless asked for. */
  decode(ids: ArrayLike<number>, options?: { readonly keepSpecialTokens?: boolean }): Promise<string>;
  /** Text of ids that come one at a time; special tokens are left out unless asked for. */
  stream(options?: { readonly keepSpecialTokens?: boolean }): TextStream;
  idToToken(id: number): string | undefined;
  tokenToId(token: string): number | undefined;
  /** Writes `tokenizer.json`, `tokenizer_config.json` and what else belongs to the kind (`vocab.txt`; `vocab.json` and `merges.txt`) into a folder. */
  save(folder: string): Promise<void>;
}
