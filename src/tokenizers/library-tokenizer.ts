import { join } from "node:path";
import { CheckpointError } from "../base/errors.ts";
import { writeFileAtomic } from "../formats/atomic.ts";
import { library, type NativeTokenizer } from "./library.ts";
import { type Role, roleId, roles, type TokenizerSettings } from "./special-role.ts";
import { ByteStream, type TextStream, WindowStream } from "./text-stream.ts";
import type { Encoding, IdEncoding, SpecialTokenIds, Tokenizer } from "./tokenizer.ts";
import { hashOf, isRecord, parseTokenizerFile, type TokenizerFile } from "./tokenizer-file.ts";
import { codePointToUnit } from "./unicode-offset.ts";
import type { WordCache } from "./word-cache.ts";
import { type WordStarts, wordStartRule } from "./word-start.ts";

/** The file that has all of a tokenizer. */
const FILE = "tokenizer.json";

/** Texts handed to the native library at a time: bounds the memory that its results hold. */
const CHUNK = 1_000;

/** What a kind of tokenizer adds to what every one has. */
export interface OwnParts {
  /** What makes it the tokenizer it is, for its hash; the contents of its file unless given. */
  readonly identity?: unknown;
  /** See {@link LibraryTokenizer.cache}. */
  readonly cache?: WordCache | undefined;
}

