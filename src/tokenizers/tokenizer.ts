/** One text as pieces. All arrays have the same length; special tokens are never added here. */
export interface Encoding {
  /** Piece ids. */
  readonly ids: Int32Array;
  /** For each piece, the index of the word (pre-token) it belongs to, counted from 0 in this text. */
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
  /** For each piece, 1 where it begins a word (pre-token), else 0. */
  readonly wordStarts: Uint8Array;
}

/** Ids of the special tokens; undefined where the vocabulary has none of that kind. */
export interface SpecialTokenIds {
  /** Fills rows; where the vocabulary has none, the end-of-text token, else 0 (padding is never attended to). */
  readonly pad: number;
  /** Stands for what the vocabulary cannot spell; -1 where it can spell everything. */
  readonly unk: number;
  readonly cls: number | undefined;
  readonly sep: number | undefined;
  readonly mask: number | undefined;
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
  idToToken(id: number): string | undefined;
  tokenToId(token: string): number | undefined;
  /** Writes `tokenizer.json`, `tokenizer_config.json` (and `vocab.txt` where the kind has one) into a folder. */
  save(folder: string): Promise<void>;
}
