import { library } from "./library.ts";
import type { Splitter, WordSink, WordVisit } from "./splitter.ts";
import { isHighSurrogate, isLowSurrogate } from "./unicode-offset.ts";
import { hashStart, hashUnit } from "./word-table.ts";

const LETTER = 1;
const NUMBER = 2;
const OTHER = 3;
const WHITE = 4;

const SPACE = 0x20;
const APOSTROPHE = 0x27;
const REPLACEMENT = 0xfffd;

/** Endings that are words of their own. */
const endings = ["s", "t", "re", "ve", "m", "ll", "d"];

/**
 * Splits texts into words exactly as the ByteLevel pre-tokenizer of the native library does.
 *
 * Its rule, in the order of its alternatives: English endings behind an apostrophe; letters, numbers or other signs,
 * each with one space before them; white space, which leaves its last character to the word behind it. What kind a
 * character is of is asked of the library once and remembered.
 * @source Radford et al. 2019 (GPT-2), `encoder.py`
 */
export class ByteSplitter implements Splitter {
  readonly #addPrefixSpace: boolean;
  readonly #kinds = new Uint8Array(0x10000);
  readonly #beyond = new Map<number, number>();
  readonly #split: (text: string) => readonly unknown[];

  constructor(options: { readonly addPrefixSpace: boolean }) {
    this.#addPrefixSpace = options.addPrefixSpace;
    const preTokenizer = library().byteLevelPreTokenizer(false, true);
    this.#split = (text) => preTokenizer.preTokenizeString(text);
  }

  scan(text: string, sink: WordSink): boolean {
    const whole = this.#prefixed(text);
    const { units } = sink;
    const limit = units.length;
    for (let start = 0; start < whole.length; ) {
      const end = this.#wordEnd(whole, start);
      let hash = hashStart;
      for (let i = start; i < end; i++) {
        const raw = whole.charCodeAt(i);
        const unit = (raw & 0xf800) === 0xd800 ? this.#sound(whole, i) : raw;
        if (i - start < limit) units[i - start] = unit;
        hash = hashUnit(hash, unit);
      }
      sink.word(end - start, hash);
      start = end;
    }
    return true;
  }

  forEachWord(text: string, visit: WordVisit): boolean {
    const whole = this.#prefixed(text).toWellFormed();
    for (let start = 0; start < whole.length; ) {
      const end = this.#wordEnd(whole, start);
      visit(whole.slice(start, end), start);
      start = end;
    }
    return false;
  }

  #prefixed(text: string): string {
    return this.#addPrefixSpace && text !== "" && text.charCodeAt(0) !== SPACE ? ` ${text}` : text;
  }

  /** A surrogate as the library gets it: lone ones reach it as U+FFFD. */
  #sound(text: string, i: number): number {
    const unit = text.charCodeAt(i);
    const paired = isHighSurrogate(unit)
      ? isLowSurrogate(text.charCodeAt(i + 1))
      : i > 0 && isHighSurrogate(text.charCodeAt(i - 1));
    return paired ? unit : REPLACEMENT;
  }

  /** End of the word that starts at `start`. */
  #wordEnd(text: string, start: number): number {
    const first = text.charCodeAt(start);
    if (first === APOSTROPHE) {
      const ending = endings.find((letters) => text.startsWith(letters, start + 1));
      if (ending !== undefined) return start + 1 + ending.length;
    }
    let kind = this.#kindAt(text, start);
    let at = start;
    if (first === SPACE && start + 1 < text.length) {
      const next = this.#kindAt(text, start + 1);
      if (next !== WHITE) {
        kind = next;
        at = start + 1;
      }
    }
    const kinds = this.#kinds;
    let end = at;
    while (end < text.length) {
      const known = kinds[text.charCodeAt(end)]!;
      if (known === kind) {
        end++;
        continue;
      }
      // Surrogates are never known by themselves.
      if (known !== 0 || this.#kindAt(text, end) !== kind) break;
      end += isHighSurrogate(text.charCodeAt(end)) && isLowSurrogate(text.charCodeAt(end + 1)) ? 2 : 1;
    }
    if (kind !== WHITE || end === text.length || end - start === 1) return end;
    // Every white space is one unit.
    return end - 1;
  }

  #kindAt(text: string, i: number): number {
    const unit = text.charCodeAt(i);
    const known = this.#kinds[unit]!;
    if (known !== 0) return known;
    if (unit >= 0xd800 && unit <= 0xdfff) {
      const paired = isHighSurrogate(unit) && isLowSurrogate(text.charCodeAt(i + 1));
      const point = paired ? text.codePointAt(i)! : REPLACEMENT;
      let kind = this.#beyond.get(point);
      if (kind === undefined) {
        kind = this.#learn(point);
        this.#beyond.set(point, kind);
      }
      return kind;
    }
    const kind = this.#learn(unit);
    this.#kinds[unit] = kind;
    return kind;
  }

  #learn(point: number): number {
    const character = String.fromCodePoint(point);
    if (this.#split(`!${character}!`).length === 1) return OTHER;
    if (this.#split(`a${character}`).length === 1) return LETTER;
    return this.#split(`1${character}`).length === 1 ? NUMBER : WHITE;
  }
}