/** Any tokenizer that the native library reads from a `tokenizer.json`. */
export class LibraryTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly special: SpecialTokenIds;
  readonly specialIds: readonly number[];
  readonly hash: string;
  /** Contents of its `tokenizer.json`. */
  readonly fileText: string;
  readonly settings: TokenizerSettings;
  protected readonly file: TokenizerFile;
  protected readonly native: NativeTokenizer;
  /** Spells texts without added tokens, where words can be told ahead of the library. */
  protected cache: WordCache | undefined;
  /** Finds texts that hold an added token, which is found before words are. */
  protected readonly added: RegExp | undefined;
  protected readonly wordStarts: WordStarts | undefined;

  /**
   * @param fileText contents of a `tokenizer.json`
   * @param path named in errors
   * @throws {CheckpointError} TOKENIZER_FILE_MALFORMED
   */
  constructor(fileText: string, path: string, settings: TokenizerSettings = {}, own: OwnParts = {}) {
    const file = parseTokenizerFile(fileText, path);
    this.file = file;
    this.fileText = fileText;
    this.settings = settings;
    try {
      this.native = library().Tokenizer.fromString(fileText);
    } catch (cause) {
      throw new CheckpointError(
        `the tokenizer library refuses it: ${(cause as Error).message}. Restore the file from where it came.`,
        { code: "TOKENIZER_FILE_MALFORMED", path, cause },
      );
    }
    // A file may carry the settings of its last use; they would cut or fill texts in silence.
    this.native.disableTruncation();
    this.native.disablePadding();
    this.vocabSize = file.tokens.length;
    const id = (role: Role): number | undefined => roleId(file, settings, role);
    const eos = id("eos");
    const unk = id("unk");
    this.special = {
      pad: id("pad") ?? eos ?? 0,
      // GPT-2 names its end of text, though no text is unknown to it.
      unk: unk === undefined || unk === eos ? -1 : unk,
      cls: id("cls"),
      sep: id("sep"),
      mask: id("mask"),
      bos: id("bos") ?? id("cls"),
      eos: eos ?? id("sep"),
    };
    const special = new Set<number>(file.addedTokens.filter((token) => token.special).map((token) => token.id));
    for (const role of roles) {
      const value = id(role);
      if (value !== undefined) special.add(value);
    }
    file.tokens.forEach((token, index) => {
      if (token === undefined || /^\[unused\d+\]$/.test(token)) special.add(index);
    });
    this.specialIds = [...special].sort((a, b) => a - b);
    const { truncation: _truncation, padding: _padding, version: _version, ...rest } = file.json;
    this.hash = hashOf(own.identity ?? rest);
    this.cache = own.cache;
    const contents = file.addedTokens.map((token) => token.content.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
    this.added = contents.length === 0 ? undefined : new RegExp(contents.join("|"));
    this.wordStarts = wordStartRule(file);
  }

  async encodeBatch(texts: readonly string[]): Promise<Encoding[]> {
    const { cache } = this;
    if (cache === undefined || !cache.knowsPlaces) return this.#encodeAll(texts);
    return this.#encodeMixed(
      texts,
      (plain) => cache.encode(plain),
      (others) => this.#encodeAll(others),
    );
  }

  async encodeIds(texts: readonly string[]): Promise<IdEncoding[]> {
    const { cache } = this;
    if (cache === undefined) return this.#encodeAllIds(texts);
    return this.#encodeMixed(
      texts,
      async (plain) => {
        const encodings = await cache.encodeIds(plain);
        const { wordStarts } = this;
        if (wordStarts === undefined) return encodings;
        return encodings.map((encoding) => encoding && { ids: encoding.ids, wordStarts: wordStarts(encoding.ids) });
      },
      (others) => this.#encodeAllIds(others),
    );
  }

  /** Encodes what the cache can, and the rest with the library. */
  async #encodeMixed<E>(
    texts: readonly string[],
    fast: (texts: readonly string[]) => Promise<(E | undefined)[]>,
    slow: (texts: readonly string[]) => Promise<E[]>,
  ): Promise<E[]> {
    const isPlain = (text: string): boolean => !(this.added?.test(text) ?? false);
    const plain = texts.map((_, index) => index).filter((index) => isPlain(texts[index]!));
    const found = await fast(plain.map((index) => texts[index]!));
    const result: (E | undefined)[] = texts.map(() => undefined);
    plain.forEach((index, i) => {
      result[index] = found[i];
    });
    const rest = texts.map((_, index) => index).filter((index) => result[index] === undefined);
    const others = await slow(rest.map((index) => texts[index]!));
    rest.forEach((index, i) => {
      result[index] = others[i];
    });
    return result as E[];
  }

  async #encodeAll(texts: readonly string[]): Promise<Encoding[]> {
    const result: Encoding[] = [];
    for (let from = 0; from < texts.length; from += CHUNK) {
      const chunk = texts.slice(from, from + CHUNK);
      const encodings = await this.native.encodeBatch(chunk, { addSpecialTokens: false });
      encodings.forEach((encoding, index) => {
        const ids = Int32Array.from(encoding.getIds());
        const offsets = encoding.getOffsets();
        const starts = new Int32Array(ids.length);
        const ends = new Int32Array(ids.length);
        const units = codePointToUnit(chunk[index]!);
        for (let i = 0; i < ids.length; i++) {
          const [start, end] = offsets[i] as [number, number];
          starts[i] = units === undefined ? start : units[start]!;
          ends[i] = units === undefined ? end : units[end]!;
        }
        result.push({ ids, wordIds: this.#wordIds(ids, encoding.getWordIds()), starts, ends });
      });
    }
    return result;
  }

  async #encodeAllIds(texts: readonly string[]): Promise<IdEncoding[]> {
    const result: IdEncoding[] = [];
    for (let from = 0; from < texts.length; from += CHUNK) {
      const encodings = await this.native.encodeBatch(texts.slice(from, from + CHUNK), { addSpecialTokens: false });
      for (const encoding of encodings) {
        const ids = Int32Array.from(encoding.getIds());
        const wordIds = this.#wordIds(ids, encoding.getWordIds());
        const wordStarts = new Uint8Array(ids.length);
        for (let i = 0; i < ids.length; i++) wordStarts[i] = i === 0 || wordIds[i] !== wordIds[i - 1] ? 1 : 0;
        result.push({ ids, wordStarts });
      }
    }
    return result;
  }

  async decode(ids: ArrayLike<number>, options: { readonly keepSpecialTokens?: boolean } = {}): Promise<string> {
    const token = this.#textToken(options);
    // Some decoders of the native library abort the process where there is nothing.
    const visible = Array.from(ids).filter((id) => token(id) !== undefined);
    return visible.length === 0 ? "" : this.native.decode(visible, false);
  }

  stream(options: { readonly keepSpecialTokens?: boolean } = {}): TextStream {
    const token = this.#textToken(options);
    const { decoder } = this.file.json;
    if (isRecord(decoder) && decoder.type === "ByteLevel") return new ByteStream(token);
    const native = this.native.getDecoder();
    const model = isRecord(this.file.json.model) ? this.file.json.model : {};
    const { byte_fallback: byteFallback, end_of_word_suffix: suffix } = model;
    // The end of a word that is spelled by bytes is spelled by bytes too.
    const mark = byteFallback === true && typeof suffix === "string" ? suffix : "";
    return new WindowStream(token, (tokens) => native?.decode(tokens) ?? tokens.join(" "), mark);
  }

  /** The token of an id, undefined where it makes no text. */
  #textToken(options: { readonly keepSpecialTokens?: boolean }): (id: number) => string | undefined {
    const hidden = new Set<number>();
    if (!(options.keepSpecialTokens ?? false)) {
      for (const token of this.file.addedTokens) if (token.special) hidden.add(token.id);
    }
    return (id) => (hidden.has(id) ? undefined : this.file.tokens[id]);
  }

  idToToken(id: number): string | undefined {
    return this.file.tokens[id];
  }

  tokenToId(token: string): number | undefined {
    return this.file.ids.get(token);
  }

  async save(folder: string): Promise<void> {
    await this.saveFiles(folder, this.commonFiles());
  }

  /** Contents of the files that every kind has, by name. */
  protected commonFiles(): Record<string, string> {
    const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
    const named = Object.entries(this.settings).filter(([key, value]) => key.endsWith("_token") && value !== null);
    const map = Object.fromEntries(named.filter(([, value]) => typeof value !== "boolean"));
    return {
      [FILE]: this.fileText,
      "tokenizer_config.json": json(this.settings),
      ...(Object.keys(map).length === 0 ? {} : { "special_tokens_map.json": json(map) }),
    };
  }

  /** Word index of every piece, counted from 0. */
  #wordIds(ids: Int32Array, library: readonly (number | null | undefined)[]): Int32Array {
    const starts = this.wordStarts?.(ids);
    if (starts === undefined) return countWords(library);
    let word = -1;
    return Int32Array.from(starts, (start) => {
      word += start;
      return word;
    });
  }

  /** Writes files by name into a folder, making it where needed. @throws {CheckpointError} DISK_FULL, NOT_WRITABLE */
  protected async saveFiles(
    folder: string,
    { [FILE]: own, ...others }: Readonly<Record<string, string>>,
  ): Promise<void> {
    for (const [name, text] of Object.entries(others)) await writeFileAtomic(join(folder, name), text);
    // Last: a folder is known by it as one with a tokenizer.
    if (own !== undefined) await writeFileAtomic(join(folder, FILE), own);
  }
}

/** Word index of every piece by the library's pre-tokens, counted from 0 without gaps; a piece outside any word is a word of its own. */
function countWords(wordIds: readonly (number | null | undefined)[]): Int32Array {
  const words = new Int32Array(wordIds.length);
  let word = -1;
  for (let i = 0; i < wordIds.length; i++) {
    const raw = wordIds[i];
    if (i === 0 || raw === null || raw === undefined || raw !== wordIds[i - 1]) word++;
    words[i] = word;
  }
  return words;
}
