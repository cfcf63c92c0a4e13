import type { TableSource } from "../data/table.ts";
import type { TextClassifier } from "./model.ts";
import { type LabelledRowOptions, type PredictOptions, type TableEvaluation, withPredictor } from "./predict.ts";

/**
 * Loss (nats per text), accuracy, F1, Matthews correlation and confusion of a classifier on labelled texts.
 * @throws {DataError} LABEL_UNKNOWN, LABEL_MISSING, TEXT_EMPTY, COLUMN_UNKNOWN, naming file and line
 */
export function evaluate(
  classifier: TextClassifier,
  source: TableSource,
  options: PredictOptions & LabelledRowOptions = {},
): Promise<TableEvaluation> {
  return withPredictor(classifier, options, (predictor) => predictor.evaluate(source, options));
}
