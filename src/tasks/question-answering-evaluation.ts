/** @file Answers to a file of questions, and how good they are. */
import {
  type AnswerFigures,
  chineseAnswerFigures,
  type SquadTwoFigures,
  squadFigures,
  squadTwoFigures,
} from "../evaluation/index.ts";
import { UNSCORED } from "../ir/unscored.ts";
import { type Answer, answerOf, type EndScores, type SpanOptions } from "./answer-span.ts";
import type { AnswerWindow, WindowedQuestions } from "./answer-window.ts";
import type { AnswerMeasure } from "./question-answering.ts";

/** Figures of a model on questions with answers. */
export interface QuestionAnsweringResult extends AnswerFigures {
  /** Nats per window, the mean of the answer's two ends; NaN where no window has a label. */
  readonly loss: number;
  /** Where questions may have no answer: figures of both kinds, and the best thresholds. */
  readonly kinds: Pick<SquadTwoFigures, "hasAnswer" | "noAnswer" | "best"> | undefined;
}

/** What decides, and what is counted. */
export interface AnswerEvaluationOptions extends SpanOptions {
  readonly measure: AnswerMeasure;
}

/** Nats of one end: the softmax goes over the window's part of the text and "no answer". */
function endLoss(scores: Float32Array, { nullPlace, secondStart, range }: AnswerWindow, label: number): number {
  const own = [scores[nullPlace]!, ...scores.subarray(secondStart, secondStart + range.count)];
  const highest = own.reduce((most, score) => Math.max(most, score), Number.NEGATIVE_INFINITY);
  const total = own.reduce((sum, score) => sum + Math.exp(score - highest), 0);
  return highest + Math.log(total) - scores[label]!;
}

/** The loss of scores as the objective counts it, in nats per window; NaN where no window has a label. */
export function windowLoss(windows: readonly AnswerWindow[], scores: readonly EndScores[]): number {
  let [sum, count] = [0, 0];
  windows.forEach((window, w) => {
    if (window.startLabel === UNSCORED) return;
    const { starts, ends } = scores[w]!;
    sum += (endLoss(starts, window, window.startLabel) + endLoss(ends, window, window.endLabel)) / 2;
    count++;
  });
  return sum / count;
}

/** Answers to questions from the scores of their windows, in the order of the questions. */
export function answersOf(
  { questions, windows, places }: WindowedQuestions,
  scores: readonly EndScores[],
  options: SpanOptions,
): Answer[] {
  const own = questions.map((): number[] => []);
  windows.forEach(({ question }, w) => {
    own[question]!.push(w);
  });
  return questions.map(({ context }, q) =>
    answerOf(
      { context, places: places[q]! },
      own[q]!.map((w) => windows[w]!),
      own[q]!.map((w) => scores[w]!),
      options,
    ),
  );
}

/** Figures of answers, by the official measure. */
export function questionAnsweringResult(
  data: WindowedQuestions,
  scores: readonly EndScores[],
  answers: readonly Answer[],
  { measure, allowsNone, noneThreshold }: AnswerEvaluationOptions,
): QuestionAnsweringResult {
  const { questions, windows } = data;
  const loss = windowLoss(windows, scores);
  const keys = questions.map(({ id, answers: right }) => ({ id, answers: right.map(({ text }) => text) }));
  if (!allowsNone) {
    const texts = new Map(keys.map(({ id }, q) => [id, answers[q]!.text]));
    const figures = measure === "squad" ? squadFigures(keys, texts) : chineseAnswerFigures(keys, texts);
    return { ...figures, loss, kinds: undefined };
  }
  // Spans and the scores of no answer apart, so that other thresholds can be looked at.
  const spans = new Map(keys.map(({ id }, q) => [id, answers[q]!.span.text]));
  const noAnswer = new Map(keys.map(({ id }, q) => [id, answers[q]!.noneScore]));
  const { exact, f1, total, ...kinds } = squadTwoFigures(keys, spans, { noAnswer, threshold: noneThreshold });
  return { exact, f1, total, loss, kinds };
}
