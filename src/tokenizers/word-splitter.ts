import { library } from "./library.ts";
import type { Splitter, WordSink, WordVisit } from "./splitter.ts";
import { isHighSurrogate, isLowSurrogate } from "./unicode-offset.ts";
import { hashStart, hashUnit } from "./word-table.ts";
import type { TextOptions } from "./wordpiece-option.ts";

/** A character that continues a word as it is. */
const PLAIN = 1;
/** Ends a word. */
const SPACE = 2;
/** A word of its own. */
const ALONE = 3;
/** Vanishes. */
const REMOVED = 4;
/** Continues a word as another text, such as its lower-case letter. */
const MAPPED = 5;
/** Becomes several characters of different classes, such as a Chinese character between spaces. */
const SPREAD = 6;
/** Its form depends on its neighbours (order of combining marks): the library normalizes the whole text. */
const CONTEXT = 7;
const SURROGATE = 8;

/** Codes of characters for {@link WordSplitter.scan}: unit + 1 where one continues a word, 0 before it is learned … */
const CODE_SPACE = -1;
/** … this where only `forEachWord` will do … */
const CODE_OTHER = -2;
/** … and this less its unit where a character is a word of its own. */
const CODE_ALONE = -3;

interface Character {
  readonly kind: number;
  readonly text: string;
}

/**
 * Splits texts into words exactly as BertNormalizer and BertPreTokenizer of the native library do.
 *
 * What becomes of a character is asked of the library once and remembered, so the two cannot disagree about a table of
 * Unicode; the walk over a text is then several times as fast as the library's, which also keeps alignments.
 */
export class WordSplitter implements Splitter {
  readonly #normalize: (text: string) => string;
  readonly #split: (text: string) => readonly unknown[];
  readonly #stripAccents: boolean;
  readonly #kinds = new Uint8Array(0x10000);
  readonly #codes = new Int32Array(0x10000);
  readonly #texts: string[] = [];
  readonly #beyond = new Map<number, Character>();
  /** Splits text that is already normalized. */
  readonly #inner: WordSplitter | undefined;

  /** @param options undefined for text that is already normalized */
  constructor(options: TextOptions | undefined) {
    const { bertNormalizer, bertPreTokenizer } = library();
    const preTokenizer = bertPreTokenizer();
    this.#split = (text) => preTokenizer.preTokenizeString(text);
    this.#stripAccents = options?.stripAccents ?? false;
    this.#inner = options === undefined ? undefined : new WordSplitter(undefined);
    if (options === undefined) {
      this.#normalize = (text) => text;
    } else {
      const normalizer = bertNormalizer({
        cleanText: options.cleanText,
        handleChineseChars: options.handleChineseChars,
        stripAccents: options.stripAccents,
        lowercase: options.lowercase,
      });
      this.#normalize = (text) => normalizer.normalizeString(text);
    }
  }

