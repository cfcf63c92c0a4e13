/** @file The options of a question as texts that begin alike. */
import type { WritingOrder } from "./network.ts";
import type { ScoredText } from "./token-scorer.ts";

/** A question's context with one of its options. */
export interface QuestionText extends ScoredText {
  /** Texts of one question have the same number, the same source, and the same tokens up to the first that is scored. */
  readonly question: number;
}

/** All options of a question. */
export interface OptionGroup {
  /** Those of the first option. */
  readonly tokens: Int32Array;
  readonly source: Int32Array;
  /** Tokens that all options begin with and that stand in front of what is scored. */
  readonly shared: number;
  /** The texts, with their numbers among all. */
  readonly texts: readonly (ScoredText & { readonly number: number })[];
}

/** Tokens that two texts begin with alike. */
export function commonStart(a: Int32Array, b: Int32Array): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length++;
  return length;
}

/** Texts by their questions, in the order of these. */
export function groupTexts(texts: readonly QuestionText[], order: WritingOrder): OptionGroup[] {
  const byQuestion = new Map<number, (QuestionText & { readonly number: number })[]>();
  texts.forEach((text, number) => {
    const others = byQuestion.get(text.question) ?? [];
    byQuestion.set(text.question, others);
    others.push({ ...text, number });
  });
  return [...byQuestion.values()].map((own): OptionGroup => {
    const { tokens, source } = own[0]!;
    // What a decoder has written begins with its starting token only.
    const shared = order === "encoderDecoder" ? 0 : Math.min(...own.map(({ start }) => start));
    return { tokens, source, shared, texts: own };
  });
}
