/** @file What a model of numbers (`problem_type: regression`) says about texts. */
import { ConfigError } from "../base/errors.ts";
import type { TableSource } from "../data/table.ts";
import type { TextInput } from "../tasks/encode-text.ts";
import { isRegression, readScored, type ScoreRange, scoreRange } from "../tasks/regression-data.ts";
import { clampScore, type RegressionResult, regressionResult } from "../tasks/regression-evaluation.ts";
import { columnList, encodedRows } from "../tasks/table-text.ts";
import type { TextClassifier } from "./model.ts";
import type { EncodedScorer, LabelledRowOptions, RowOptions } from "./predict.ts";
import { openTextScorer, type PredictOptions } from "./text-scorer.ts";

/** What a model says about one row of a table. */
export interface RowScore {
  /** In the range of the training data's numbers, where the model knows it. */
  readonly score: number;
  /** The row's own fields. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Number of the row's first line in the file, from 1. */
  readonly line: number;
}

/** A model of numbers in an engine, ready for many calls; dispose it when done. */
export interface Scorer {
  /**
   * Numbers of texts, in their order.
   * @throws {DataError} TEXT_EMPTY
   */
  predict(texts: readonly TextInput[]): Promise<number[]>;
  /**
   * Numbers of a table's rows, in their order and in constant memory.
   * @throws {DataError} TEXT_EMPTY, COLUMN_UNKNOWN, naming file and line
   */
  predictRows(source: TableSource, options?: RowOptions): AsyncGenerator<RowScore>;
  /**
   * Figures on a table of texts with numbers.
   * @throws {DataError} LABEL_NOT_NUMBER, LABEL_MISSING, TEXT_EMPTY, COLUMN_UNKNOWN, naming file and line
   */
  evaluate(
    source: TableSource,
    options?: Pick<LabelledRowOptions, "textColumns" | "labelColumn">,
  ): Promise<ScoreEvaluation>;
  dispose(): Promise<void>;
}

/** Figures of a model of numbers on a table. */
export interface ScoreEvaluation extends RegressionResult {
  /** Texts that were cut to the longest length. */
  readonly numTruncated: number;
}

/** Figures of whatever gives numbers, on a table of texts with numbers. */
export async function scoreEvaluation(
  { encoding, scores, range }: Omit<EncodedScorer, "labels"> & { readonly range: ScoreRange },
  source: TableSource,
  { textColumns = "text", labelColumn = "label" }: Pick<LabelledRowOptions, "textColumns" | "labelColumn"> = {},
): Promise<ScoreEvaluation> {
  const data = await readScored(source, { ...encoding, textColumns: columnList(textColumns), labelColumn });
  const own = await scores(data.examples);
  const figures = regressionResult(
    data.examples.map(({ label }) => label),
    own.map(([score]) => score!),
    range,
  );
  return { ...figures, numTruncated: data.numTruncated };
}

/**
 * Puts a model of numbers into an engine.
 * @throws {ConfigError} NOT_A_REGRESSION for a classifier, and for a wrong batchSize or maxSeqLength
 */
export async function openScorer(model: TextClassifier, options: PredictOptions = {}): Promise<Scorer> {
  if (!isRegression(model.preserved)) {
    const message = "gives classes, not numbers (no problem_type: regression). Use openPredictor.";
    throw new ConfigError("predict", [{ path: "model", message, code: "NOT_A_REGRESSION" }]);
  }
  const range = scoreRange(model.preserved);
  const scorer = await openTextScorer(model, options);
  const { encoding } = scorer;
  return {
    predict: async (texts) =>
      (await scorer.scores(await scorer.encode(texts))).map((own) => clampScore(own[0]!, range)),
    predictRows: async function* (source, { textColumns = "text" } = {}) {
      for await (const rows of encodedRows(source, { ...encoding, textColumns: columnList(textColumns) })) {
        const scores = await scorer.scores(rows.map(({ text }) => text));
        for (const [i, { row }] of rows.entries()) {
          yield { fields: row.fields, line: row.line, score: clampScore(scores[i]![0]!, range) };
        }
      }
    },
    evaluate: (source, reading) => scoreEvaluation({ encoding, scores: scorer.scores, range }, source, reading),
    dispose: scorer.dispose,
  };
}

/** Runs work with a scorer that is disposed afterwards. */
export async function withScorer<T>(
  model: TextClassifier,
  options: PredictOptions,
  work: (scorer: Scorer) => Promise<T>,
): Promise<T> {
  const scorer = await openScorer(model, options);
  try {
    return await work(scorer);
  } finally {
    await scorer.dispose();
  }
}
