/** @file Names and phrases of text that puts spaces between words. */
import { weakestLink } from "./association.ts";
import { CountTable } from "./count-table.ts";
import type { SpanEntry } from "./span-file.ts";

export interface WordSpanOptions {
  /** Occurrences that a span needs. */
  readonly minCount: number;
  /** Least association of its parts, in nats. */
  readonly minPmi: number;
  /** Longest phrase, in words. */
  readonly maxWords: number;
}

const pattern =
  /(?:Mr|Mrs|Ms|Dr|St|Prof|Rev|Gen|Col|Capt|Lt|Sgt|Gov|Sen)\.(?= \p{Lu})|[\p{L}\p{M}\p{N}]+(?:['’.&-][\p{L}\p{M}\p{N}]+)*|[^\s]/gu;
const isWord = (token: string): boolean => /^[\p{L}\p{N}]/u.test(token);
const isCapital = (token: string): boolean => /^\p{Lu}/u.test(token);
const isLower = (token: string): boolean => /^\p{Ll}/u.test(token);
/** What may stand inside a name though it is small. */
const connectors = new Set([
  "of",
  "the",
  "for",
  "de",
  "la",
  "le",
  "du",
  "des",
  "da",
  "do",
  "di",
  "van",
  "von",
  "der",
  "den",
]);
/** After these a word is as at the start of a sentence. */
const openers = new Set(['"', "“", "‘", "(", "[", "*", "•", "—", ":", "«"]);
/** Capitalised everywhere, and no name. */
const pronoun = /^(?:I(?:['’]\p{L}+)?|Oh|Ah|O|Yes|No)$/u;
/** What a name does not end with. */
const possessive = /['’]s?$/u;
/** Sentences with more capitals than this are headlines. */
const HEADLINE = 0.5;
/** A name of one word is seldom written small. */
const SMALL_SHARE = 0.1;
/** A part of a longer phrase that hardly occurs without it is left out. */
const ABSORBED = 0.8;

/** Collects names and phrases sentence by sentence. */
export class WordSpans {
  private readonly options: WordSpanOptions;
  /** Runs of capitals inside sentences, and at their start. */
  private readonly inside = new CountTable();
  private readonly atStart = new CountTable();
  /** Sequences of small words; single words as they are written. */
  private readonly grams = new CountTable();
  private numWords = 0;

  constructor(options: WordSpanOptions) {
    this.options = options;
  }

  add(sentence: string): void {
    const tokens = sentence.match(pattern) ?? [];
    const words = tokens.filter(isWord);
    const isHeadline = words.length > 2 && words.filter(isCapital).length > HEADLINE * words.length;
    if (!isHeadline) this.addNames(tokens);
    this.addGrams(tokens);
  }

  private addNames(tokens: readonly string[]): void {
    for (let i = 0; i < tokens.length; i++) {
      if (!isCapital(tokens[i]!) || pronoun.test(tokens[i]!)) continue;
      let end = i + 1;
      for (let at = end; at < tokens.length && at < end + 3; at++) {
        if (isCapital(tokens[at]!) && !pronoun.test(tokens[at]!)) end = at + 1;
        else if (!connectors.has(tokens[at]!)) break;
      }
      const isStart = i === 0 || openers.has(tokens[i - 1]!) || /^[.!?…]/.test(tokens[i - 1]!);
      (isStart ? this.atStart : this.inside).add(tokens.slice(i, end).join(" ").replace(possessive, ""));
      i = end - 1;
    }
  }

  private addGrams(tokens: readonly string[]): void {
    tokens.forEach((token, i) => {
      if (!isWord(token)) return;
      this.numWords++;
      this.grams.add(token);
      for (let n = 2; n <= this.options.maxWords && isLower(tokens[i + n - 1] ?? "") && isLower(token); n++) {
        this.grams.add(tokens.slice(i, i + n).join(" "));
      }
    });
  }

  /** Runs of capitals that occur inside sentences too. */
  private names(): SpanEntry[] {
    const names: SpanEntry[] = [];
    for (const [text, inside] of this.inside.entries()) {
      const count = inside + this.atStart.get(text);
      if (count < this.options.minCount) continue;
      const isOne = !text.includes(" ");
      if (isOne && (text.length < 2 || text.endsWith(".") || this.grams.get(text.toLowerCase()) > SMALL_SHARE * count))
        continue;
      names.push({ text, kind: "entity", count });
    }
    return names;
  }

  /** Sequences of small words that belong together. */
  private phrases(): SpanEntry[] {
    const { minCount, minPmi } = this.options;
    const found = new Map<string, number>();
    for (const [text, count] of this.grams.entries()) {
      if (count < minCount || !text.includes(" ")) continue;
      if (weakestLink(text.split(" "), " ", this.grams, this.numWords) >= minPmi) found.set(text, count);
    }
    const absorbed = new Set<string>();
    for (const [text, count] of found) {
      const words = text.split(" ");
      for (const part of [words.slice(1), words.slice(0, -1)].map((own) => own.join(" "))) {
        if (count >= ABSORBED * (found.get(part) ?? Number.POSITIVE_INFINITY)) absorbed.add(part);
      }
    }
    return [...found].filter(([text]) => !absorbed.has(text)).map(([text, count]) => ({ text, kind: "phrase", count }));
  }

  finish(): SpanEntry[] {
    return [...this.names(), ...this.phrases()];
  }
}
