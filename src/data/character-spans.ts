/** @file Words and names of text without spaces, in Chinese characters. */
import { Neighbours, weakestLink } from "./association.ts";
import { CountTable } from "./count-table.ts";
import type { SpanEntry, SpanKind } from "./span-file.ts";

export interface CharacterSpanOptions {
  /** Occurrences that a span needs. */
  readonly minCount: number;
  /** Least association of its parts, in nats. */
  readonly minPmi: number;
  /** Least entropy of what stands before and behind it, in nats. */
  readonly minEntropy: number;
  /** Longest span, in characters. */
  readonly maxCharacters: number;
}

const run = /\p{Script=Han}+/gu;
/** Titles of works, which Chinese puts between marks of their own. */
const title = /[《〈]([\p{L}\p{N}·：，、 ]{2,16})[》〉]/gu;
const suffixes =
  /(?:大学|学院|中学|小学|公司|集团|银行|医院|机场|车站|火车站|委员会|协会|出版社|日报|晚报|共和国|半岛|群岛|山脉)$/u;
const placeSuffixes = /^.{2,}(?:省|市|县|州|岛|镇|寺|湖|山)$/u;
const countries = /^[^全各我本外祖爱该两多战帝他邻强大小何异]国$/u;

/** Characters of a text; most text has none outside the BMP, and is cut several times as fast. */
function charactersOf(text: string): string[] {
  return /[\ud800-\udfff]/.test(text) ? [...text] : text.split("");
}

function kindOf(text: string): SpanKind {
  const isName = (suffixes.test(text) && text.length > 2) || placeSuffixes.test(text) || countries.test(text);
  return isName ? "entity" : "phrase";
}

/** Collects words and names sentence by sentence. */
export class CharacterSpans {
  private readonly options: CharacterSpanOptions;
  private readonly grams = new CountTable();
  private readonly titles = new CountTable();
  private numCharacters = 0;

  constructor(options: CharacterSpanOptions) {
    this.options = options;
  }

  add(sentence: string): void {
    for (const [, name] of sentence.matchAll(title)) this.titles.add(name!.trim());
    for (const [text] of sentence.matchAll(run)) {
      const characters = charactersOf(text);
      this.numCharacters += characters.length;
      // One more than the longest span: its neighbours.
      let start = 0;
      for (let i = 0; i < characters.length; i++) {
        let end = start;
        for (let n = 0; n <= this.options.maxCharacters && i + n < characters.length; n++) {
          end += characters[i + n]!.length;
          this.grams.add(text.slice(start, end));
        }
        start += characters[i]!.length;
      }
    }
  }

  finish(): SpanEntry[] {
    const { minCount, minPmi, minEntropy, maxCharacters } = this.options;
    const candidates = new Map<
      string,
      { readonly count: number; readonly left: Neighbours; readonly right: Neighbours }
    >();
    for (const [text, count] of this.grams.entries()) {
      if (count < minCount || text.length < 2) continue;
      const characters = charactersOf(text);
      if (characters.length < 2 || characters.length > maxCharacters) continue;
      if (weakestLink(characters, "", this.grams, this.numCharacters) < minPmi) continue;
      candidates.set(text, { count, left: new Neighbours(), right: new Neighbours() });
    }
    for (const [text, count] of this.grams.entries()) {
      if (text.length < 3) continue;
      const characters = charactersOf(text);
      const [first, last] = [characters[0]!.length, characters.at(-1)!.length];
      candidates.get(text.slice(0, -last))?.right.add(count);
      candidates.get(text.slice(first))?.left.add(count);
    }
    const words = [...candidates]
      .filter(([, { count, left, right }]) => Math.min(left.entropy(count), right.entropy(count)) >= minEntropy)
      .map(([text, { count }]): SpanEntry => ({ text, kind: kindOf(text), count }));
    const works = [...this.titles.entries()]
      .filter(([, count]) => count >= minCount)
      .map(([text, count]): SpanEntry => ({ text, kind: "entity", count }));
    const named = new Set(works.map(({ text }) => text));
    return [...works, ...words.filter(({ text }) => !named.has(text))];
  }
}
