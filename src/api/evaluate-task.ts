import { ConfigError } from "../base/errors.ts";
import type { ColumnRef, TableSource } from "../data/table.ts";
import type { AnyTextTask } from "../tasks/merged-task.ts";
import type { TextColumns } from "../tasks/table-text.ts";
import { textClassification } from "../tasks/text-classification.ts";
import { textRanking } from "../tasks/text-ranking.ts";
import { textRegression } from "../tasks/text-regression.ts";
import type { LearntTask, TaskClassifier } from "./multi-task-model.ts";
import { openTextScorer, type PredictOptions } from "./text-scorer.ts";

export interface EvaluateTaskOptions extends PredictOptions {
  /** As in fine-tuning by default. */
  readonly textColumns?: TextColumns | undefined;
  readonly labelColumn?: ColumnRef | undefined;
}

/** The task that a model has learnt, as it reads tables. */
function taskFor(
  { kind, settings, labels, ...learnt }: LearntTask,
  model: TaskClassifier,
  options: EvaluateTaskOptions,
): AnyTextTask {
  const common = {
    tokenizer: model.tokenizer,
    maxSeqLength: options.maxSeqLength ?? model.maxSeqLength,
    textColumns: options.textColumns ?? (learnt.textColumns as TextColumns),
    labelColumn: options.labelColumn ?? learnt.labelColumn,
  };
  if (kind === "textClassification") return textClassification({ ...common, labels });
  if (kind === "textRegression") return textRegression(common);
  if (kind === "textRanking") {
    const { relevantLabel, gamma } = settings;
    return textRanking({ ...common, relevantLabel: String(relevantLabel), gamma: Number(gamma) });
  }
  const message = `has the kind ${JSON.stringify(kind)}, which this version does not know. Use the one that saved it.`;
  throw new ConfigError("evaluateTask", [{ path: `tasks.${learnt.name}`, message, code: "TASK_UNKNOWN" }]);
}

/**
 * Figures of one task of a model of several, on a table like those that it learnt from: of classes, numbers or rankings.
 * @throws {DataError} LABEL_UNKNOWN, LABEL_MISSING, LABEL_NOT_NUMBER, RELEVANT_NONE, TEXT_EMPTY, COLUMN_UNKNOWN
 */
export async function evaluateTask(
  model: TaskClassifier,
  source: TableSource,
  options: EvaluateTaskOptions = {},
): Promise<{ readonly loss: number }> {
  const task = taskFor(model.task, model, options);
  const data = await task.read(source, { labels: model.labels, framing: model.family.framing });
  const scorer = await openTextScorer(model, options);
  try {
    return task.result(data, await scorer.scores(data.examples), model.task.facts);
  } finally {
    await scorer.dispose();
  }
}
