/** @file What a saved model makes of held-out data: the rows in a run's folder, and the page about its errors. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { loadAnswerModel } from "../../api/answer-model.ts";
import { loadChooser } from "../../api/chooser.ts";
import { evaluateWriting } from "../../api/evaluate-writing.ts";
import { isFeatureModel, loadFeatureModel } from "../../api/feature-model.ts";
import { generationSettings } from "../../api/generate.ts";
import { judgeAnswers, judgeChoices, judgeClasses, judgeFeatures, judgeScores, judgeTags } from "../../api/judge.ts";
import { loadClassifier, loadPretrained } from "../../api/load.ts";
import { loadTagger } from "../../api/tagger.ts";
import type { Backend } from "../../backend/backend.ts";
import { fileLines } from "../../data/file-lines.ts";
import { parseJsonLine } from "../../data/json-lines.ts";
import { writeFileAtomic } from "../../formats/atomic.ts";
import type { ComputeDType } from "../../ir/dtype.ts";
import { errorReport, type JudgedRow, judgedFile, writeJudged } from "../../selection/index.ts";
import { sequenceToSequence } from "../../tasks/index.ts";
import { isRegression } from "../../tasks/regression-data.ts";
import type { TaskSettings } from "../settings/task.ts";
import { type FinetuneRecipe, isChoosing, isRetrieving, isTagging, isWriting } from "./finetune-recipe.ts";
import type { TaskSource } from "./recipe-data.ts";

/** Where a model is judged. */
export interface JudgePlace {
  readonly engine: Backend;
  readonly dtype: ComputeDType;
  readonly batchSize: number;
}

/** Name of the page about errors in a run's folder. */
export const errorReportFile = "errors.html";

/** Whether something can be said of single held-out items: of a search only of all together. */
export const isJudged = (recipe: FinetuneRecipe): boolean => !isRetrieving(recipe);

/** What the model of a recipe's run makes of held-out items. @param recipe one that `isJudged` */
export async function judgeModel(
  recipe: FinetuneRecipe,
  folder: string,
  { kind, source }: TaskSource,
  place: JudgePlace,
): Promise<JudgedRow[]> {
  if (kind === "questions") return judgeAnswers(await loadAnswerModel(folder), source, place);
  if (kind === "tagged") {
    const { scheme, overlap } = isTagging(recipe) ? recipe.task : { scheme: "IOB2" as const, overlap: null };
    const options = { ...place, overlap: overlap ?? undefined, scheme: scheme === "keep" ? null : scheme };
    return judgeTags(await loadTagger(folder), source, options);
  }
  if (isWriting(recipe)) {
    const model = await loadPretrained(folder);
    const { name: _name, ...settings } = recipe.task;
    const columns = recipe.data.trainTarget === null ? {} : { sourceColumn: "source", targetColumn: "target" };
    const task = sequenceToSequence({ ...settings, ...columns, tokenizer: model.tokenizer });
    const { numWritten = 0, ...writing } = recipe.generation ?? {};
    const data = await task.read(source);
    const { engine, dtype } = place;
    const given = { ...(await generationSettings(folder, writing)), count: numWritten, engine, dtype };
    const { pairs } = await evaluateWriting(model, data, given);
    return pairs.map(({ source: text, target, written }) => writtenRow(text, target, written));
  }
  if (isChoosing(recipe)) return judgeChoices(await loadChooser(folder), source, place);
  const { textColumns, labelColumn, skipLabels } = recipe.task as TaskSettings;
  const options = { ...place, textColumns, labelColumn };
  if (isFeatureModel(folder)) {
    return judgeFeatures(await loadFeatureModel(folder), source, { ...options, skipLabels: skipLabels ?? [] });
  }
  const model = await loadClassifier(folder);
  if (isRegression(model.preserved)) return judgeScores(model, source, options);
  return judgeClasses(model, source, { ...options, skipLabels: skipLabels ?? [] });
}

const writtenRow = (source: string, label: string, prediction: string): JudgedRow => ({
  ...{ task: "sequenceToSequence", source, label, prediction },
});

/** What a run wrote for held-out sources when it ended; undefined where it wrote nothing. */
async function writtenRows(outputDir: string): Promise<JudgedRow[] | undefined> {
  const file = join(outputDir, "written.jsonl");
  if (!existsSync(file)) return undefined;
  const rows: JudgedRow[] = [];
  for await (const { text, line } of fileLines(file)) {
    if (text.trim() === "") continue;
    const { source, target, written } = parseJsonLine(text, file, line) as Record<string, string>;
    rows.push(writtenRow(source!, target!, written!));
  }
  return rows;
}

/** Files about held-out data in a run's folder. */
export interface JudgedRun {
  readonly rows: readonly JudgedRow[];
  readonly predictions: string;
  readonly report: string;
}

/**
 * Judges the model of a finished run on held-out items, and writes `predictions.jsonl` and `errors.html` into its folder.
 * @returns undefined where there is nothing to judge
 */
export async function judgeRun(
  recipe: FinetuneRecipe,
  folder: string,
  held: TaskSource,
  place: JudgePlace & { readonly selection: string },
): Promise<JudgedRun | undefined> {
  const { outputDir } = recipe;
  const { selection, ...judging } = place;
  // What was written need not be written again.
  const isWritten = isWriting(recipe);
  const rows = isWritten ? ((await writtenRows(outputDir)) ?? []) : await judgeModel(recipe, folder, held, judging);
  if (rows.length === 0) return undefined;
  const [predictions, report] = [join(outputDir, judgedFile), join(outputDir, errorReportFile)];
  await writeJudged(predictions, rows);
  const subtitle = `${folder} on ${held.source.name}`;
  await writeFileAtomic(report, errorReport(rows, { subtitle, selection }));
  return { rows, predictions, report };
}

/** How a run's weights were chosen, in words. */
export function selectionText(
  { train, transfer }: Pick<FinetuneRecipe, "train" | "transfer">,
  run: { readonly steps: number; readonly selectedStep: number },
): string {
  const { selectionFigure } = transfer;
  const { selectBest, earlyStoppingPatience } = train;
  const patience =
    earlyStoppingPatience === null
      ? ""
      : ` Training was to end after ${earlyStoppingPatience} evaluations without a better ${selectionFigure}.`;
  const which = selectBest
    ? `the weights with the best ${selectionFigure} on held-out data, those of step ${run.selectedStep} of ${run.steps}`
    : `the weights of the last step, ${run.steps}`;
  return `Checkpoint selection: ${which}.${patience}`;
}
