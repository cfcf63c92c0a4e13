/** @file Whether probabilities mean what they say. */
import { DataError } from "../base/errors.ts";
import { checkClass, checkSameLength } from "./check.ts";

function checkProbability(where: string, value: number, row: number): void {
  if (value >= 0 && value <= 1) return;
  throw new DataError(`a probability lies in [0, 1]; got ${value} in row ${row}. Apply softmax to logits.`, {
    code: "PROBABILITY_OUT_OF_RANGE",
    path: where,
    details: { row, probability: value },
  });
}

/**
 * Brier score: the mean squared distance of probabilities from what came true.
 *
 * Of two classes it is that of one of them, in `[0, 1]`, as usual; of more it is summed over the classes, in `[0, 2]`.
 * Dims: N rows, C classes.
 * @param labels `[N]`, true classes
 * @param probabilities `[N][C]`
 * @returns NaN for no rows
 * @throws {DataError} LENGTH_MISMATCH, CLASS_OUT_OF_RANGE, PROBABILITY_OUT_OF_RANGE
 * @source Brier 1950; scikit-learn `brier_score_loss(scale_by_half="auto")`
 */
export function brierScore(labels: ArrayLike<number>, probabilities: ArrayLike<ArrayLike<number>>): number {
  checkSameLength("brierScore", labels, probabilities);
  let sum = 0;
  for (let row = 0; row < labels.length; row++) {
    const own = probabilities[row]!;
    checkClass("brierScore.labels", labels[row]!, row, own.length);
    const scale = own.length === 2 ? 0.5 : 1;
    for (let index = 0; index < own.length; index++) {
      checkProbability("brierScore", own[index]!, row);
      sum += scale * (own[index]! - (index === labels[row] ? 1 : 0)) ** 2;
    }
  }
  return sum / labels.length;
}

/** Rows whose confidence is about the same. */
export interface CalibrationBin {
  readonly count: number;
  /** Mean probability of the predicted class; NaN for no rows. */
  readonly confidence: number;
  /** Share of these rows that are right; NaN for no rows. */
  readonly accuracy: number;
}

export interface Calibration {
  /** Mean distance of confidence from accuracy over rows, in `[0, 1]`; NaN for no rows. */
  readonly error: number;
  /** The largest distance of any bin; NaN for no rows. */
  readonly largestError: number;
  /** Of equal width over `[0, 1]`; a value on an edge belongs to the lower one. */
  readonly bins: readonly CalibrationBin[];
}

/**
 * Expected calibration error of the predicted classes, and the bins it comes from.
 * @param labels `[N]`, true classes
 * @param probabilities `[N][C]`; the largest, the first of equals, is the prediction
 * @throws {DataError} LENGTH_MISMATCH, CLASS_OUT_OF_RANGE, PROBABILITY_OUT_OF_RANGE, CONFIG_RANGE
 * @source Guo et al. 2017, arXiv:1706.04599, eq. 3 (15 bins); bins as in scikit-learn `calibration_curve`
 */
export function calibration(
  labels: ArrayLike<number>,
  probabilities: ArrayLike<ArrayLike<number>>,
  numBins = 15,
): Calibration {
  checkSameLength("calibration", labels, probabilities);
  if (!(Number.isInteger(numBins) && numBins >= 1)) {
    throw new DataError(`numBins must be a whole number ≥ 1; got ${numBins}.`, {
      code: "CONFIG_RANGE",
      path: "calibration",
    });
  }
  const sums = Array.from({ length: numBins }, () => ({ count: 0, confidence: 0, hits: 0 }));
  for (let row = 0; row < labels.length; row++) {
    const own = probabilities[row]!;
    checkClass("calibration.labels", labels[row]!, row, own.length);
    let best = 0;
    for (let index = 0; index < own.length; index++) {
      checkProbability("calibration", own[index]!, row);
      if (own[index]! > own[best]!) best = index;
    }
    const confidence = own[best]!;
    let bin = 0;
    while (bin < numBins - 1 && confidence > (bin + 1) / numBins) bin++;
    const sum = sums[bin]!;
    sum.count++;
    sum.confidence += confidence;
    if (best === labels[row]) sum.hits++;
  }
  const bins = sums.map(({ count, confidence, hits }) => ({
    count,
    confidence: confidence / count,
    accuracy: hits / count,
  }));
  const filled = bins.filter(({ count }) => count > 0);
  const gaps = filled.map(({ confidence, accuracy }) => Math.abs(confidence - accuracy));
  const error = filled.reduce((sum, { count }, i) => sum + count * gaps[i]!, 0) / labels.length;
  return { error, largestError: gaps.length === 0 ? Number.NaN : Math.max(...gaps), bins };
}
