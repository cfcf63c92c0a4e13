import type { Backend } from "../backend/backend.ts";
import { ConfigError, DataError, FirthError } from "../base/errors.ts";
import type { ColumnRef, TableSource } from "../data/table.ts";
import type { ComputeDType } from "../ir/dtype.ts";
import { borrowEngine, type EngineOptions } from "../runtime.ts";
import { readLabelled } from "../tasks/classification-data.ts";
import {
  argMax,
  type ClassificationResult,
  classificationResult,
  softmax,
} from "../tasks/classification-evaluation.ts";
import { type EncodedText, encodeTexts, type TextInput } from "../tasks/encode-text.ts";
import { columnList, encodedRows, type TextColumns } from "../tasks/table-text.ts";
import { TextClassifierProgram } from "../tasks/text-classifier-program.ts";
import { FixedWeights, type Quantize, quantizeIssues, quantizeNotice } from "../train/fixed-weights.ts";
import type { TextClassifier } from "./model.ts";

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

export interface PredictOptions {
  readonly engine?: Backend | EngineOptions | undefined;
  /** What activations and matrix products are computed in; `f32` by default. */
  readonly dtype?: ComputeDType | undefined;
  /** Texts computed together; 32 by default. */
  readonly batchSize?: number | undefined;
  /** Longest text in tokens; the classifier's own by default. */
  readonly maxSeqLength?: number | undefined;
  /** `int8`: linear layers in 8 bits, two to three times as fast, with slightly different scores; `none` by default. */
  readonly quantize?: Quantize | undefined;
  /** Is told what a user should know before the first result. */
  readonly onNotice?: ((message: string) => void) | undefined;
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

function emptyText(input: number): never {
  throw new DataError("the text is empty. Leave it out.", { code: "TEXT_EMPTY", path: `texts[${input}]` });
}

function checkOptions(
  classifier: TextClassifier,
  {
    maxSeqLength,
    batchSize,
    quantize,
    dtype,
  }: Required<Pick<PredictOptions, "quantize" | "dtype">> & {
    readonly maxSeqLength: number;
    readonly batchSize: number;
  },
): void {
  const { maxPositionEmbeddings } = classifier.family.facts(classifier.config);
  const issues = quantizeIssues(quantize ?? "none", dtype ?? "f32");
  if (!(Number.isInteger(maxSeqLength) && maxSeqLength >= 5 && maxSeqLength <= maxPositionEmbeddings)) {
    const message = `must be a whole number from 5 to the model's maxPositionEmbeddings, ${maxPositionEmbeddings}; got ${maxSeqLength}.`;
    issues.push({ path: "maxSeqLength", message, code: "CONFIG_RANGE" });
  }
  if (!(Number.isInteger(batchSize) && batchSize >= 1)) {
    const message = `must be a whole number ≥ 1; got ${batchSize}.`;
    issues.push({ path: "batchSize", message, code: "CONFIG_RANGE" });
  }
  if (issues.length > 0) throw new ConfigError("predict", issues);
}

/**
 * Puts a classifier into an engine.
 * @throws {ConfigError} for a wrong batchSize or maxSeqLength
 */
export async function openPredictor(classifier: TextClassifier, options: PredictOptions = {}): Promise<Predictor> {
  const { tokenizer, labels, module } = classifier;
  const { engine, dtype = "f32", batchSize = 32, maxSeqLength = classifier.maxSeqLength, quantize = "none" } = options;
  checkOptions(classifier, { maxSeqLength, batchSize, quantize, dtype });
  const { backend, release } = await borrowEngine(engine, dtype);
  const notice = quantizeNotice(backend, quantize);
  if (notice !== undefined) options.onNotice?.(notice);
  const store = new FixedWeights(backend, module, classifier.weights, quantize);
  const encoding = { tokenizer, framing: classifier.family.framing, maxSeqLength };
  const padId = tokenizer.special.pad;
  const program = new TextClassifierProgram({
    backend,
    store,
    model: module,
    batchSize,
    maxSeqLength,
    padId,
    policy: { compute: dtype },
  });
  let isDisposed = false;

  const logitsOf = (texts: readonly EncodedText[]): Promise<Float32Array[]> => {
    if (!isDisposed) return program.logits(texts);
    throw new FirthError("the predictor was disposed. Open another.", { code: "DISPOSED", path: "Predictor" });
  };
  const predictEncoded = async (texts: readonly EncodedText[]): Promise<Prediction[]> =>
    (await logitsOf(texts)).map((logits) => {
      const shares = softmax(logits);
      return {
        label: labels[argMax(logits)]!,
        probabilities: Object.fromEntries(labels.map((name, i) => [name, shares[i]!])),
      };
    });

  return {
    labels,
    weightBytes: store.bytes,
    predict: async (texts) => predictEncoded(await encodeTexts(encoding, texts, emptyText)),
    predictRows: async function* (source, { textColumns = "text" } = {}) {
      const reading = { ...encoding, textColumns: columnList(textColumns) };
      for await (const rows of encodedRows(source, reading)) {
        const predictions = await predictEncoded(rows.map(({ text }) => text));
        for (const [i, { row }] of rows.entries()) yield { fields: row.fields, line: row.line, ...predictions[i]! };
      }
    },
    evaluate: async (
      source,
      { textColumns = "text", labelColumn = "label", skipLabels = [], labelNames = {} } = {},
    ) => {
      const columns = { textColumns: columnList(textColumns), labelColumn };
      const reading = { ...encoding, ...columns, skipLabels, labelNames };
      const data = await readLabelled(source, reading, labels);
      const { numTruncated, numSkipped, examples } = data;
      return { ...classificationResult(data, await logitsOf(examples)), labels, numTruncated, numSkipped };
    },
    dispose: async () => {
      if (isDisposed) return;
      isDisposed = true;
      await program.dispose();
      store.dispose();
      await release();
    },
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
