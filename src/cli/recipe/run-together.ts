/** @file Carries out a recipe of several tasks: together, and then each alone where the recipe says so. */
import { join } from "node:path";
import {
  type FinetunedTogether,
  type FinetuneTogetherOptions,
  finetuneTogether,
  type TogetherEvaluation,
  type TogetherTask,
} from "../../api/finetune-together.ts";
import { textClassification, textRegression } from "../../tasks/index.ts";
import type { AnyTextTask } from "../../tasks/merged-task.ts";
import { textRanking } from "../../tasks/text-ranking.ts";
import { loadTokenizer } from "../../tokenizers/load.ts";
import type { Tokenizer } from "../../tokenizers/tokenizer.ts";
import type { Session } from "../session.ts";
import { openTable } from "../settings/text.ts";
import type { FinetuneOutcome, SeedPlace } from "./finetune-outcome.ts";
import { runRecipeSeeds } from "./run-finetune.ts";
import type { RecipeTask, TogetherRecipe } from "./together-recipe.ts";

function learntTask({ task }: RecipeTask, tokenizer: Tokenizer): AnyTextTask {
  if (task.name === "textRanking") return textRanking({ ...task, tokenizer });
  const { name, labels, skipLabels, ...settings } = task;
  if (name === "textRegression") return textRegression({ ...settings, tokenizer });
  return textClassification({
    ...{ ...settings, tokenizer },
    ...(labels === null ? {} : { labels }),
    ...(skipLabels === null ? {} : { skipLabels }),
  });
}

/** A recipe's tasks with their tables. */
function togetherTasks({ tasks }: TogetherRecipe, tokenizer: Tokenizer): TogetherTask[] {
  return Object.entries(tasks).map(([name, given]) => {
    const { data, head, figure } = given;
    return {
      name,
      task: learntTask(given, tokenizer),
      train: openTable(data.train, data),
      ...(data.eval === null ? {} : { eval: openTable(data.eval, data) }),
      ...(head === null ? {} : { head }),
      ...(figure === null ? {} : { figure }),
    };
  });
}

/** The numbers of an evaluation, by `task.figure`. */
function figuresOf(
  evaluation: TogetherEvaluation | undefined,
  tasks: readonly TogetherTask[],
): Readonly<Record<string, number>> {
  const named = tasks.flatMap(({ name, task }) => {
    const result = evaluation?.[name];
    if (result === undefined) return [];
    const { means, loss } = task.trainingFigures(result);
    return Object.entries({ ...means, loss }).map(([figure, value]) => [`${name}.${figure}`, value] as const);
  });
  return Object.fromEntries(named);
}

/** A line for every task with all its figures; two columns where tasks were tuned alone afterwards. */
function reportText(
  tasks: readonly TogetherTask[],
  together: Readonly<Record<string, number>>,
  single: Readonly<Record<string, number>>,
): string {
  const hasSingle = Object.keys(single).length > 0;
  const rows = tasks.flatMap(({ name }) =>
    Object.keys(together)
      .filter((key) => key.startsWith(`${name}.`))
      .map((key) => {
        const figure = key.slice(name.length + 1);
        return [name, figure, together[key]!.toFixed(4), single[key]?.toFixed(4) ?? ""];
      }),
  );
  const header = ["task", "figure", "together", ...(hasSingle ? ["then alone"] : [])];
  const all = [header, ...rows.map((row) => row.slice(0, header.length))];
  const widths = header.map((_, i) => Math.max(...all.map((row) => row[i]!.length)));
  return all
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

async function togetherSeed(recipe: TogetherRecipe, { session, engine, signal }: SeedPlace): Promise<FinetuneOutcome> {
  const { model, outputDir, train, single, transfer, mixing } = recipe;
  const tokenizer = await loadTokenizer(recipe.tokenizer ?? model);
  const tasks = togetherTasks(recipe, tokenizer);
  const place = { engine, dtype: recipe.engine.dtype, signal };
  const learn = (
    start: string,
    own: readonly TogetherTask[],
    options: FinetuneTogetherOptions,
    folder: string,
  ): Promise<FinetunedTogether> =>
    session.watchTraining((listener) =>
      finetuneTogether(start, own, { ...options, ...place, outputDir: folder, listener }),
    );
  const save = async (learnt: FinetunedTogether, folder: string): Promise<string | undefined> => {
    if (learnt.run.reason === "interrupted") return undefined;
    await learnt.save(join(folder, "model"));
    return join(folder, "model");
  };
  const { selectionFigure: _average, ...strategy } = transfer;
  const learnt = await learn(model, tasks, { ...train, ...strategy, mixing }, outputDir);
  const modelFolder = await save(learnt, outputDir);
  const singles: Record<string, object | undefined> = {};
  let alone: Readonly<Record<string, number>> = {};
  for (const task of modelFolder === undefined || single === null ? [] : tasks) {
    if (signal.aborted) break;
    const folder = join(outputDir, "single", task.name);
    session.say(`${task.name} alone: ${folder}`);
    const tuned = await learn(modelFolder!, [task], { ...single, seed: train.seed }, folder);
    await save(tuned, folder);
    singles[task.name] = tuned.evaluation?.[task.name];
    alone = { ...alone, ...figuresOf(tuned.evaluation, [task]) };
  }
  const together = figuresOf(learnt.evaluation, tasks);
  const isMeasured = learnt.evaluation !== undefined;
  const renamed = Object.entries(alone).map(([name, value]) => [`alone.${name}`, value] as const);
  return {
    seed: train.seed,
    run: learnt.run,
    evaluation: isMeasured
      ? { together: learnt.evaluation, ...(single === null ? {} : { alone: singles }) }
      : undefined,
    figures: isMeasured ? { average: learnt.average!, ...together, ...Object.fromEntries(renamed) } : undefined,
    report: isMeasured ? `${reportText(tasks, together, alone)}\n` : undefined,
    modelFolder,
  };
}

/** Runs a recipe of several tasks: in its own folder, or with several seeds in one below it for each. */
export function runTogether(session: Session, recipe: TogetherRecipe): Promise<FinetuneOutcome[]> {
  return runRecipeSeeds(session, recipe, togetherSeed);
}
