import { DataError } from "../base/errors.ts";
import { checkClass, checkSameLength } from "./check.ts";

/**
 * Mean negative log-probability of the true class.
 *
 * Probabilities are clipped to `[ε, 1 − ε]` with ε = 2⁻⁵², so that one certain mistake costs 36 nats, not infinity.
 * Rows are not rescaled to sum 1.
 * Dims: N rows, C classes.
 * @param labels `[N]`, true classes
 * @param probabilities `[N][C]`
 * @returns nats per row; NaN for no rows
 * @throws {DataError} LENGTH_MISMATCH, CLASS_OUT_OF_RANGE, PROBABILITY_OUT_OF_RANGE
 * @source scikit-learn `log_loss`
 */
export function logLoss(labels: ArrayLike<number>, probabilities: ArrayLike<ArrayLike<number>>): number {
  checkSameLength("logLoss", labels, probabilities);
  let sum = 0;
  for (let row = 0; row < labels.length; row++) {
    const own = probabilities[row]!;
    checkClass("logLoss.labels", labels[row]!, row, own.length);
    const probability = own[labels[row]!]!;
    if (!(probability >= 0 && probability <= 1)) {
      throw new DataError(`a probability lies in [0, 1]; got ${probability} in row ${row}. Apply softmax to logits.`, {
        code: "PROBABILITY_OUT_OF_RANGE",
        path: "logLoss",
        details: { row, probability },
      });
    }
    sum -= Math.log(Math.min(Math.max(probability, Number.EPSILON), 1 - Number.EPSILON));
  }
  return sum / labels.length;
}
