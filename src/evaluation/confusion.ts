import { checkClass, checkSameLength } from "./check.ts";

/** How often each class was taken for each: `[true class][predicted class]`. */
export type ConfusionMatrix = readonly (readonly number[])[];

/**
 * Counts rows by true and predicted class.
 * Dims: N rows, C classes.
 * @param labels `[N]`, true classes, in `[0, C)`
 * @param predictions `[N]`, predicted classes, in `[0, C)`
 * @returns `[C, C]`, true class by predicted class
 * @throws {DataError} LENGTH_MISMATCH, CLASS_OUT_OF_RANGE
 */
export function confusionMatrix(
  labels: ArrayLike<number>,
  predictions: ArrayLike<number>,
  numClasses: number,
): ConfusionMatrix {
  checkSameLength("confusionMatrix", labels, predictions);
  const matrix = Array.from({ length: numClasses }, () => new Array<number>(numClasses).fill(0));
  for (let row = 0; row < labels.length; row++) {
    const label = labels[row]!;
    const prediction = predictions[row]!;
    checkClass("confusionMatrix.labels", label, row, numClasses);
    checkClass("confusionMatrix.predictions", prediction, row, numClasses);
    matrix[label]![prediction]!++;
  }
  return matrix;
}

/** What a confusion matrix says of one class. */
export interface ClassCounts {
  /** Rows of this class that were found. */
  readonly hits: number;
  /** Rows predicted as this class. */
  readonly predicted: number;
  /** Rows that are of this class. */
  readonly support: number;
}

/** Hits, predictions and support of every class. */
export function classCounts(matrix: ConfusionMatrix): ClassCounts[] {
  return matrix.map((row, index) => ({
    hits: row[index]!,
    predicted: matrix.reduce((sum, other) => sum + other[index]!, 0),
    support: row.reduce((sum, count) => sum + count, 0),
  }));
}
