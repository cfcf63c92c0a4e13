/** @file The task: one class for each text, or for each pair of texts. */
import { ConfigError, type ConfigIssue } from "../base/errors.ts";
import { bertFraming } from "../models/framing.ts";
import type { ClassificationModel, EncoderInputs } from "../models/model.ts";
import type { ForwardContext } from "../nn/module.ts";
import { crossEntropy } from "../tensor/fused.ts";
import { sum } from "../tensor/reduction.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { textBatch, withLabels } from "./classification-batch.ts";
import { type ClassificationData, readLabelled } from "./classification-data.ts";
import {
  type ClassificationResult,
  classificationFigures,
  classificationResult,
  trainingFigures,
} from "./classification-evaluation.ts";
import { columnList } from "./table-text.ts";
import { type TextTask, type TextTaskOptions, type TextTaskSettings, textTaskIssues } from "./text-task.ts";

export interface TextClassificationOptions extends TextTaskOptions {
  /** Class names; found in the training data when left out. */
  readonly labels?: readonly string[];
  /** Rows with one of these labels are left out. */
  readonly skipLabels?: readonly string[];
  /** Class names for labels as they stand in the data, e.g. `{ 0: "negative", 1: "positive" }`. */
  readonly labelNames?: Readonly<Record<string, string>>;
}

/** All options of a task, with their values. */
export interface TextClassificationSettings extends TextTaskSettings {
  readonly labels: readonly string[] | undefined;
  readonly skipLabels: readonly string[];
  readonly labelNames: Readonly<Record<string, string>>;
}

/** A task of classes. */
export interface TextClassification extends TextTask<ClassificationData, ClassificationResult> {
  readonly settings: TextClassificationSettings;
}

function resolve(options: TextClassificationOptions): TextClassificationSettings {
  const { tokenizer, maxSeqLength = 128, labelColumn = "label", labels, packed = true } = options;
  const { skipLabels = [], labelNames = {} } = options;
  const textColumns = columnList(options.textColumns ?? "text");
  const issues: ConfigIssue[] = textTaskIssues({ maxSeqLength, textColumns, labelColumn });
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

/** Scores of the classes `[S, numLabels]` for a batch of `textBatch`, with `secondOffsets` where the head reads pairs. */
export function classificationLogits(
  model: ClassificationModel,
  context: ForwardContext,
  batch: Readonly<Record<string, Tensor>>,
): Tensor {
  const { encoder } = model;
  if (model.pairLogits !== undefined) {
    const pairs = { firstTokens: batch.firstTokens!, secondOffsets: batch.secondOffsets! };
    return model.pairLogits(context, batch as unknown as EncoderInputs, pairs);
  }
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
    figures: classificationFigures,
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
    result: classificationResult,
    trainingFigures,
  };
}
