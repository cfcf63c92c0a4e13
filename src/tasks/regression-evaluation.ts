/** @file How near predicted numbers come to those of the data. */
import { pearsonCorrelation, spearmanCorrelation } from "../evaluation/index.ts";
import type { Evaluation } from "../train/trainer.ts";
import type { ScoreRange } from "./regression-data.ts";

/** Figures of predicted numbers; correlations are NaN where either side is constant. */
export interface RegressionResult {
  readonly numExamples: number;
  /** Mean squared error of what the network gives, before it is brought into the range. */
  readonly loss: number;
  /** Of predictions in the range of the training data, as are the correlations. */
  readonly meanSquaredError: number;
  readonly pearson: number;
  readonly spearman: number;
}

/** A number brought into a range. */
export function clampScore(score: number, [low, high]: ScoreRange): number {
  return Math.min(high, Math.max(low, score));
}

function meanSquare(labels: readonly number[], scores: readonly number[]): number {
  return labels.reduce((sum, label, i) => sum + (label - scores[i]!) ** 2, 0) / labels.length;
}

/**
 * Mean squared error, Pearson's and Spearman's correlation.
 * @param scores what the network gives for each label
 */
export function regressionResult(
  labels: readonly number[],
  scores: readonly number[],
  range: ScoreRange,
): RegressionResult {
  const predictions = scores.map((score) => clampScore(score, range));
  return {
    numExamples: labels.length,
    loss: meanSquare(labels, scores),
    meanSquaredError: meanSquare(labels, predictions),
    pearson: pearsonCorrelation(labels, predictions),
    spearman: spearmanCorrelation(labels, predictions),
  };
}

/** Names of the figures that {@link regressionTrainingFigures} gives. */
export const regressionFigures = ["pearson", "spearman", "meanSquaredError", "loss"] as const;

/** The figures that a training run logs; a correlation that is not defined is logged as 0. */
export function regressionTrainingFigures({ loss, meanSquaredError, pearson, spearman }: RegressionResult): Evaluation {
  const defined = (value: number): number => (Number.isNaN(value) ? 0 : value);
  return { loss, means: { pearson: defined(pearson), spearman: defined(spearman), meanSquaredError } };
}
