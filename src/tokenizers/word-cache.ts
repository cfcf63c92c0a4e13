import { library, type NativeTokenizer } from "./library.ts";
import type { IdEncoding } from "./tokenizer.ts";
import { detached } from "./word-count.ts";
import { WordSplitter } from "./word-splitter.ts";
import type { ResolvedWordPiece } from "./wordpiece-option.ts";

/** Different words remembered before the cache starts afresh: bounds its memory to some 100 MB. */
const CAPACITY = 500_000;
/** Words spelled by the native library at a time. */
const CHUNK = 5_000;

/**
 * Spells every different word once with the native library and remembers its pieces.
 *
 * Text repeats its words: this is several times as fast as encoding all of it, and equal by construction.
 */
export class WordCache {
  readonly #splitter: WordSplitter;
  readonly #model: NativeTokenizer;
  #indices = new Map<string, number>();
  /** Pieces by word index; undefined until spelled. */
  #pieces: Int32Array[] = [];
  /** Calls run one after the other: words that one has met and not yet spelled are no use to the next. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(ids: ReadonlyMap<string, number>, options: ResolvedWordPiece) {
    this.#splitter = new WordSplitter(options);
    const { Tokenizer, WordPiece } = library();
    // Without normalizer and pre-tokenizer a text is one word.
    this.#model = new Tokenizer(
      WordPiece.init(Object.fromEntries(ids), {
        unkToken: options.unkToken,
        continuingSubwordPrefix: options.continuingSubwordPrefix,
        maxInputCharsPerWord: options.maxInputCharsPerWord,
      }),
    );
  }

  /** Ids and word starts of texts that hold no special token. */
  encode(texts: readonly string[]): Promise<IdEncoding[]> {
    const run = this.#last.then(() => this.#encode(texts));
    this.#last = run.catch(() => undefined);
    return run;
  }

  async #encode(texts: readonly string[]): Promise<IdEncoding[]> {
    if (this.#indices.size > CAPACITY) {
      this.#indices = new Map();
      this.#pieces = [];
    }
    const indices = this.#indices;
    const pending: string[] = [];
    const ends: number[] = [];
    const words: number[] = [];
    const visit = (word: string): void => {
      let index = indices.get(word);
      if (index === undefined) {
        index = indices.size;
        const own = detached(word);
        indices.set(own, index);
        pending.push(own);
      }
      words.push(index);
    };
    for (const text of texts) {
      this.#splitter.forEachWord(text, visit);
      ends.push(words.length);
    }
    await this.#spell(pending);
    let from = 0;
    return ends.map((end) => {
      const encoding = this.#join(words, from, end);
      from = end;
      return encoding;
    });
  }

  async #spell(pending: readonly string[]): Promise<void> {
    try {
      for (let from = 0; from < pending.length; from += CHUNK) {
        const chunk = pending.slice(from, from + CHUNK);
        for (const encoding of await this.#model.encodeBatch(chunk, { addSpecialTokens: false })) {
          this.#pieces.push(Int32Array.from(encoding.getIds()));
        }
      }
    } catch (cause) {
      // Words without pieces may not stay known.
      this.#indices = new Map();
      this.#pieces = [];
      throw cause;
    }
  }

  #join(words: readonly number[], from: number, end: number): IdEncoding {
    const pieces = this.#pieces;
    let length = 0;
    for (let i = from; i < end; i++) length += pieces[words[i]!]!.length;
    const ids = new Int32Array(length);
    const wordStarts = new Uint8Array(length);
    let at = 0;
    for (let i = from; i < end; i++) {
      const spelled = pieces[words[i]!]!;
      if (spelled.length > 0) wordStarts[at] = 1;
      for (let k = 0; k < spelled.length; k++) ids[at++] = spelled[k]!;
    }
    return { ids, wordStarts };
  }
}
