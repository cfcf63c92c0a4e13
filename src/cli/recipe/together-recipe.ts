/** @file What a recipe of several tasks over one encoder may say; all of it is checked before anything is done. */
import { type HeadOption, type MixingOptions, stochasticAnswerDefaults } from "../../api/together-task.ts";
import { nearestName } from "../../base/errors.ts";
import {
  type ConfigOf,
  choiceField,
  defineFields,
  integerField,
  nullableField,
  numberField,
  showValue,
} from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";
import { classificationFigures, regressionFigures } from "../../tasks/index.ts";
import { rankingFigures } from "../../tasks/ranking-evaluation.ts";
import { taggingFigureNames } from "../../tasks/tagging-evaluation.ts";
import { type TrainOptions, trainOptionsTable } from "../../train/options.ts";
import { type CrossViewRecipe, checkCrossView } from "../settings/cross-view.ts";
import { type EngineSettings, engineTable } from "../settings/engine.ts";
import { layoutIssues } from "../settings/file-layout.ts";
import { type RankingTaskSettings, rankingTaskTable } from "../settings/ranking-task.ts";
import { type TaggingTaskSettings, taggingTaskTable } from "../settings/tagging-task.ts";
import { type TaskSettings, taskTable } from "../settings/task.ts";
import { checkTransfer, type TransferSettings } from "../settings/transfer.ts";
import { dataTable } from "./finetune-recipe.ts";
import { isSection, Problems, type Section } from "./problems.ts";
import { checkRunPlace, checkSeeds } from "./run-place.ts";

/** A head as a recipe names it: a word, or a section with its kind. */
export const answerHeadTable = defineConfig({
  name: "head",
  fields: defineFields({
    kind: choiceField(["stochasticAnswer"], { default: "stochasticAnswer", doc: "The only kind with settings." }),
    numSteps: integerField({ default: stochasticAnswerDefaults.numSteps, min: 1, doc: "Readings of the first text." }),
    stepDropout: numberField({
      default: stochasticAnswerDefaults.stepDropout,
      min: 0,
      max: 0.99,
      doc: "Share of the readings that training leaves out.",
    }),
    dropout: numberField({ default: stochasticAnswerDefaults.dropout, min: 0, max: 0.99, doc: "Before the answers." }),
  }),
});

export const mixingTable = defineConfig({
  name: "mixing",
  fields: defineFields({
    exponent: numberField({
      default: 1,
      min: 0,
      max: 1,
      doc: "Batches are in proportion to (examples) ^ exponent: 1 all examples once, 0 as many batches of each task.",
    }),
    finalExponent: nullableField(numberField({ min: 0, max: 1, doc: "Of the last epoch; null: it stays." })),
    maxExamples: nullableField(integerField({ min: 1, doc: "A task counts as having at most so many." })),
  }),
});

/** One of the tasks of a recipe: what a recipe of it alone has, and what stands upon the shared encoder for it. */
export interface RecipeTask {
  readonly task: TaskSettings | RankingTaskSettings | TaggingTaskSettings;
  readonly data: ConfigOf<typeof dataTable.fields>;
  readonly head: HeadOption | null;
  /** Null: the task's first figure. */
  readonly figure: string | null;
}

/** A whole, checked recipe; written as YAML it is a recipe again. */
export interface TogetherRecipe {
  readonly kind: "finetune";
  readonly outputDir: string;
  readonly model: string;
  /** Null: the model's own. */
  readonly tokenizer: string | null;
  readonly tasks: Readonly<Record<string, RecipeTask>>;
  readonly mixing: Required<MixingOptions>;
  readonly transfer: TransferSettings;
  /** Texts without labels that are learnt from too, by all tasks together; null: none. */
  readonly crossView: CrossViewRecipe | null;
  readonly train: TrainOptions;
  /** Training of each task alone that follows; null: none. */
  readonly single: TrainOptions | null;
  readonly seeds: readonly number[];
  readonly engine: EngineSettings;
}

/** The higher of a figure must be the better, since it goes into an average. */
const figuresOf: Readonly<Record<string, readonly string[]>> = {
  textClassification: classificationFigures.filter((name) => name !== "loss"),
  textRegression: regressionFigures.filter((name) => name !== "loss" && name !== "meanSquaredError"),
  textRanking: rankingFigures.filter((name) => name !== "loss"),
  tokenClassification: taggingFigureNames.filter((name) => name !== "loss"),
};

function checkHead(problems: Problems, path: string, value: unknown): HeadOption | null {
  if (value === undefined || value === null) return null;
  if (value === "linear" || value === "stochasticAnswer") return value;
  if (isSection(value)) {
    return (problems.resolve(path, answerHeadTable, value) as HeadOption | undefined) ?? null;
  }
  const message = `must be linear, stochasticAnswer, or a section with its settings; got ${showValue(value)}.`;
  problems.add(path, message, "CONFIG_VALUE");
  return null;
}

const taskKinds = Object.keys(figuresOf);

/** The settings of a task of a kind. */
function taskSettings(problems: Problems, path: string, value: unknown, name: unknown): RecipeTask["task"] | undefined {
  if (name === "tokenClassification") return problems.resolve(path, taggingTaskTable, value);
  if (name === "textRanking") return problems.resolve(path, rankingTaskTable, value);
  return problems.resolve(path, taskTable, value);
}

