/** @file What a fine-tuning recipe may say; all of it is checked before anything is done. */

import { answerFigures } from "../../api/finetune-question-answering.ts";
import {
  type ConfigOf,
  defineFields,
  integerField,
  nullableField,
  showValue,
  textField,
} from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";
import { type GenerationSettings, generationTable } from "../../generation/settings.ts";
import { choiceFigures } from "../../tasks/choice-evaluation.ts";
import { classificationFigures, regressionFigures } from "../../tasks/index.ts";
import { retrievalFigures } from "../../tasks/retrieval-evaluation.ts";
import { taggingFigureNames } from "../../tasks/tagging-evaluation.ts";
import { type TrainOptions, trainOptionsTable } from "../../train/options.ts";
import { type AnswerTaskSettings, answerTaskTable } from "../settings/answer-task.ts";
import { type ChoiceTaskSettings, choiceTaskTable } from "../settings/choice-task.ts";
import { type CrossViewRecipe, checkCrossView } from "../settings/cross-view.ts";
import { type EngineSettings, engineTable } from "../settings/engine.ts";
import { layoutIssues } from "../settings/file-layout.ts";
import { type RetrievalTaskSettings, retrievalTaskTable } from "../settings/retrieval-task.ts";
import { type TaggingTaskSettings, taggingTaskTable } from "../settings/tagging-task.ts";
import { type TaskSettings, taskTable } from "../settings/task.ts";
import { namedTableFields } from "../settings/text.ts";
import { checkTransfer, type TransferSettings } from "../settings/transfer.ts";
import { type WritingTaskSettings, writingTaskTable } from "../settings/writing-task.ts";
import { isSection, Problems, type Section } from "./problems.ts";
import { checkRunPlace, checkSeeds } from "./run-place.ts";

export const dataTable = defineConfig({
  name: "data",
  fields: defineFields({
    train: textField({ doc: "Table to learn from: .tsv, .csv or .jsonl, also gzipped." }),
    eval: nullableField(textField({ doc: "Held-out table." })),
    trainTarget: nullableField(
      textField({ doc: "Plain text whose lines are the targets of those of train, which then is plain text too." }),
    ),
    evalTarget: nullableField(textField({ doc: "The same for eval." })),
    ...namedTableFields,
  }),
});

/** What may decide which weights are best; by default accuracy, pearson for numbers, f1 for answers and tags. */
const selectionFigures = [
  ...new Set<string>([
    ...Object.values(retrievalFigures).flat(),
    ...classificationFigures,
    ...regressionFigures,
    ...answerFigures,
  ]),
];

type AnyTaskSettings =
  | TaskSettings
  | WritingTaskSettings
  | AnswerTaskSettings
  | TaggingTaskSettings
  | RetrievalTaskSettings
  | ChoiceTaskSettings;

/** A whole, checked recipe; written as YAML it is a recipe again. */
export interface FinetuneRecipe<T = AnyTaskSettings> {
  readonly kind: "finetune";
  readonly outputDir: string;
  readonly model: string;
  /** Null: the model's own. */
  readonly tokenizer: string | null;
  readonly task: T;
  readonly data: ConfigOf<typeof dataTable.fields>;
  readonly transfer: TransferSettings;
  /** Texts without labels that are learnt from too; null: none. */
  readonly crossView: CrossViewRecipe | null;
  readonly train: TrainOptions;
  readonly seeds: readonly number[];
  readonly engine: EngineSettings;
  /** Where a model learns to write: how it writes for held-out sources in the end. */
  readonly generation?: WritingChoice | undefined;
}

/** How a model writes, and for how many of the held-out sources. */
export type WritingChoice = GenerationSettings & { readonly numWritten: number };

/** Whether a recipe is about writing, not about classes. */
export function isWriting(recipe: FinetuneRecipe): recipe is FinetuneRecipe<WritingTaskSettings> {
  return recipe.task.name === "sequenceToSequence";
}

/** Whether a recipe is about answering questions. */
export function isAnswering(recipe: FinetuneRecipe): recipe is FinetuneRecipe<AnswerTaskSettings> {
  return recipe.task.name === "questionAnswering";
}

/** Whether a recipe is about tags of words. */
export function isTagging(recipe: FinetuneRecipe): recipe is FinetuneRecipe<TaggingTaskSettings> {
  return recipe.task.name === "tokenClassification";
}

/** Whether a recipe is about choosing between options. */
export function isChoosing(recipe: FinetuneRecipe): recipe is FinetuneRecipe<ChoiceTaskSettings> {
  return recipe.task.name === "multipleChoice";
}

/** Whether a recipe is about vectors for search. */
export function isRetrieving(recipe: FinetuneRecipe): recipe is FinetuneRecipe<RetrievalTaskSettings> {
  return recipe.task.name === "retrieval";
}

/** A task's settings by the table of its kind. */
function checkTask(problems: Problems, task: unknown): AnyTaskSettings | undefined {
  const name = isSection(task) ? task.name : undefined;
  if (name === "sequenceToSequence") return problems.resolve("task", writingTaskTable, task);
  if (name === "questionAnswering") return problems.resolve("task", answerTaskTable, task);
  if (name === "tokenClassification") return problems.resolve("task", taggingTaskTable, task);
  if (name === "retrieval") return problems.resolve("task", retrievalTaskTable, task);
  if (name === "multipleChoice") return problems.resolve("task", choiceTaskTable, task);
  return problems.resolve("task", taskTable, task);
}

