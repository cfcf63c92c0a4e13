import { DataError } from "../base/errors.ts";
import { classPrecisionRecall, matthewsCorrelation, type PrecisionRecall, precisionRecall } from "./classification.ts";
import { type ConfusionMatrix, classCounts, confusionMatrix } from "./confusion.ts";

/** Figures of one class. */
export interface ClassReport extends PrecisionRecall {
  readonly name: string;
  /** Rows that are of this class. */
  readonly support: number;
  /** Rows predicted as this class. */
  readonly predicted: number;
}

/** Everything that labels and predictions of a classifier say; undefined quotients are 0, figures of no rows NaN. */
export interface ClassificationReport {
  readonly numExamples: number;
  readonly accuracy: number;
  readonly matthews: number;
  /** Of class 1, when there are two classes. */
  readonly binary: PrecisionRecall | undefined;
  readonly macro: PrecisionRecall;
  readonly micro: PrecisionRecall;
  readonly weighted: PrecisionRecall;
  readonly classes: readonly ClassReport[];
  /** `[true class][predicted class]` */
  readonly confusion: ConfusionMatrix;
}

/**
 * All figures of a classifier on one set of rows.
 * Dims: N rows, C classes.
 * @param labels `[N]`, true classes, in `[0, C)`
 * @param predictions `[N]`, predicted classes, in `[0, C)`
 * @param names `[C]`, a name for each class
 * @throws {DataError} LENGTH_MISMATCH, CLASS_OUT_OF_RANGE, NO_CLASSES
 */
export function classificationReport(
  labels: ArrayLike<number>,
  predictions: ArrayLike<number>,
  names: readonly string[],
): ClassificationReport {
  if (names.length === 0) {
    throw new DataError("a classifier has at least one class; got no names. Name each class.", {
      code: "NO_CLASSES",
      path: "classificationReport",
    });
  }
  const confusion = confusionMatrix(labels, predictions, names.length);
  const counts = classCounts(confusion);
  const hits = counts.reduce((sum, count) => sum + count.hits, 0);
  return {
    numExamples: labels.length,
    accuracy: hits / labels.length,
    matthews: matthewsCorrelation(confusion),
    binary: names.length === 2 ? precisionRecall(confusion, "binary") : undefined,
    macro: precisionRecall(confusion, "macro"),
    micro: precisionRecall(confusion, "micro"),
    weighted: precisionRecall(confusion, "weighted"),
    classes: classPrecisionRecall(confusion).map((own, index) => ({
      name: names[index]!,
      ...own,
      support: counts[index]!.support,
      predicted: counts[index]!.predicted,
    })),
    confusion,
  };
}
