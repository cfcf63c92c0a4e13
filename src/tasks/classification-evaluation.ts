/** @file What a classifier's scores say about labelled texts. */
import { type ClassificationReport, classificationReport } from "../evaluation/index.ts";
import type { Evaluation } from "../train/trainer.ts";
import type { ClassificationData } from "./classification-data.ts";

/** Figures of a classifier on labelled texts. */
export interface ClassificationResult extends ClassificationReport {
  /** Mean cross-entropy, nats per text. */
  readonly loss: number;
}

/** Probabilities of the classes from their scores. */
export function softmax(logits: ArrayLike<number>): Float64Array {
  const scores = Float64Array.from(logits);
  const largest = scores.reduce((most, score) => Math.max(most, score), Number.NEGATIVE_INFINITY);
  const powers = scores.map((score) => Math.exp(score - largest));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

/** Number of the largest score; the first of equals. */
export function argMax(scores: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < scores.length; i++) if (scores[i]! > scores[best]!) best = i;
  return best;
}

/** Nats of the true class: log Σ exp(score) − score. */
function crossEntropy(logits: ArrayLike<number>, label: number): number {
  const largest = logits[argMax(logits)]!;
  let total = 0;
  for (let i = 0; i < logits.length; i++) total += Math.exp(logits[i]! - largest);
  return Math.log(total) + largest - logits[label]!;
}

/**
 * Loss, accuracy, F1, Matthews correlation and confusion.
 * @param logits for each example of `data` its scores
 */
export function classificationResult(
  data: Pick<ClassificationData, "examples" | "labels">,
  logits: readonly Float32Array[],
): ClassificationResult {
  const labels = data.examples.map(({ label }) => label);
  const loss = labels.reduce((sum, label, i) => sum + crossEntropy(logits[i]!, label), 0) / labels.length;
  return { ...classificationReport(labels, logits.map(argMax), data.labels), loss };
}

/** Names of the figures that {@link trainingFigures} gives. */
export const classificationFigures = ["accuracy", "f1", "macroF1", "matthews", "loss"] as const;
export type ClassificationFigure = (typeof classificationFigures)[number];

/** The figures that a training run logs; `f1` is that of the second of two classes, else the macro mean. */
export function trainingFigures({ loss, accuracy, binary, macro, matthews }: ClassificationResult): Evaluation {
  return { loss, means: { accuracy, f1: (binary ?? macro).f1, macroF1: macro.f1, matthews } };
}
