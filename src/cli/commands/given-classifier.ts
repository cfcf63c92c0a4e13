/** @file The classifier that a command is given: a folder of its own, or one task out of a folder of several. */
import { existsSync } from "node:fs";
import { loadClassifier } from "../../api/load.ts";
import type { TextClassifier } from "../../api/model.ts";
import { isMultiTaskModel, loadTask, type TaskClassifier } from "../../api/multi-task-model.ts";
import { CheckpointError, ConfigError } from "../../base/errors.ts";
import { requireFinetuned } from "../model-use.ts";
import { isColumnList, savedColumns, type TaskColumns } from "../settings/task.ts";

/** A classifier, and the columns that it was fine-tuned on. */
export interface GivenClassifier {
  readonly classifier: TextClassifier;
  readonly columns: TaskColumns;
  /** The same where it is one of several tasks. */
  readonly task: TaskClassifier | undefined;
}

/** The option that names the task. */
export const taskOption = [
  "--task <name>",
  "which task, where the model has learnt several; may be left out where it has learnt one",
] as const;

/**
 * @throws {ConfigError} CONFIG_UNSUPPORTED for a task of a model that has only one head
 * @throws {CheckpointError} FOLDER_MISSING where there is no model at all
 */
export function checkTaskOption(folder: string, task: string | undefined): void {
  if (task === undefined || isMultiTaskModel(folder)) return;
  if (!existsSync(folder)) {
    const message = "no such folder. Check the name and the working folder.";
    throw new CheckpointError(message, { code: "FOLDER_MISSING", path: folder });
  }
  const message = "is for models that have learnt several tasks (firth finetune with tasks:). Leave it out.";
  throw new ConfigError(folder, [{ path: "--task", message, code: "CONFIG_UNSUPPORTED" }]);
}

/**
 * Opens a classifier.
 * @param task the value of `--task`
 * @throws {ConfigError} TASK_MISSING, TASK_UNKNOWN
 */
export async function openGivenClassifier(
  command: "predict" | "evaluate",
  folder: string,
  task: string | undefined,
): Promise<GivenClassifier> {
  if (isMultiTaskModel(folder)) {
    const found = await loadTask(folder, task);
    const { textColumns, labelColumn } = found.task;
    const columns = { textColumns: isColumnList(textColumns) ? textColumns : (["text"] as const), labelColumn };
    return { classifier: found, columns, task: found };
  }

  await requireFinetuned(command, folder);
  return { classifier: await loadClassifier(folder), columns: await savedColumns(folder), task: undefined };
}
