/** @file Figures of answers to many questions, as the official scripts of SQuAD count them. All in percent. */
import { DataError } from "../base/errors.ts";
import { type AnswerScore, bestScore, compareWords, compareWordsOrNone, normalizeAnswer } from "./answer-score.ts";

/** A question's id and right answers; none where the text does not answer it. */
export interface AnswerKey {
  readonly id: string;
  readonly answers: readonly string[];
}

/** Answers by the ids of their questions. */
export type AnswerTexts = ReadonlyMap<string, string>;

/** Exact matches and F1, in percent of the questions. */
export interface AnswerFigures {
  readonly exact: number;
  readonly f1: number;
  /** Questions counted. */
  readonly total: number;
}

function meanFigures(scores: readonly AnswerScore[]): AnswerFigures {
  const total = scores.length;
  const percent = (value: (score: AnswerScore) => number): number =>
    (100 * scores.reduce((sum, score) => sum + value(score), 0)) / total;
  return { exact: percent(({ exact }) => exact), f1: percent(({ f1 }) => f1), total };
}

/**
 * Exact match and F1 of SQuAD 1.1; a question without an answer given counts 0.
 * @returns NaN for no questions
 * @source the evaluation script of SQuAD 1.1; Rajpurkar et al. 2016 §6.1
 */
export function squadFigures(keys: readonly AnswerKey[], texts: AnswerTexts): AnswerFigures {
  return meanFigures(
    keys.map(({ id, answers }) => {
      const text = texts.get(id);
      return text === undefined ? { exact: 0, f1: 0 } : bestScore(text, answers, compareWords);
    }),
  );
}

export interface SquadTwoOptions {
  /** How sure of no answer a question is, by its id; 0 for all when left out. */
  readonly noAnswer?: ReadonlyMap<string, number>;
  /** Above it a question counts as answered by nothing; 1 by default. */
  readonly threshold?: number;
}

/** Figures of SQuAD 2.0: over all questions, those that have an answer, and those that have none. */
export interface SquadTwoFigures extends AnswerFigures {
  readonly hasAnswer: AnswerFigures | undefined;
  readonly noAnswer: AnswerFigures | undefined;
  /** The best figures that any threshold gives, and the threshold; undefined without `noAnswer` scores. */
  readonly best:
    | {
        readonly exact: number;
        readonly exactThreshold: number;
        readonly f1: number;
        readonly f1Threshold: number;
      }
    | undefined;
}

interface Scored extends AnswerScore {
  readonly answer: string;
  readonly hasAnswer: boolean;
  readonly noAnswer: number;
}

/** The threshold whose answers score best: it moves up through all scores of no answer, and each answer it lets in counts. */
function bestThreshold(
  scored: readonly Scored[],
  measure: "exact" | "f1",
): readonly [figure: number, threshold: number] {
  let current = scored.filter(({ hasAnswer }) => !hasAnswer).length;
  let [best, threshold] = [current, 0];
  for (const item of [...scored].sort((a, b) => a.noAnswer - b.noAnswer)) {
    if (item.hasAnswer) current += item[measure];
    else if (item.answer !== "") current -= 1;
    if (current > best) [best, threshold] = [current, item.noAnswer];
  }
  return [(100 * best) / scored.length, threshold];
}

/**
 * Exact match and F1 of SQuAD 2.0, with its best thresholds. An empty text is the answer that there is none.
 * @throws {DataError} PREDICTION_MISSING where a question has no text; the official script cannot count on either
 * @source the evaluation script of SQuAD 2.0; Rajpurkar et al. 2018 §5, arXiv:1806.03822
 */
export function squadTwoFigures(
  keys: readonly AnswerKey[],
  texts: AnswerTexts,
  { noAnswer, threshold = 1 }: SquadTwoOptions = {},
): SquadTwoFigures {
  const scored = keys.map(({ id, answers }): Scored => {
    const answer = texts.get(id);
    const sureness = noAnswer === undefined ? 0 : noAnswer.get(id);
    if (answer === undefined || sureness === undefined) {
      const what = answer === undefined ? "answer" : "score of no answer";
      throw new DataError(`the question ${JSON.stringify(id)} has no ${what}. Give every question one.`, {
        code: "PREDICTION_MISSING",
        path: "squadTwoFigures",
        details: { id },
      });
    }
    const worded = answers.filter((text) => normalizeAnswer(text) !== "");
    const score = bestScore(answer, worded.length === 0 ? [""] : worded, compareWordsOrNone);
    return { ...score, answer, hasAnswer: answers.length > 0, noAnswer: sureness };
  });
  const decided = scored.map((item): AnswerScore => {
    if (item.noAnswer <= threshold) return item;
    const right = item.hasAnswer ? 0 : 1;
    return { exact: right, f1: right };
  });
  const part = (hasAnswer: boolean): AnswerFigures | undefined => {
    const own = decided.filter((_, i) => scored[i]!.hasAnswer === hasAnswer);
    return own.length === 0 ? undefined : meanFigures(own);
  };
  const [exact, exactThreshold] = bestThreshold(scored, "exact");
  const [f1, f1Threshold] = bestThreshold(scored, "f1");
  return {
    ...meanFigures(decided),
    hasAnswer: part(true),
    noAnswer: part(false),
    best: noAnswer === undefined ? undefined : { exact, exactThreshold, f1, f1Threshold },
  };
}