function checkTask(problems: Problems, path: string, value: unknown): RecipeTask | undefined {
  const section = problems.section(path, value);
  if (section === undefined) return undefined;
  problems.knownKeys(path, section, ["task", "data", "head", "figure"]);
  const name = isSection(section.task) ? section.task.name : undefined;
  if (typeof name === "string" && !taskKinds.includes(name)) {
    const near = nearestName(name, taskKinds);
    const hint = near === undefined ? "" : ` Did you mean ${near}?`;
    const message = `must be one of ${taskKinds.join(", ")} among several tasks; got ${showValue(name)}.${hint}`;
    problems.add(`${path}.task.name`, message, "CONFIG_VALUE");
    return undefined;
  }
  const task = taskSettings(problems, `${path}.task`, section.task, name);
  const data = problems.resolve(`${path}.data`, dataTable, section.data);
  for (const key of ["trainTarget", "evalTarget"] as const) {
    if (data !== undefined && data[key] !== null) {
      problems.add(`${path}.data.${key}`, "is for task.name sequenceToSequence only.", "CONFIG_AMBIGUOUS");
    }
  }
  if (data !== undefined && name === "tokenClassification") {
    problems.addAll(layoutIssues(data, "tagged", (key) => `${path}.data.${key}`));
  }
  const head = checkHead(problems, `${path}.head`, section.head);
  if (name === "tokenClassification" && head !== null) {
    problems.add(`${path}.head`, "is a tagger's own. Leave it out.", "CONFIG_UNSUPPORTED");
  }
  const { figure = null } = section;
  const known = figuresOf[typeof name === "string" ? name : "textClassification"]!;
  if (figure !== null && !(typeof figure === "string" && known.includes(figure))) {
    problems.add(`${path}.figure`, `must be one of ${known.join(", ")}; got ${showValue(figure)}.`, "CONFIG_VALUE");
  }
  return task && data && { task, data, head, figure: figure as string | null };
}

/** The tasks that are learnt: those named by `only`, or all. */
function checkTasks(problems: Problems, recipe: Section): Record<string, RecipeTask> {
  const given = problems.section("tasks", recipe.tasks) ?? {};
  const names = Object.keys(given);
  if (names.length === 0) {
    problems.add("tasks", "must name a task at least, each a section with task: and data:.", "CONFIG_MISSING");
  }
  const { only = null } = recipe;
  if (only !== null && !(Array.isArray(only) && only.length > 0)) {
    problems.add("only", `must be a list of names of tasks; got ${showValue(only)}.`, "CONFIG_VALUE");
  }
  const wanted: readonly unknown[] = Array.isArray(only) ? only : names;
  for (const name of wanted) {
    if (typeof name === "string" && names.includes(name)) continue;
    const message = `must name tasks of the recipe: ${names.join(", ")}; got ${showValue(name)}.`;
    problems.add("only", message, "CONFIG_VALUE");
  }
  // What is not learnt is checked all the same.
  const checked = names.map((name) => [name, checkTask(problems, `tasks.${name}`, given[name])] as const);
  return Object.fromEntries(checked.flatMap(([name, task]) => (task && wanted.includes(name) ? [[name, task]] : [])));
}

const trainDefaults = { numEpochs: 3, learningRate: 5e-5 };

/** Options of training; those of the section over those of another. */
function checkTrain(problems: Problems, path: string, value: unknown, under: Section): TrainOptions | undefined {
  const given = problems.section(path, value);
  if (given === undefined) return undefined;
  // Steps replace epochs, and epochs steps.
  const length = (given.maxSteps ?? null) === null ? {} : { numEpochs: null };
  const epochs = (given.numEpochs ?? null) === null ? {} : { maxSteps: null };
  return problems.resolve(path, trainOptionsTable, { ...under, ...length, ...epochs, ...given });
}

/**
 * Checks a recipe as a whole.
 * @param where what messages call it
 * @throws {ConfigError} all problems of all sections together, with their dotted paths
 */
export function checkTogetherRecipe(recipe: Section, where: string): TogetherRecipe {
  const problems = new Problems();
  const keys = ["kind", "outputDir", "model", "tokenizer", "tasks", "only", "mixing", "transfer", "train", "single"];
  problems.knownKeys("", recipe, [...keys, "crossView", "seeds", "engine"]);
  const place = checkRunPlace(problems, recipe, "the folder of a pre-trained model, or of one of several tasks");
  const tasks = checkTasks(problems, recipe);
  const mixing = problems.resolve("mixing", mixingTable, recipe.mixing);
  const transfer = checkTransfer(problems, recipe.transfer, { figures: ["average"], usual: "average" });
  const crossView = checkCrossView(problems, recipe.crossView, true);
  const train = checkTrain(problems, "train", recipe.train, trainDefaults);
  const hasSingle = recipe.single !== undefined && recipe.single !== null;
  const single = hasSingle && train !== undefined ? checkTrain(problems, "single", recipe.single, train) : null;
  if (mixing !== undefined && mixing.finalExponent !== null && train?.numEpochs === null) {
    const message = "needs train.numEpochs: it says which exponent the last epoch has. Leave maxSteps out.";
    problems.add("mixing.finalExponent", message, "CONFIG_AMBIGUOUS");
  }
  const engine = problems.resolve("engine", engineTable, recipe.engine);
  const seeds = checkSeeds(problems, recipe, train?.seed ?? 1);
  problems.raise(where);
  return {
    kind: "finetune",
    ...place,
    tasks,
    mixing: mixing!,
    transfer: transfer!,
    crossView,
    train: train!,
    single: single ?? null,
    seeds,
    engine: engine!,
  };
}
