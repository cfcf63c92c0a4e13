import { DataError } from "../base/errors.ts";
import { checkSameLength } from "./check.ts";
import { type ClassCounts, type ConfusionMatrix, classCounts } from "./confusion.ts";

/** Precision, recall and their harmonic mean, each in `[0, 1]`. */
export interface PrecisionRecall {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

/**
 * How the figures of the classes become one.
 *
 * `binary`: those of class 1 of two. `macro`: the plain mean over classes. `weighted`: the mean weighted by how many rows
 * each class has. `micro`: from hits and errors summed over classes (equals accuracy, since each row has one class).
 */
export type Average = "binary" | "macro" | "micro" | "weighted";

/** A quotient; 0 where nothing was counted. */
function quotient(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

function figures({ hits, predicted, support }: ClassCounts): PrecisionRecall {
  return {
    precision: quotient(hits, predicted),
    recall: quotient(hits, support),
    f1: quotient(2 * hits, predicted + support),
  };
}

/**
 * Share of rows whose prediction equals the label.
 * @param labels `[N]`
 * @param predictions `[N]`
 * @returns in `[0, 1]`; NaN for no rows
 * @throws {DataError} LENGTH_MISMATCH
 */
export function accuracy<T>(labels: ArrayLike<T>, predictions: ArrayLike<T>): number {
  checkSameLength("accuracy", labels, predictions);
  let hits = 0;
  for (let row = 0; row < labels.length; row++) if (labels[row] === predictions[row]) hits++;
  return hits / labels.length;
}

/**
 * Precision, recall and F1 of each class; 0 where undefined (a class never predicted has precision 0, one that never
 * occurs recall 0).
 * @source scikit-learn `precision_recall_fscore_support(average=None, zero_division=0)`
 */
export function classPrecisionRecall(matrix: ConfusionMatrix): PrecisionRecall[] {
  return classCounts(matrix).map(figures);
}

/**
 * Precision, recall and F1 over all classes, averaged as asked.
 *
 * A class that has neither rows nor predictions counts with 0 in `macro`. The averaged F1 is the mean of the classes' F1,
 * not the harmonic mean of the averages.
 * @returns in `[0, 1]`, 0 where undefined; NaN for no rows
 * @throws {DataError} NOT_BINARY when `binary` is asked of other than two classes
 * @source scikit-learn `precision_recall_fscore_support(zero_division=0)`
 */
export function precisionRecall(matrix: ConfusionMatrix, average: Average): PrecisionRecall {
  const counts = classCounts(matrix);
  const total = counts.reduce((sum, { support }) => sum + support, 0);
  if (average === "binary" && counts.length !== 2) {
    throw new DataError(
      `the binary average needs two classes; got ${counts.length}. Ask for "macro", "micro" or "weighted".`,
      { code: "NOT_BINARY", path: "precisionRecall", details: { numClasses: counts.length } },
    );
  }
  if (total === 0) return { precision: Number.NaN, recall: Number.NaN, f1: Number.NaN };
  if (average === "binary") return figures(counts[1]!);
  if (average === "micro") {
    const hits = counts.reduce((sum, count) => sum + count.hits, 0);
    return figures({ hits, predicted: total, support: total });
  }
  const mean = { precision: 0, recall: 0, f1: 0 };
  for (const count of counts) {
    const weight = average === "macro" ? 1 / counts.length : count.support / total;
    const own = figures(count);
    mean.precision += weight * own.precision;
    mean.recall += weight * own.recall;
    mean.f1 += weight * own.f1;
  }
  return mean;
}

/**
 * Matthews correlation of labels and predictions, for two or more classes (CoLA's metric).
 * @returns in `[-1, 1]`; 0 when either side holds one class only; NaN for no rows
 * @source Gorodkin 2004, the R_K statistic; scikit-learn `matthews_corrcoef`
 */
export function matthewsCorrelation(matrix: ConfusionMatrix): number {
  let hits = 0;
  let total = 0;
  let both = 0;
  let labels = 0;
  let predictions = 0;
  for (const { hits: own, predicted, support } of classCounts(matrix)) {
    hits += own;
    total += support;
    both += predicted * support;
    labels += support * support;
    predictions += predicted * predicted;
  }
  if (total === 0) return Number.NaN;
  const scale = (total * total - predictions) * (total * total - labels);
  return scale === 0 ? 0 : (hits * total - both) / Math.sqrt(scale);
}
