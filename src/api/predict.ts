import { ConfigError } from "../base/errors.ts";
import type { ColumnRef, TableSource } from "../data/table.ts";
import { readLabelled } from "../tasks/classification-data.ts";
import {
  argMax,
  type ClassificationResult,
  classificationResult,
  softmax,
} from "../tasks/classification-evaluation.ts";
import type { EncodedText, TextEncoding, TextInput } from "../tasks/encode-text.ts";
import { isRegression } from "../tasks/regression-data.ts";
import { columnList, encodedRows, type TextColumns } from "../tasks/table-text.ts";
import type { TextClassifier } from "./model.ts";
import { openTextScorer, type PredictOptions } from "./text-scorer.ts";

export type { PredictOptions } from "./text-scorer.ts";

/** What a classifier says about one text. */
export interface Prediction {
  readonly label: string;
  /** Of each class by its name; they sum to 1. */
  readonly probabilities: Readonly<Record<string, number>>;
}

/** What a classifier says about one row of a table. */
export interface RowPrediction extends Prediction {
  /** The row's own fields. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Number of the row's first line in the file, from 1. */
  readonly line: number;
}

export interface RowOptions {
  /** Column of the text, or two that are read together; `text` by default. */
  readonly textColumns?: TextColumns | undefined;
}

export interface LabelledRowOptions extends RowOptions {
  /** `label` by default. */
  readonly labelColumn?: ColumnRef | undefined;
  /** Rows with one of these labels are left out. */
  readonly skipLabels?: readonly string[] | undefined;
  /** Class names for labels as they stand in the table. */
  readonly labelNames?: Readonly<Record<string, string>> | undefined;
}

/** A classifier in an engine, ready for many calls; dispose it when done. */
export interface Predictor {
  readonly labels: readonly string[];
  /** Bytes of the weights in the engine, copies that its kernels make not counted. */
  readonly weightBytes: number;
  /**
   * Classes of texts, in their order.
   * @throws {DataError} TEXT_EMPTY
   */
  predict(texts: readonly TextInput[]): Promise<Prediction[]>;
  /**
   * Classes of a table's rows, in their order and in constant memory.
   * @throws {DataError} TEXT_EMPTY, COLUMN_UNKNOWN, naming file and line
   */
  predictRows(source: TableSource, options?: RowOptions): AsyncGenerator<RowPrediction>;
  /**
   * Figures on a table of labelled texts.
   * @throws {DataError} LABEL_UNKNOWN, LABEL_MISSING, TEXT_EMPTY, COLUMN_UNKNOWN, naming file and line
   */
  evaluate(source: TableSource, options?: LabelledRowOptions): Promise<TableEvaluation>;
  dispose(): Promise<void>;
}

/** Figures of a classifier on a table. */
export interface TableEvaluation extends ClassificationResult {
  readonly labels: readonly string[];
  /** Texts that were cut to the longest length. */
  readonly numTruncated: number;
  /** Rows left out for their label. */
  readonly numSkipped: number;
}

/** The class that scores say, and the shares of all. */
export function classOf(labels: readonly string[], logits: Float32Array): Prediction {
  const shares = softmax(logits);
  const probabilities = Object.fromEntries(labels.map((name, i) => [name, shares[i]!]));
  return { label: labels[argMax(logits)]!, probabilities };
}

/** What scores texts of a table, once they are encoded. */
export interface EncodedScorer {
  readonly labels: readonly string[];
  readonly encoding: TextEncoding;
  readonly scores: (texts: readonly EncodedText[]) => Promise<Float32Array[]>;
}

/** Figures of whatever gives scores of classes, on a table of labelled texts. */
export async function classEvaluation(
  { labels, encoding, scores }: EncodedScorer,
  source: TableSource,
  { textColumns = "text", labelColumn = "label", skipLabels = [], labelNames = {} }: LabelledRowOptions = {},
): Promise<TableEvaluation> {
  const columns = { textColumns: columnList(textColumns), labelColumn };
  const data = await readLabelled(source, { ...encoding, ...columns, skipLabels, labelNames }, labels);
  const { numTruncated, numSkipped, examples } = data;
  return { ...classificationResult(data, await scores(examples)), labels, numTruncated, numSkipped };
}

/** Classes are not what a model of numbers gives. */
function refuseRegression({ preserved }: TextClassifier): void {
  if (!isRegression(preserved)) return;
  throw new ConfigError("predict", [
    {
      path: "model",
      message:
        "gives numbers, not classes (problem_type: regression). Use openScorer, predictScoreRows or evaluateScores.",
      code: "NOT_A_CLASSIFIER",
    },
  ]);
}

/**
 * Puts a classifier into an engine.
 * @throws {ConfigError} for a wrong batchSize or maxSeqLength
 */
export async function openPredictor(classifier: TextClassifier, options: PredictOptions = {}): Promise<Predictor> {
  refuseRegression(classifier);
  const { labels } = classifier;
  const scorer = await openTextScorer(classifier, options);
  const { encoding } = scorer;
  const predictEncoded = async (texts: readonly EncodedText[]): Promise<Prediction[]> =>
    (await scorer.scores(texts)).map((logits) => classOf(labels, logits));

  return {
    labels,
    weightBytes: scorer.weightBytes,
    predict: async (texts) => predictEncoded(await scorer.encode(texts)),
    predictRows: async function* (source, { textColumns = "text" } = {}) {
      const reading = { ...encoding, textColumns: columnList(textColumns) };
      for await (const rows of encodedRows(source, reading)) {
        const predictions = await predictEncoded(rows.map(({ text }) => text));
        for (const [i, { row }] of rows.entries()) yield { fields: row.fields, line: row.line, ...predictions[i]! };
      }
    },
    evaluate: (source, reading) => classEvaluation({ labels, encoding, scores: scorer.scores }, source, reading),
    dispose: () => scorer.dispose(),
  };
}

/** Runs work with a predictor that is disposed afterwards. */
export async function withPredictor<T>(
  classifier: TextClassifier,
  options: PredictOptions,
  work: (predictor: Predictor) => Promise<T>,
): Promise<T> {
  const predictor = await openPredictor(classifier, options);
  try {
    return await work(predictor);
  } finally {
    await predictor.dispose();
  }
}

/**
 * Classes of texts, in their order; for many calls open a predictor once.
 * @throws {DataError} TEXT_EMPTY
 */
export function predict(
  classifier: TextClassifier,
  texts: readonly TextInput[],
  options: PredictOptions = {},
): Promise<Prediction[]> {
  return withPredictor(classifier, options, (predictor) => predictor.predict(texts));
}

/**
 * Classes of a table's rows, in their order and in constant memory.
 * @throws {DataError} TEXT_EMPTY, COLUMN_UNKNOWN, naming file and line
 */
export async function* predictRows(
  classifier: TextClassifier,
  source: TableSource,
  options: PredictOptions & RowOptions = {},
): AsyncGenerator<RowPrediction> {
  const predictor = await openPredictor(classifier, options);
  try {
    yield* predictor.predictRows(source, options);
  } finally {
    await predictor.dispose();
  }
}
