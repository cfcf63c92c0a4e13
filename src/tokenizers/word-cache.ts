import type { Splitter, WordSink } from "./splitter.ts";
import type { Encoding, IdEncoding } from "./tokenizer.ts";
import { WordTable } from "./word-table.ts";

/** Different words remembered before the cache starts afresh: bounds its memory to some 10 MB. */
const CAPACITY = 250_000;
/** Words spelled by the native library at a time. */
const CHUNK = 5_000;

/** What a cache needs to know of a tokenizer. */
export interface WordCacheOptions {
  readonly splitter: Splitter;
  /** Pieces of words, in the order of the words. */
  readonly spell: (words: readonly string[]) => Promise<readonly (readonly number[])[]>;
  /** UTF-16 units in the longest word that is remembered. */
  readonly maxWordLength: number;
  /** Piece of longer words; undefined where the cache does not know, and leaves their texts alone. */
  readonly longWord: number | undefined;
  /** Texts whose words may depend on their neighbours: the cache leaves them alone. */
  readonly leavesOut?: ((text: string) => boolean) | undefined;
  /** UTF-16 units that a piece stands for, at the start of a word and inside it; for places. */
  readonly pieceLength?: (id: number, first: boolean) => number;
  /** Different words remembered before the cache starts afresh. */
  readonly capacity?: number;
}

/**
 * Spells every different word once with the native library and remembers its pieces.
 *
 * Text repeats its words: this is several times as fast as encoding all of it, and equal by construction.
 */
export class WordCache {
  readonly #options: WordCacheOptions;
  readonly #splitter: Splitter;
  readonly #capacity: number;
  readonly #maxWordLength: number;
  #table = new WordTable(0);
  /** Pieces of all words one after the other, and where those of each word end. */
  #pieces = new Int32Array(1 << 12);
  #ends = new Uint32Array(1 << 11);
  /** Words whose pieces are known. */
  #numSpelled = 0;
  /** Calls run one after the other: words that one has met and not yet spelled are no use to the next. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: WordCacheOptions) {
    this.#options = options;
    this.#splitter = options.splitter;
    this.#capacity = options.capacity ?? CAPACITY;
    this.#maxWordLength = options.maxWordLength;
    this.#reset();
  }

  /** Whether {@link WordCache.encode} can be used. */
  get knowsPlaces(): boolean {
    return this.#options.pieceLength !== undefined;
  }

  /** Ids and word starts of texts that hold no special token; undefined for those with a word too long to know, or left out. */
  encodeIds(texts: readonly string[]): Promise<(IdEncoding | undefined)[]> {
    return this.#inTurn(async () => {
      const words = this.#scan(texts);
      await this.#spell();
      return this.#joinIds(words);
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

  /** Word 0 is the one too long to spell. */
  #reset(): void {
    this.#table = new WordTable(this.#maxWordLength);
    this.#table.number(0, 0);
    this.#pieces[0] = this.#options.longWord ?? 0;
    this.#ends[0] = 1;
    this.#numSpelled = 1;
  }

  /** Words of texts by the quick way, where that goes. */
  #scan(texts: readonly string[]): ScannedTexts {
    if (this.#table.size > this.#capacity) this.#reset();
    const table = this.#table;
    const longest = this.#maxWordLength;
    let words = new Int32Array(1 << 12);
    let count = 0;
    const push = (index: number): void => {
      if (count === words.length) {
        const copy = new Int32Array(2 * count);
        copy.set(words);
        words = copy;
      }
      words[count++] = index;
    };
    const sink: WordSink = {
      units: table.units,
      word: (length, hash) => push(length > longest ? 0 : table.number(length, hash)),
    };
    const known: boolean[] = [];
    const ends = new Uint32Array(texts.length);
    texts.forEach((text, index) => {
      const mark = count;
      if (this.#options.leavesOut?.(text) === true) {
        known.push(false);
        ends[index] = count;
        return;
      }
      if (!this.#splitter.scan(text, sink)) {
        count = mark;
        this.#splitter.forEachWord(text, (word) => push(this.#numberOf(word)));
      }
      const lost = this.#options.longWord === undefined && words.subarray(mark, count).includes(0);
      if (lost) count = mark;
      known.push(!lost);
      ends[index] = count;
    });
    return { words, ends, known };
  }

