/** @file What the scores of options say about questions. */
import type { Evaluation } from "../train/trainer.ts";
import type { ChoiceExample, EncodedChoice } from "./choice-data.ts";
import { argMax, softmax } from "./classification-evaluation.ts";
import type { TextClassifierProgram } from "./text-classifier-program.ts";

/** Figures of a model on questions with options. */
export interface ChoiceResult {
  /** Mean cross-entropy over the options of a question, nats. */
  readonly loss: number;
  /** Share of the questions whose right option has the highest score; of equal scores the first counts. */
  readonly accuracy: number;
  /** The accuracy of guessing: the mean of 1 / options. */
  readonly chance: number;
  readonly numQuestions: number;
}

/** The scores of each question's options. */
export async function choiceScores(
  program: Pick<TextClassifierProgram, "logits">,
  questions: readonly EncodedChoice[],
): Promise<Float32Array[]> {
  const scores = await program.logits(questions.flatMap(({ options }) => options));
  let at = 0;
  return questions.map(({ options }) => {
    const own = scores.slice(at, at + options.length);
    at += options.length;
    return Float32Array.from(own, ([score]) => score!);
  });
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Loss and accuracy. @param scores of each example's options */
export function choiceResult(examples: readonly ChoiceExample[], scores: readonly Float32Array[]): ChoiceResult {
  const shares = scores.map(softmax);
  return {
    loss: mean(examples.map(({ label }, i) => -Math.log(Math.max(shares[i]![label]!, Number.MIN_VALUE)))),
    accuracy: mean(examples.map(({ label }, i) => (argMax(scores[i]!) === label ? 1 : 0))),
    chance: mean(examples.map(({ options }) => 1 / options.length)),
    numQuestions: examples.length,
  };
}

/** Names of the figures that {@link choiceTrainingFigures} gives. */
export const choiceFigures = ["accuracy", "loss"] as const;

/** The figures that a training run logs. */
export function choiceTrainingFigures({ loss, accuracy }: ChoiceResult): Evaluation {
  return { loss, means: { accuracy } };
}
