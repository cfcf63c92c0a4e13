/** @file The data of a fine-tuning recipe: as files, as the items they hold, and as parts of these. */
import { internalError } from "../../base/errors.ts";
import { parallelText } from "../../data/parallel-text.ts";
import { type KeepItem, questionPart, tablePart, taggedPart } from "../../data/part.ts";
import { type QuestionData, questionFile } from "../../data/question-file.ts";
import { cellText, type TableSource } from "../../data/table.ts";
import type { TaggedSource } from "../../data/tagged-sentence.ts";
import type { DataUnit, TrainingTruth } from "../../selection/index.ts";
import { sortLabels } from "../../tasks/label-name.ts";
import { rowLabel } from "../../tasks/table-text.ts";
import { schemedTags, sentencesIn } from "../../tasks/tagging-data.ts";
import type { RetrievalTaskSettings } from "../settings/retrieval-task.ts";
import { openTagged } from "../settings/tagging-task.ts";
import type { TaskSettings } from "../settings/task.ts";
import { openTable } from "../settings/text.ts";
import { type FinetuneRecipe, isAnswering, isRetrieving, isTagging, isWriting } from "./finetune-recipe.ts";

/** Items of one of the kinds that tasks read. */
export type TaskSource =
  | { readonly kind: "table"; readonly source: TableSource }
  | { readonly kind: "tagged"; readonly source: TaggedSource }
  | { readonly kind: "questions"; readonly source: QuestionData };

/** What a run learns from, and what it is measured on. */
export interface RecipeData {
  readonly train: TaskSource;
  readonly eval: TaskSource | undefined;
}

async function openSource(recipe: FinetuneRecipe, file: string, target: string | null): Promise<TaskSource> {
  const { data } = recipe;
  if (isAnswering(recipe)) return { kind: "questions", source: await questionFile(file) };
  if (isTagging(recipe)) return { kind: "tagged", source: openTagged(file, recipe.task, data) };
  const source = target === null ? openTable(file, data) : parallelText(file, target, data);
  return { kind: "table", source };
}

/** Opens the files of a recipe. */
export async function openRecipeData(recipe: FinetuneRecipe): Promise<RecipeData> {
  const { train, trainTarget, eval: held, evalTarget } = recipe.data;
  return {
    train: await openSource(recipe, train, trainTarget),
    eval: held === null ? undefined : await openSource(recipe, held, evalTarget),
  };
}

/** The items of a source with these numbers. */
export function sourcePart(source: TaskSource, units: readonly DataUnit[]): TaskSource {
  const numbers = new Set(units.map(({ index }) => index));
  const keep: KeepItem = (index) => numbers.has(index);
  switch (source.kind) {
    case "table":
      return { kind: "table", source: tablePart(source.source, keep) };
    case "tagged":
      return { kind: "tagged", source: taggedPart(source.source, keep) };
    case "questions":
      return { kind: "questions", source: questionPart(source.source, keep) };
  }
}

/** What the training data of a recipe hold. */
export interface TrainingItems {
  readonly units: readonly DataUnit[];
  /** Class names or tags of all items, so that a part without some of them has the same; undefined without any. */
  readonly labels: readonly string[] | undefined;
  readonly truth: TrainingTruth;
}

async function classItems(source: TableSource, { labelColumn, ...task }: TaskSettings): Promise<TrainingItems> {
  const units: DataUnit[] = [];
  const labels: string[] = [];
  let index = 0;
  for await (const row of source.rows()) {
    const label = rowLabel(row, labelColumn, source.name);
    const isSkipped = task.skipLabels?.includes(label) === true;
    if (!isSkipped) {
      units.push({ index, ...(task.name === "textClassification" ? { stratum: label } : {}) });
      labels.push(label);
    }
    index++;
  }
  if (task.name === "textRegression") {
    return { units, labels: undefined, truth: { task: "textRegression", labels: labels.map(Number) } };
  }
  return { units, labels: task.labels ?? sortLabels(labels), truth: { task: "textClassification", labels } };
}

/** Rows of pairs, those of one question together; or of texts whose classes they are drawn by. */
async function pairItems(source: TableSource, task: RetrievalTaskSettings): Promise<TrainingItems> {
  const { textColumn, labelColumn, questionColumn, loss } = task;
  const hasClasses = textColumn !== null || loss === "classification";
  const units: DataUnit[] = [];
  for await (const row of source.rows()) {
    const stratum = hasClasses ? { stratum: rowLabel(row, labelColumn, source.name) } : {};
    const group = textColumn === null ? { group: cellText(row, questionColumn, source.name) } : {};
    units.push({ index: units.length, ...stratum, ...group });
  }
  return { units, labels: undefined, truth: { task: "retrieval" } };
}

/**
 * Reads what can be learnt from: each item's number, class and group.
 * @throws {DataError} LABEL_MISSING and the file's own, naming file and line
 */
export async function trainingItems(recipe: FinetuneRecipe, train: TaskSource): Promise<TrainingItems> {
  switch (train.kind) {
    case "questions": {
      const units = train.source.questions.map(({ context }, index) => ({ index, group: context }));
      return { units, labels: undefined, truth: { task: "questionAnswering" } };
    }
    case "tagged": {
      const raw = await sentencesIn(train.source);
      const { scheme, labels } = isTagging(recipe) ? recipe.task : { scheme: "keep" as const, labels: null };
      const reading = { scheme: scheme === "keep" ? null : scheme, labels: labels ?? undefined };
      const { tags } = schemedTags(train.source.name, raw, reading);
      const sentences = raw.map(({ words }, i) => ({ words, tags: tags[i]! }));
      const known = labels ?? sortLabels(tags.flat());
      const units = raw.map((_, index) => ({ index }));
      return { units, labels: known, truth: { task: "tokenClassification", sentences } };
    }
    case "table": {
      const { name } = recipe.task;
      if (name === "textClassification" || name === "textRegression") {
        return classItems(train.source, recipe.task as TaskSettings);
      }
      if (isRetrieving(recipe)) return pairItems(train.source, recipe.task);
      const units: DataUnit[] = [];
      for await (const _row of train.source.rows()) units.push({ index: units.length });
      return { units, labels: undefined, truth: { task: isWriting(recipe) ? "sequenceToSequence" : "multipleChoice" } };
    }
  }
}

/** A recipe for a part of its data: with the classes of the whole. */
export function withLabels(recipe: FinetuneRecipe, labels: readonly string[] | undefined): FinetuneRecipe {
  if (labels === undefined || !("labels" in recipe.task)) return recipe;
  return { ...recipe, task: { ...recipe.task, labels: [...labels] } } as FinetuneRecipe;
}

/** Sources of one kind, where a run is given them. */
function sourcesIn<T>({ train, eval: held }: RecipeData, take: (source: TaskSource) => T | undefined) {
  const own = (source: TaskSource): T => {
    const taken = take(source);
    if (taken === undefined) throw internalError(`a run was given ${source.kind} of another task`);
    return taken;
  };
  return { train: own(train), ...(held === undefined ? {} : { eval: own(held) }) };
}

/** Tables that a run is given. */
export const tablesIn = (data: RecipeData) => sourcesIn(data, (own) => (own.kind === "table" ? own.source : undefined));
/** Tagged sentences that a run is given. */
export const taggedIn = (data: RecipeData) =>
  sourcesIn(data, (own) => (own.kind === "tagged" ? own.source : undefined));
/** Questions that a run is given. */
export const questionsIn = (data: RecipeData) =>
  sourcesIn(data, (own) => (own.kind === "questions" ? own.source : undefined));
