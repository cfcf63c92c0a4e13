/** @file The task: one number for each text, or for each pair of texts. */
import { ConfigError } from "../base/errors.ts";
import { bertFraming } from "../models/framing.ts";
import { convert, mul, sub } from "../tensor/elementwise.ts";
import { reshape } from "../tensor/movement.ts";
import { square, sum } from "../tensor/reduction.ts";
import { textBatch, withScores } from "./classification-batch.ts";
import { type RegressionData, readScored, scoreRange } from "./regression-data.ts";
import {
  type RegressionResult,
  regressionFigures,
  regressionResult,
  regressionTrainingFigures,
} from "./regression-evaluation.ts";
import { columnList } from "./table-text.ts";
import { classificationLogits } from "./text-classification.ts";
import { type TextTask, type TextTaskOptions, textTaskIssues } from "./text-task.ts";

export type TextRegressionOptions = TextTaskOptions;

/** A task of numbers. */
export interface TextRegression extends TextTask<RegressionData, RegressionResult> {
  readonly name: "textRegression";
}

/**
 * A number for texts, or for pairs of texts, from tables: one output and its squared error.
 *
 * The loss term is `regression`, the squared error of a text. Predictions lie in the range of the training data's numbers.
 * @throws {ConfigError} all problems together
 * @source Hugging Face `problem_type: regression`; STS-B in Devlin et al. 2019 §4.1, arXiv:1810.04805
 */
export function textRegression(options: TextRegressionOptions): TextRegression {
  const { tokenizer, maxSeqLength = 128, labelColumn = "label", packed = true } = options;
  const textColumns = columnList(options.textColumns ?? "text");
  const settings = { tokenizer, maxSeqLength, textColumns, labelColumn, packed };
  const issues = textTaskIssues(settings);
  if (issues.length > 0) throw new ConfigError("textRegression", issues);
  return {
    name: "textRegression",
    settings,
    figures: regressionFigures,
    read: (source, { framing = bertFraming } = {}) => readScored(source, { ...settings, framing }),
    collate: (drawn, _seed, layout) => {
      const examples = drawn.map(({ example }) => example);
      return withScores(
        textBatch(examples, { maxSeqLength, packed, padId: tokenizer.special.pad, layout }),
        examples.map(({ label }) => label),
      );
    },
    loss: (model, context, batch) => {
      const logits = classificationLogits(model, context, batch);
      const scores = convert(reshape(logits, batch.scores!.shape), "f32");
      const errors = square(sub(scores, batch.scores!));
      const total = sum(mul(errors, batch.scored!));
      return { terms: { regression: { sum: total, count: "sequences", weight: 1 } }, metrics: {} };
    },
    result: ({ examples }, logits, facts) =>
      regressionResult(
        examples.map(({ label }) => label),
        logits.map((own) => own[0]!),
        scoreRange(facts),
      ),
    trainingFigures: regressionTrainingFigures,
  };
}
