/** @file What choosing a threshold is worth on questions that it was not chosen on. */
import { Random } from "../base/random.ts";
import {
  type AnswerThreshold,
  chooseAnswerThreshold,
  type ScoredAnswer,
  type ThresholdAim,
} from "./answer-threshold.ts";

/** Figures of thresholds on questions that they were not chosen on. */
export interface HeldOutThreshold extends Pick<AnswerThreshold, "precision" | "recall" | "f1" | "answered"> {
  /** Each part of the questions is judged by a threshold that was chosen on the others. */
  readonly numFolds: number;
  /** The lowest and the highest of these thresholds: how much hangs on the questions. */
  readonly thresholds: readonly [lowest: number, highest: number];
}

const quotient = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);

/**
 * Judges each part of the questions of a development set by a threshold that is chosen on the others (cross-validation): a
 * threshold looks better on the questions that it was chosen on than on those that users will ask.
 * @param options `numFolds`: parts, 5 by default; `seed` of the draw, 1 by default
 * @returns undefined where there are fewer than two questions a part
 * @throws {DataError} PRECISION_RANGE
 */
export function heldOutThreshold(
  answers: readonly ScoredAnswer[],
  aim: ThresholdAim = "f1",
  { numFolds = 5, seed = 1 }: { readonly numFolds?: number; readonly seed?: number } = {},
): HeldOutThreshold | undefined {
  if (answers.length < 2 * numFolds) return undefined;
  const random = new Random(seed, "folds");
  const order = answers.map((answer) => ({ answer, key: random.next() })).sort((a, b) => a.key - b.key);
  const thresholds: number[] = [];
  let [given, right, answerable] = [0, 0, 0];
  for (let fold = 0; fold < numFolds; fold++) {
    const isHeld = (place: number): boolean => place % numFolds === fold;
    const part = (held: boolean) => order.flatMap(({ answer }, place) => (isHeld(place) === held ? [answer] : []));
    const { threshold } = chooseAnswerThreshold(part(false), aim);
    thresholds.push(threshold);
    for (const { score, isRight, isAnswerable = true } of part(true)) {
      if (isAnswerable) answerable++;
      if (score < threshold) continue;
      given++;
      if (isRight) right++;
    }
  }
  const [precision, recall] = [quotient(right, given), quotient(right, answerable)];
  return {
    ...{ precision, recall, f1: quotient(2 * precision * recall, precision + recall) },
    answered: given / answers.length,
    numFolds,
    thresholds: [Math.min(...thresholds), Math.max(...thresholds)],
  };
}
