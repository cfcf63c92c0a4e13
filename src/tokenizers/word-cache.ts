import { library, type NativeTokenizer } from "./library.ts";
import type { Encoding, IdEncoding } from "./tokenizer.ts";
import { detached } from "./word-count.ts";
import { WordSplitter } from "./word-splitter.ts";
import type { ResolvedWordPiece } from "./wordpiece-option.ts";

/** Different words remembered before the cache starts afresh: bounds its memory to some 100 MB. */
const CAPACITY = 250_000;
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
  readonly #unknown: number;
  readonly #capacity: number;
  readonly #maxWordLength: number;
  /** UTF-16 units of every token. */
  readonly #lengths: Int32Array;
  readonly #prefixLength: number;
  #indices = new Map<string, number>();
  /** Pieces by word index; the first is the word too long to spell. */
  #pieces: Int32Array[] = [];
  /** Calls run one after the other: words that one has met and not yet spelled are no use to the next. */
  #last: Promise<unknown> = Promise.resolve();

  /**
   * @param tokens token of every id
   * @param capacity different words remembered before the cache starts afresh
   */
  constructor(
    ids: ReadonlyMap<string, number>,
    tokens: readonly (string | undefined)[],
    options: ResolvedWordPiece,
    capacity = CAPACITY,
  ) {
    this.#splitter = new WordSplitter(options);
    const { unkToken, continuingSubwordPrefix, maxInputCharsPerWord } = options;
    const { Tokenizer, WordPiece } = library();
    // Without normalizer and pre-tokenizer a text is one word.
    this.#model = new Tokenizer(
      WordPiece.init(Object.fromEntries(ids), { unkToken, continuingSubwordPrefix, maxInputCharsPerWord }),
    );
    this.#unknown = ids.get(unkToken)!;
    this.#capacity = capacity;
    // The library counts code points: beyond twice as many units there are certainly too many.
    this.#maxWordLength = 2 * maxInputCharsPerWord;
    this.#lengths = Int32Array.from(tokens, (token) => token?.length ?? 0);
    this.#prefixLength = continuingSubwordPrefix.length;
    this.#reset();
  }

  /** Ids and word starts of texts that hold no special token. */
  encodeIds(texts: readonly string[]): Promise<IdEncoding[]> {
    return this.#inTurn(async () => {
      const split = await this.#split(texts);
      return texts.map((_, index) => this.#joinIds(split, index));
    });
  }

  /** Whole encodings of texts that hold no special token; undefined where characters change their number. */
  encode(texts: readonly string[]): Promise<(Encoding | undefined)[]> {
    return this.#inTurn(async () => {
      const split = await this.#split(texts);
      return texts.map((_, index) => (split.aligned[index]! ? this.#join(split, index) : undefined));
    });
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const run = this.#last.then(task);
    this.#last = run.catch(() => undefined);
    return run;
  }

  #reset(): void {
    this.#indices = new Map();
    this.#pieces = [Int32Array.of(this.#unknown)];
  }

  async #split(texts: readonly string[]): Promise<SplitTexts> {
    if (this.#indices.size > this.#capacity) this.#reset();
    const indices = this.#indices;
    const pending: string[] = [];
    const result: SplitTexts = { words: [], starts: [], lengths: [], ends: [], aligned: [] };
    const visit = (word: string, start: number): void => {
      let index = word.length > this.#maxWordLength ? 0 : indices.get(word);
      if (index === undefined) {
        index = indices.size + 1;
        const own = detached(word);
        indices.set(own, index);
        pending.push(own);
      }
      result.words.push(index);
      result.starts.push(start);
      result.lengths.push(word.length);
    };
    for (const text of texts) {
      result.aligned.push(this.#splitter.forEachWord(text, visit));
      result.ends.push(result.words.length);
    }
    await this.#spell(pending);
    return result;
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
      this.#reset();
      throw cause;
    }
  }

  /** Words of text `index` as their range, and their pieces in all. */
  #range({ words, ends }: SplitTexts, index: number): { from: number; end: number; length: number } {
    const from = index === 0 ? 0 : ends[index - 1]!;
    const end = ends[index]!;
    let length = 0;
    for (let i = from; i < end; i++) length += this.#pieces[words[i]!]!.length;
    return { from, end, length };
  }

  #joinIds(split: SplitTexts, index: number): IdEncoding {
    const { from, end, length } = this.#range(split, index);
    const ids = new Int32Array(length);
    const wordStarts = new Uint8Array(length);
    let at = 0;
    for (let i = from; i < end; i++) {
      const spelled = this.#pieces[split.words[i]!]!;
      wordStarts[at] = 1;
      for (let k = 0; k < spelled.length; k++) ids[at++] = spelled[k]!;
    }
    return { ids, wordStarts };
  }

  #join(split: SplitTexts, index: number): Encoding {
    const { from, end, length } = this.#range(split, index);
    const ids = new Int32Array(length);
    const wordIds = new Int32Array(length);
    const starts = new Int32Array(length);
    const ends = new Int32Array(length);
    let at = 0;
    for (let i = from; i < end; i++) {
      const spelled = this.#pieces[split.words[i]!]!;
      let place = split.starts[i]!;
      const wordEnd = place + split.lengths[i]!;
      for (let k = 0; k < spelled.length; k++, at++) {
        const id = spelled[k]!;
        ids[at] = id;
        wordIds[at] = i - from;
        starts[at] = place;
        // The last piece ends with its word, also where it is the unknown token.
        place = k + 1 === spelled.length ? wordEnd : place + this.#lengths[id]! - (k === 0 ? 0 : this.#prefixLength);
        ends[at] = place;
      }
    }
    return { ids, wordIds, starts, ends };
  }
}

/** Words of several texts, one after the other. */
interface SplitTexts {
  readonly words: number[];
  /** Place of each word in its text, in UTF-16 units. */
  readonly starts: number[];
  readonly lengths: number[];
  /** Number of words up to the end of each text. */
  readonly ends: number[];
  /** For each text, whether places hold. */
  readonly aligned: boolean[];
}