/** The figure that decides where a recipe does not say. */
function usualFigure(task: AnyTaskSettings | undefined): string {
  if (task?.name === "sequenceToSequence") return "loss";
  if (task?.name === "questionAnswering") return answerFigures[0];
  if (task?.name === "tokenClassification") return taggingFigureNames[0];
  if (task?.name === "retrieval") return retrievalFigures[task.loss][0]!;
  if (task?.name === "multipleChoice") return choiceFigures[0];
  return task?.name === "textRegression" ? regressionFigures[0] : classificationFigures[0];
}

/** What a task cannot have that another can. */
function checkTaskParts(problems: Problems, recipe: Section, writes: boolean): void {
  const section = (name: string): Section => (isSection(recipe[name]) ? (recipe[name] as Section) : {});
  const [data, transfer] = [section("data"), section("transfer")];
  const unpaired = [
    ["trainTarget", "train"],
    ["evalTarget", "eval"],
  ] as const;
  for (const [target, source] of unpaired) {
    if ((data[target] ?? null) === null) continue;
    if (!writes) problems.add(`data.${target}`, "is for task.name sequenceToSequence only.", "CONFIG_AMBIGUOUS");
    else if ((data[source] ?? null) === null)
      problems.add(`data.${source}`, `must be given with ${target}.`, "CONFIG_MISSING");
  }
  if (!writes) return;
  if ((data.evalTarget ?? null) !== null && (data.trainTarget ?? null) === null) {
    problems.add(
      "data.trainTarget",
      "must be given with evalTarget: both parts have the same columns.",
      "CONFIG_MISSING",
    );
  }
  const { selectionFigure } = transfer;
  if ((selectionFigure ?? "loss") === "loss") return;
  const message = `must be loss where a model learns to write; got ${showValue(selectionFigure)}.`;
  problems.add("transfer.selectionFigure", message, "CONFIG_VALUE");
}

export const writtenField = integerField({ default: 100, min: 0, doc: "Held-out sources that are written for." });

/** How a model writes in the end: at most the longest target, for a hundred sources. */
function checkGeneration(problems: Problems, value: unknown, longest: number): WritingChoice | undefined {
  const section = problems.section("generation", value);
  if (section === undefined) return undefined;
  const { numWritten: given = writtenField.default, ...settings } = section;
  const count = writtenField.check(given);
  if ("rule" in count) problems.add("generation.numWritten", count.rule, "CONFIG_VALUE");
  const resolved = problems.resolve("generation", generationTable, { maxNewTokens: longest, ...settings });
  return resolved && { ...resolved, numWritten: "value" in count ? count.value : 0 };
}

const trainDefaults = { numEpochs: 3, learningRate: 5e-5 };

/**
 * Checks a recipe as a whole.
 * @param where what messages call it
 * @throws {ConfigError} all problems of all sections together, with their dotted paths
 */
export function checkFinetuneRecipe(recipe: Section, where: string): FinetuneRecipe {
  const problems = new Problems();
  const writes = isSection(recipe.task) && recipe.task.name === "sequenceToSequence";
  const keys = [
    "kind",
    "outputDir",
    "model",
    "tokenizer",
    "task",
    "data",
    "transfer",
    "crossView",
    "train",
    "seeds",
    "engine",
  ];
  problems.knownKeys("", recipe, [...keys, ...(writes ? ["generation"] : [])]);
  const place = checkRunPlace(problems, recipe, "the folder of a pre-trained model");
  const task = checkTask(problems, recipe.task);
  checkTaskParts(problems, recipe, writes);
  const data = problems.resolve("data", dataTable, recipe.data);
  const kind = isSection(recipe.task) ? (recipe.task.name ?? "textClassification") : undefined;
  const layout = kind === "tokenClassification" ? "tagged" : kind === "questionAnswering" ? "questions" : undefined;
  if (data !== undefined && layout !== undefined) {
    problems.addAll(layoutIssues(data, layout, (name) => `data.${name}`));
  }
  const extracts = kind === "textClassification" || kind === "textRegression";
  const figures = { figures: selectionFigures, usual: usualFigure(task), extracts };
  const transfer = checkTransfer(problems, recipe.transfer, figures);
  const crossView = checkCrossView(problems, recipe.crossView, extracts || kind === "tokenClassification");
  if (crossView !== null && transfer?.features !== undefined) {
    const message = "moves the model, which stands still with transfer.features. Leave out one of the two.";
    problems.add("crossView", message, "CONFIG_AMBIGUOUS");
  }
  const given = isSection(recipe.train) ? recipe.train : {};
  const { numEpochs, ...rest } = trainDefaults;
  const length = (given.maxSteps ?? null) === null ? { numEpochs } : {};
  const isSectionOrMissing = recipe.train === undefined || recipe.train === null || isSection(recipe.train);
  const train = problems.resolve(
    "train",
    trainOptionsTable,
    isSectionOrMissing ? { ...rest, ...length, ...given } : recipe.train,
  );
  const engine = problems.resolve("engine", engineTable, recipe.engine);
  const seeds = checkSeeds(problems, recipe, train?.seed ?? 1);
  const longest = task !== undefined && "maxTargetLength" in task ? task.maxTargetLength : undefined;
  const generation = longest === undefined ? undefined : checkGeneration(problems, recipe.generation, longest);
  problems.raise(where);
  return {
    kind: "finetune",
    ...place,
    task: task!,
    data: data!,
    transfer: transfer!,
    crossView,
    train: train!,
    seeds,
    engine: engine!,
    ...(generation === undefined ? {} : { generation }),
  };
}
