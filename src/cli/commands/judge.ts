/** @file `firth evaluate --report FILE --predictions FILE`: what a model makes of each held-out item. */
import type { Command } from "commander";
import { isAnswerModel, loadAnswerModel } from "../../api/answer-model.ts";
import { loadChooser } from "../../api/chooser.ts";
import type { WrittenPair } from "../../api/evaluate-writing.ts";
import { isFeatureModel, loadFeatureModel } from "../../api/feature-model.ts";
import { judgeAnswers, judgeChoices, judgeClasses, judgeFeatures, judgeScores, judgeTags } from "../../api/judge.ts";
import type { PredictOptions } from "../../api/predict.ts";
import { ConfigError } from "../../base/errors.ts";
import { questionFile } from "../../data/question-file.ts";
import { writeFileAtomic } from "../../formats/atomic.ts";
import { requireWritableFile } from "../../formats/writable-file.ts";
import { errorReport, type JudgedRow, writeJudged } from "../../selection/index.ts";
import { isRegression } from "../../tasks/regression-data.ts";
import type { Given } from "../define-command.ts";
import type { Session } from "../session.ts";
import { openTagged } from "../settings/tagging-task.ts";
import { savedColumns, type TaskColumns } from "../settings/task.ts";
import { openTable, type TableSettings } from "../settings/text.ts";
import { isChooserModel } from "./choose.ts";
import { openGivenClassifier } from "./given-classifier.ts";
import { isTaggerModel, openGivenTagger } from "./tag.ts";

/** Adds the options that ask for more than figures. */
export function addJudgeOptions(command: Command): void {
  command
    .option("--report <file>", "write a page about the errors: confusions, calibration, worst examples (HTML)")
    .option("--predictions <file>", "write what the model says of each row, for firth compare (JSON lines)");
}

/** Whether a command asks for more than figures. */
export function wantsJudged(given: Given): boolean {
  return given.report !== undefined || given.predictions !== undefined;
}

/** Looks whether the files that are asked for can be written. @throws {CheckpointError} NOT_WRITABLE */
export async function checkJudged({ report, predictions }: Given): Promise<void> {
  for (const file of [report, predictions]) if (file !== undefined) await requireWritableFile(file as string);
}

/** Refuses those files where nothing is said of single rows. @throws {ConfigError} CONFIG_UNSUPPORTED */
export function refuseJudged(given: Given): void {
  if (!wantsJudged(given)) return;
  const message = "is not there for rankings. Leave out --report and --predictions.";
  throw new ConfigError("evaluate", [{ path: "--report", message, code: "CONFIG_UNSUPPORTED" }]);
}

export interface JudgedData {
  readonly model: string;
  readonly file: string;
  readonly reading: TableSettings & { readonly columns?: readonly string[] | null };
  readonly columns: (saved: TaskColumns) => TaskColumns;
  /** What a model wrote, if it writes. */
  readonly written: readonly WrittenPair[] | undefined;
}

async function rowsOf(
  { model, file, reading, columns, written }: JudgedData,
  given: Given,
  { maxSeqLength, ...options }: PredictOptions,
): Promise<JudgedRow[]> {
  if (written !== undefined) {
    return written.map(({ source, target, written: prediction }) => ({
      ...{ task: "sequenceToSequence", source, label: target, prediction },
    }));
  }
  if (isFeatureModel(model)) {
    const own = { ...options, ...columns(await savedColumns(model)) };
    const skipLabels = (given.skipLabels as readonly string[] | undefined) ?? [];
    const length = maxSeqLength === undefined ? {} : { maxSeqLength };
    return judgeFeatures(await loadFeatureModel(model), openTable(file, reading), { ...own, ...length, skipLabels });
  }
  if (await isAnswerModel(model)) return judgeAnswers(await loadAnswerModel(model), await questionFile(file), options);
  const task = given.task as string | undefined;
  if (await isTaggerModel(model, task)) {
    const { tagger, reading: saved } = await openGivenTagger(model, task);
    const scheme = saved.scheme === "keep" ? null : saved.scheme;
    return judgeTags(tagger, openTagged(file, saved, reading), { ...options, scheme });
  }
  if (await isChooserModel(model)) return judgeChoices(await loadChooser(model), openTable(file, reading), options);
  const opened = await openGivenClassifier("evaluate", model, task);
  const { classifier } = opened;
  const table = openTable(file, reading);
  const skipLabels = (given.skipLabels as readonly string[] | undefined) ?? [];
  const all = { ...options, ...columns(opened.columns), ...(maxSeqLength === undefined ? {} : { maxSeqLength }) };
  return isRegression(classifier.preserved)
    ? judgeScores(classifier, table, all)
    : judgeClasses(classifier, table, { ...all, skipLabels });
}

/** Writes the files that a command asks for, and says where they are. */
export async function writeJudgement(
  session: Session,
  data: JudgedData,
  given: Given,
  options: PredictOptions,
): Promise<void> {
  const { report, predictions } = given as { readonly report?: string; readonly predictions?: string };
  const rows = await rowsOf(data, given, options);
  if (rows.length === 0) {
    session.say("There is nothing to tell of single rows: nothing was written.");
    return;
  }
  if (predictions !== undefined) {
    await writeJudged(predictions, rows);
    session.say(`Predictions: ${predictions}`);
  }
  if (report === undefined) return;
  await writeFileAtomic(report, errorReport(rows, { subtitle: `${data.model} on ${data.file}` }));
  session.say(`Report: ${report}`);
}