  #numberOf(word: string): number {
    return word.length > this.#maxWordLength ? 0 : this.#table.numberOf(word);
  }

  async #split(texts: readonly string[]): Promise<SplitTexts> {
    if (this.#table.size > this.#capacity) this.#reset();
    const result: SplitTexts = { words: [], starts: [], lengths: [], ends: [], aligned: [] };
    const visit = (word: string, start: number): void => {
      result.words.push(this.#numberOf(word));
      result.starts.push(start);
      result.lengths.push(word.length);
    };
    for (const text of texts) {
      const isLeftOut = this.#options.leavesOut?.(text) === true;
      result.aligned.push(!isLeftOut && this.#splitter.forEachWord(text, visit));
      result.ends.push(result.words.length);
    }
    await this.#spell();
    return result;
  }

  /** Asks the library for the pieces of the words met since the last time. */
  async #spell(): Promise<void> {
    const table = this.#table;
    try {
      while (this.#numSpelled < table.size) {
        const count = Math.min(CHUNK, table.size - this.#numSpelled);
        const words = Array.from({ length: count }, (_, i) => table.word(this.#numSpelled + i));
        for (const ids of await this.#options.spell(words)) this.#remember(ids);
      }
    } catch (cause) {
      // Words without pieces may not stay known.
      this.#reset();
      throw cause;
    }
  }

  #remember(ids: readonly number[]): void {
    const index = this.#numSpelled++;
    const start = this.#ends[index - 1]!;
    const end = start + ids.length;
    if (end > this.#pieces.length) {
      const copy = new Int32Array(2 * end);
      copy.set(this.#pieces);
      this.#pieces = copy;
    }
    if (index >= this.#ends.length) {
      const copy = new Uint32Array(2 * index);
      copy.set(this.#ends);
      this.#ends = copy;
    }
    this.#pieces.set(ids, start);
    this.#ends[index] = end;
  }

  /** All texts in one array, each a view of it. */
  #joinIds({ words, ends, known }: ScannedTexts): (IdEncoding | undefined)[] {
    const pieces = this.#pieces;
    const pieceEnds = this.#ends;
    const numWords = ends.at(-1) ?? 0;
    let total = 0;
    for (let i = 0; i < numWords; i++) {
      const word = words[i]!;
      total += pieceEnds[word]! - (word === 0 ? 0 : pieceEnds[word - 1]!);
    }
    const ids = new Int32Array(total);
    const wordStarts = new Uint8Array(total);
    const result: (IdEncoding | undefined)[] = [];
    let at = 0;
    let i = 0;
    for (const end of ends) {
      const start = at;
      for (; i < end; i++) {
        const word = words[i]!;
        const pieceEnd = pieceEnds[word]!;
        wordStarts[at] = 1;
        for (let k = word === 0 ? 0 : pieceEnds[word - 1]!; k < pieceEnd; k++) ids[at++] = pieces[k]!;
      }
      const encoding = { ids: ids.subarray(start, at), wordStarts: wordStarts.subarray(start, at) };
      result.push(known[result.length] === true ? encoding : undefined);
    }
    return result;
  }

  /** Pieces of a word. */
  #spelling(word: number): Int32Array {
    return this.#pieces.subarray(word === 0 ? 0 : this.#ends[word - 1]!, this.#ends[word]!);
  }

  #join(split: SplitTexts, index: number): Encoding {
    const pieceLength = this.#options.pieceLength ?? (() => 0);
    const from = index === 0 ? 0 : split.ends[index - 1]!;
    const spelled = split.words.slice(from, split.ends[index]).map((word) => this.#spelling(word));
    const length = spelled.reduce((sum, pieces) => sum + pieces.length, 0);
    const ids = new Int32Array(length);
    const wordIds = new Int32Array(length);
    const starts = new Int32Array(length);
    const ends = new Int32Array(length);
    let at = 0;
    spelled.forEach((pieces, word) => {
      let place = split.starts[from + word]!;
      const wordEnd = place + split.lengths[from + word]!;
      for (let k = 0; k < pieces.length; k++, at++) {
        const id = pieces[k]!;
        ids[at] = id;
        wordIds[at] = word;
        starts[at] = place;
        // The last piece ends with its word, also where it is the unknown token.
        place = k + 1 === pieces.length ? wordEnd : place + pieceLength(id, k === 0);
        ends[at] = place;
      }
    });
    return { ids, wordIds, starts, ends };
  }
}

/** Words of several texts by their numbers, and how many there are up to the end of each text. */
interface ScannedTexts {
  readonly words: Int32Array;
  readonly ends: Uint32Array;
  /** For each text, whether all its words are known. */
  readonly known: readonly boolean[];
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
