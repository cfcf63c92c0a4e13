/** @file How well an answer to a question agrees with its references, word by word: the measures of SQuAD. */
import { splitWords } from "./python-text.ts";

/** ASCII punctuation, as Python's `string.punctuation` has it. */
const punctuation = /[!-/:-@[-`{-~]/g;
/** Articles between what Python's `\b` calls word ends: letters, numbers and `_` of all scripts make words. */
const articles = /(?<![\p{L}\p{N}_])(?:a|an|the)(?![\p{L}\p{N}_])/gu;

/**
 * An answer in lower case without ASCII punctuation and English articles, one space between words.
 * @source Rajpurkar et al. 2016 §6.1, arXiv:1606.05250, and its evaluation script
 */
export function normalizeAnswer(answer: string): string {
  return answerWords(answer).join(" ");
}

function answerWords(answer: string): string[] {
  return splitWords(answer.toLowerCase().replace(punctuation, "").replace(articles, " "));
}

/** How many items two lists share, repeated ones as often as in both. */
function numShared(first: readonly string[], second: readonly string[]): number {
  const left = new Map<string, number>();
  for (const item of first) left.set(item, (left.get(item) ?? 0) + 1);
  let shared = 0;
  for (const item of second) {
    const count = left.get(item) ?? 0;
    if (count === 0) continue;
    shared++;
    left.set(item, count - 1);
  }
  return shared;
}

/** Harmonic mean of precision and recall; 0 where nothing is shared. */
export function harmonicMean(shared: number, given: number, reference: number): number {
  if (shared === 0) return 0;
  const [precision, recall] = [shared / given, shared / reference];
  return (2 * precision * recall) / (precision + recall);
}

/** An answer's agreement with the reference it agrees with best, each in [0, 1]. */
export interface AnswerScore {
  readonly exact: number;
  readonly f1: number;
}

/** Both measures on one reference. */
export type CompareAnswers = (answer: string, reference: string) => AnswerScore;

/** As SQuAD 1.1: an answer without words agrees with nothing but in `exact`. */
export const compareWords: CompareAnswers = (answer, reference) => {
  const [given, wanted] = [answerWords(answer), answerWords(reference)];
  const exact = given.join(" ") === wanted.join(" ") ? 1 : 0;
  return { exact, f1: harmonicMean(numShared(given, wanted), given.length, wanted.length) };
};

/** As SQuAD 2.0: where either has no words, F1 is whether both have none. */
export const compareWordsOrNone: CompareAnswers = (answer, reference) => {
  const [given, wanted] = [answerWords(answer), answerWords(reference)];
  const exact = given.join(" ") === wanted.join(" ") ? 1 : 0;
  if (given.length === 0 || wanted.length === 0) return { exact, f1: exact };
  return { exact, f1: harmonicMean(numShared(given, wanted), given.length, wanted.length) };
};

/** The best of each measure over the references; 0 without any. */
export function bestScore(answer: string, references: readonly string[], compare: CompareAnswers): AnswerScore {
  const scores = references.map((reference) => compare(answer, reference));
  return {
    exact: scores.reduce((most, { exact }) => Math.max(most, exact), 0),
    f1: scores.reduce((most, { f1 }) => Math.max(most, f1), 0),
  };
}