  /**
   * Gives every word of a text to a sink, without strings and places: the quick way of {@link forEachWord}.
   * @returns false where the text holds a character that is not so simple; the words given so far are then void
   */
  scan(text: string, sink: WordSink): boolean {
    const codes = this.#codes;
    const { units } = sink;
    const limit = units.length;
    let length = 0;
    let hash = hashStart;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      let code = codes[unit]!;
      if (code === 0) code = this.#learnCode(unit);
      if (code > 0) {
        if (length < limit) units[length] = code - 1;
        length++;
        hash = hashUnit(hash, code - 1);
        continue;
      }
      if (code === CODE_OTHER) return false;
      if (length > 0) sink.word(length, hash);
      length = 0;
      hash = hashStart;
      if (code === CODE_SPACE) continue;
      const alone = CODE_ALONE - code;
      units[0] = alone;
      sink.word(1, hashUnit(hashStart, alone));
    }
    if (length > 0) sink.word(length, hash);
    return true;
  }

  #learnCode(unit: number): number {
    const kind = this.#kinds[unit]! === 0 ? this.#learn(unit) : this.#kinds[unit]!;
    const mapped = this.#texts[unit] ?? "";
    let code = CODE_OTHER;
    if (kind === PLAIN) code = unit + 1;
    else if (kind === SPACE) code = CODE_SPACE;
    else if (kind === ALONE) code = CODE_ALONE - unit;
    else if (kind === MAPPED && mapped.length === 1) code = mapped.charCodeAt(0) + 1;
    // A Chinese character between spaces.
    else if (kind === SPREAD && /^ \S $/.test(mapped)) code = CODE_ALONE - mapped.charCodeAt(1);
    this.#codes[unit] = code;
    return code;
  }

  /**
   * Calls `visit` with every word of a text, in order.
   * @returns whether every unit of a word stands for one unit of the text, so that the starts given to `visit` hold
   */
  forEachWord(text: string, visit: WordVisit): boolean {
    const kinds = this.#kinds;
    // A word is a slice of the text from `start`, or `built` plus such a slice once a character of it has changed.
    let start = -1;
    let built = "";
    let wordStart = 0;
    let aligned = true;
    const words: string[] = [];
    const starts: number[] = [];
    const emit: WordVisit = (word, at) => {
      words.push(word);
      starts.push(at);
    };
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      let kind = kinds[unit]!;
      if (kind === PLAIN) {
        if (start < 0) {
          start = i;
          if (built === "") wordStart = i;
        }
        continue;
      }
      let mapped = "";
      let width = 1;
      if (kind === 0) kind = this.#learn(unit);
      if (kind === SURROGATE) {
        const paired = isHighSurrogate(unit) && i + 1 < text.length && isLowSurrogate(text.charCodeAt(i + 1));
        const character = this.#character(paired ? text.codePointAt(i)! : 0xfffd);
        kind = character.kind;
        // A lone surrogate reaches the library as U+FFFD, so it may not stay a slice of the text.
        if (!paired && kind === PLAIN) kind = MAPPED;
        mapped = character.text;
        width = paired ? 2 : 1;
        aligned = false;
      } else if (kind === MAPPED || kind === SPREAD) {
        mapped = this.#texts[unit]!;
      }
      if (kind === CONTEXT) {
        this.#inner!.forEachWord(this.#normalize(text), visit);
        return false;
      }
      const open = start < 0 ? built : built + text.slice(start, i);
      start = -1;
      if (open === "") wordStart = i;
      if (kind === PLAIN) {
        built = open + text.slice(i, i + width);
      } else if (kind === MAPPED) {
        built = open + mapped;
        if (mapped.length !== 1) aligned = false;
      } else if (kind === REMOVED) {
        built = open;
        aligned = false;
      } else {
        if (open !== "" && kind !== SPREAD) emit(open, wordStart);
        built = kind === SPREAD ? this.#spread(open, mapped, wordStart, i, emit) : "";
        if (kind === ALONE) emit(text.slice(i, i + width), i);
        if (kind === SPREAD && mapped.trim().length !== 1) aligned = false;
      }
      i += width - 1;
    }
    const open = start < 0 ? built : built + text.slice(start);
    if (open !== "") emit(open, wordStart);
    // Only now is it sure that no later character changes what came before.
    for (let k = 0; k < words.length; k++) visit(words[k]!, starts[k]!);
    return aligned;
  }

  /** Goes through the text that the character at `at` became; returns the word left open. */
  #spread(open: string, mapped: string, wordStart: number, at: number, emit: WordVisit): string {
    let word = open;
    let from = wordStart;
    for (const part of mapped) {
      const { kind } = this.#inner!.#character(part.codePointAt(0)!);
      if (kind === PLAIN) {
        if (word === "") from = at;
        word += part;
      } else {
        if (word !== "") emit(word, from);
        word = "";
        if (kind === ALONE) emit(part, at);
      }
    }
    return word;
  }

  #learn(unit: number): number {
    if (unit >= 0xd800 && unit <= 0xdfff) {
      this.#kinds[unit] = SURROGATE;
      return SURROGATE;
    }
    const { kind, text } = this.#classify(unit);
    this.#kinds[unit] = kind;
    if (kind === MAPPED || kind === SPREAD) this.#texts[unit] = text;
    return kind;
  }

  #character(point: number): Character {
    let character = this.#beyond.get(point);
    if (character === undefined) {
      character = this.#classify(point);
      this.#beyond.set(point, character);
    }
    return character;
  }

  #classify(point: number): Character {
    const original = String.fromCodePoint(point);
    const text = this.#normalize(original);
    if (text === "") return { kind: REMOVED, text };
    if (this.#stripAccents && /\p{M}/u.test(text)) return { kind: CONTEXT, text };
    const kinds = new Set<number>();
    for (const part of text) {
      // Between two letters a space leaves two parts, punctuation three, anything else one.
      const parts = this.#split(`a${part}a`).length;
      kinds.add(parts === 2 ? SPACE : parts === 3 ? ALONE : PLAIN);
    }
    const [kind] = kinds;
    if (kinds.size > 1 || (kind === ALONE && text !== original)) return { kind: SPREAD, text };
    return { kind: kind === PLAIN && text !== original ? MAPPED : kind!, text };
  }
}
