/** @file How well answers in Chinese agree with their references, character by character: the measures of CMRC 2018. */
import { type AnswerScore, bestScore, type CompareAnswers, harmonicMean } from "./answer-score.ts";
import { trim } from "./python-text.ts";
import type { AnswerFigures, AnswerKey, AnswerTexts } from "./question-answering.ts";
import { treebankWords } from "./treebank-words.ts";

/** Signs that count for nothing; `……` is a pair in the script's list, so that a single `…` stays. */
const signs = new Set("-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』");
const isChinese = (character: string): boolean => character >= "\u4e00" && character <= "\u9fa5";

/** An answer's characters, and words of Latin script between them; signs left out. */
export function mixedSegments(answer: string): string[] {
  const segments: string[] = [];
  let latin = "";
  const flush = (): void => {
    if (latin !== "") segments.push(...treebankWords(latin));
    latin = "";
  };
  for (const character of trim(answer.toLowerCase())) {
    if (signs.has(character)) continue;
    if (!isChinese(character)) {
      latin += character;
      continue;
    }
    flush();
    segments.push(character);
  }
  flush();
  return segments;
}

function withoutSigns(answer: string): string {
  return Array.from(trim(answer.toLowerCase()))
    .filter((character) => !signs.has(character))
    .join("");
}

/** Length of the longest run that both lists have. */
function longestCommonRun(first: readonly string[], second: readonly string[]): number {
  let before = new Int32Array(second.length + 1);
  let longest = 0;
  for (const item of first) {
    const row = new Int32Array(second.length + 1);
    second.forEach((other, j) => {
      if (item === other) row[j + 1] = before[j]! + 1;
      longest = Math.max(longest, row[j + 1]!);
    });
    before = row;
  }
  return longest;
}

/** `exact`: equal without signs. `f1`: of the longest common run. */
export const compareCharacters: CompareAnswers = (answer, reference): AnswerScore => {
  const [given, wanted] = [mixedSegments(answer), mixedSegments(reference)];
  const exact = withoutSigns(answer) === withoutSigns(reference) ? 1 : 0;
  return { exact, f1: harmonicMean(longestCommonRun(given, wanted), given.length, wanted.length) };
};

/**
 * Exact match and F1 of CMRC 2018, which DRCD is scored by too, in percent; a question without an answer given counts 0.
 * @returns NaN for no questions
 * @source Cui et al. 2019 §4, arXiv:1810.07366, and its evaluation script. Differs: Latin text between Chinese characters
 * is one line to the Treebank's rules; the script first cuts it into sentences
 */
export function chineseAnswerFigures(keys: readonly AnswerKey[], texts: AnswerTexts): AnswerFigures {
  let [exact, f1] = [0, 0];
  for (const { id, answers } of keys) {
    const text = texts.get(id);
    if (text === undefined) continue;
    const score = bestScore(text, answers, compareCharacters);
    exact += score.exact;
    f1 += score.f1;
  }
  const total = keys.length;
  return { exact: (100 * exact) / total, f1: (100 * f1) / total, total };
}
