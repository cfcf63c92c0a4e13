/** @file From which score on the best answer found is given, and below which "no answer" is said. */
import { DataError } from "../base/errors.ts";

/** The best answer found to one question of a development set, judged. */
export interface ScoredAnswer {
  /** How sure it is; only compared with others of the same kind. */
  readonly score: number;
  readonly isRight: boolean;
  /** Whether the question has an answer at all; true by default. */
  readonly isAnswerable?: boolean | undefined;
}

/** What is wanted of a threshold: the best F1, or a precision with as many answers as that allows. */
export type ThresholdAim = "f1" | { readonly precision: number };

/** A threshold and what it gives on the questions that it was chosen on. */
export interface AnswerThreshold {
  /** Answers with this score or a higher one are given; infinite where none should be. */
  readonly threshold: number;
  /** Share of the given answers that are right; 0 where none is given. */
  readonly precision: number;
  /** Share of the answerable questions that get their right answer. */
  readonly recall: number;
  readonly f1: number;
  /** Share of all questions that get an answer. */
  readonly answered: number;
  readonly numQuestions: number;
  /** Whether the wanted precision was reached; true where F1 was wanted. */
  readonly isReached: boolean;
}

const quotient = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);

function figuresAt(answers: readonly ScoredAnswer[], threshold: number): Omit<AnswerThreshold, "isReached"> {
  const given = answers.filter(({ score }) => score >= threshold);
  const right = given.filter(({ isRight }) => isRight).length;
  const answerable = answers.filter(({ isAnswerable = true }) => isAnswerable).length;
  const [precision, recall] = [quotient(right, given.length), quotient(right, answerable)];
  return {
    threshold,
    precision,
    recall,
    f1: quotient(2 * precision * recall, precision + recall),
    answered: quotient(given.length, answers.length),
    numQuestions: answers.length,
  };
}

/**
 * Chooses a threshold among the scores of a development set: for the best F1 the highest one that reaches it; for a
 * precision the lowest one that keeps it, and where none does the one nearest to it.
 * @throws {DataError} DATA_EMPTY, PRECISION_RANGE
 */
export function chooseAnswerThreshold(answers: readonly ScoredAnswer[], aim: ThresholdAim = "f1"): AnswerThreshold {
  const fail = (message: string, code: string): never => {
    throw new DataError(message, { code, path: "chooseAnswerThreshold" });
  };
  if (answers.length === 0) fail("there are no questions to choose a threshold on.", "DATA_EMPTY");
  if (aim !== "f1" && !(aim.precision > 0 && aim.precision <= 1)) {
    fail(`precision must be above 0 and at most 1; got ${aim.precision}.`, "PRECISION_RANGE");
  }
  const sorted = answers.toSorted((a, b) => b.score - a.score);
  const answerable = answers.filter(({ isAnswerable = true }) => isAnswerable).length;
  let right = 0;
  let best: { readonly value: number; readonly threshold: number } | undefined;
  let lowest: number | undefined;
  sorted.forEach(({ score, isRight }, i) => {
    if (isRight) right++;
    // Equal scores are given together.
    if (sorted[i + 1]?.score === score) return;
    const [precision, recall] = [right / (i + 1), quotient(right, answerable)];
    const value = aim === "f1" ? quotient(2 * precision * recall, precision + recall) : precision;
    if (best === undefined || value > best.value) best = { value, threshold: score };
    if (aim !== "f1" && precision >= aim.precision) lowest = score;
  });
  if (aim === "f1") {
    const isAnyRight = best !== undefined && best.value > 0;
    return { ...figuresAt(answers, isAnyRight ? best!.threshold : Number.POSITIVE_INFINITY), isReached: true };
  }
  return { ...figuresAt(answers, lowest ?? best!.threshold), isReached: lowest !== undefined };
}
