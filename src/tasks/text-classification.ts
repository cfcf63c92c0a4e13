/** @file The task: one class for each text, or for each pair of texts. */
import { ConfigError, type ConfigIssue } from "../base/errors.ts";
import type { ColumnRef, TableSource } from "../data/table.ts";
import { bertFraming, type Framing } from "../models/framing.ts";
import type { ClassificationModel, EncoderInputs } from "../models/model.ts";
import type { ForwardContext } from "../nn/module.ts";
import type { Objective } from "../objectives/objective.ts";
import { crossEntropy } from "../tensor/fused.ts";
import { sum } from "../tensor/reduction.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";
import { textBatch, withLabels } from "./classification-batch.ts";
import { type ClassificationData, type ClassificationExample, readLabelled } from "./classification-data.ts";
import { columnList, type TextColumns } from "./table-text.ts";

export interface TextClassificationOptions {
  readonly tokenizer: Tokenizer;
  /** Longest text in tokens, special tokens included; 128 by default. Longer ones are cut. */
  readonly maxSeqLength?: number;
  /** Column of the text, by name or by number from 0, or two columns that are read together; `text` by default. */
  readonly textColumns?: TextColumns;
  /** `label` by default. */
  readonly labelColumn?: ColumnRef;
  /** Class names; found in the training data when left out. */
  readonly labels?: readonly string[];
  /** Rows with one of these labels are left out. */
  readonly skipLabels?: readonly string[];
  /** Class names for labels as they stand in the data, e.g. `{ 0: "negative", 1: "positive" }`. */
  readonly labelNames?: Readonly<Record<string, string>>;
  /** Put several short texts into one row; true by default. */
  readonly packed?: boolean;
}

/** All options of a task, with their values. */
export interface TextClassificationSettings {
  readonly tokenizer: Tokenizer;
  readonly maxSeqLength: number;
  readonly textColumns: readonly ColumnRef[];
  readonly labelColumn: ColumnRef;
  readonly labels: readonly string[] | undefined;
  readonly skipLabels: readonly string[];
  readonly labelNames: Readonly<Record<string, string>>;
  readonly packed: boolean;
}

export interface TableReading {
  /** Class names; those of the task, or else those found in the table, when left out. */
  readonly labels?: readonly string[] | undefined;
  /** The model's; BERT's when left out. */
  readonly framing?: Framing | undefined;
}

/** A task that reads its tables and is learnt as an objective. */
export interface TextClassification extends Objective<ClassificationExample, ClassificationModel> {
  readonly settings: TextClassificationSettings;
  /**
   * Reads a table of labelled texts.
   * @throws {FirthError} TOKENIZER_LACKS_TOKEN where the tokenizer lacks what the framing needs
   */
  read(source: TableSource, options?: TableReading): Promise<ClassificationData>;
}

/** Least length that holds two words and the special tokens of a pair. */
const MIN_LENGTH = 5;

function resolve(options: TextClassificationOptions): TextClassificationSettings {
  const { tokenizer, maxSeqLength = 128, labelColumn = "label", labels, packed = true } = options;
  const { skipLabels = [], labelNames = {} } = options;
  const textColumns = columnList(options.textColumns ?? "text");
  const issues: ConfigIssue[] = [];
  if (!(Number.isInteger(maxSeqLength) && maxSeqLength >= MIN_LENGTH)) {
    const message = `must be a whole number ≥ ${MIN_LENGTH}; got ${maxSeqLength}.`;
    issues.push({ path: "maxSeqLength", message, code: "CONFIG_RANGE" });
  }
  if (textColumns.length < 1 || textColumns.length > 2) {
    const message = `must be one column or two; got ${textColumns.length}.`;
    issues.push({ path: "textColumns", message, code: "CONFIG_RANGE" });
  }
  if (textColumns.includes(labelColumn)) {
    const message = `must not be a text column; got ${labelColumn}.`;
    issues.push({ path: "labelColumn", message, code: "CONFIG_AMBIGUOUS" });
  }
  const twice = labels?.find((name, i) => labels.indexOf(name) !== i);
  if (labels !== undefined && labels.length < 2) {
    issues.push({ path: "labels", message: `must be two at least; got ${labels.length}.`, code: "CONFIG_RANGE" });
  }
  if (twice !== undefined) {
    issues.push({ path: "labels", message: `must differ; got "${twice}" twice.`, code: "CONFIG_AMBIGUOUS" });
  }
  if (issues.length > 0) throw new ConfigError("textClassification", issues);
  return { tokenizer, maxSeqLength, textColumns, labelColumn, labels, skipLabels, labelNames, packed };
}

/** Scores of the classes `[S, numLabels]` for a batch of `textBatch`. */
export function classificationLogits(
  model: ClassificationModel,
  context: ForwardContext,
  batch: Readonly<Record<string, Tensor>>,
): Tensor {
  const { encoder } = model;
  const places = encoder.pooledToken === "first" ? batch.firstTokens! : batch.lastTokens!;
  const tokens = encoder.encodeAt(context, batch as unknown as EncoderInputs, places);
  return model.classificationLogits(context, encoder.pool(context, tokens));
}

/**
 * Classification of texts, or of pairs of texts, from tables.
 *
 * The loss term is `classification`, nats per text.
 * @throws {ConfigError} all problems together
 * @source Devlin et al. 2019 §4.1, arXiv:1810.04805
 */
export function textClassification(options: TextClassificationOptions): TextClassification {
  const settings = resolve(options);
  const { tokenizer, maxSeqLength, packed } = settings;
  return {
    name: "textClassification",
    settings,
    read: (source, { labels = settings.labels, framing = bertFraming } = {}) =>
      readLabelled(source, { ...settings, framing }, labels),
    collate: (drawn, _seed, layout) => {
      const examples = drawn.map(({ example }) => example);
      const batch = textBatch(examples, { maxSeqLength, packed, padId: tokenizer.special.pad, layout });
      return withLabels(
        batch,
        examples.map(({ label }) => label),
      );
    },
    loss: (model, context, batch) => {
      const losses = crossEntropy(classificationLogits(model, context, batch), batch.labels!);
      return { terms: { classification: { sum: sum(losses), count: "sequences", weight: 1 } }, metrics: {} };
    },
  };
}
