/** @file Carries out a recipe of several tasks: together, and then each alone where the recipe says so. */
import { join } from "node:path";
import {
  type AnyTogetherTask,
  type FinetunedTogether,
  type FinetuneTogetherOptions,
  finetuneTogether,
} from "../../api/finetune-together.ts";
import { textClassification, textRegression } from "../../tasks/index.ts";
import type { AnyTextTask } from "../../tasks/merged-task.ts";
import { textRanking } from "../../tasks/text-ranking.ts";
import { tokenClassification } from "../../tasks/token-classification.ts";
import { loadTokenizer } from "../../tokenizers/load.ts";
import type { Tokenizer } from "../../tokenizers/tokenizer.ts";
import type { Session } from "../session.ts";
import { type LikeTask, openCrossViews } from "../settings/cross-view.ts";
import { openTagged, type TaggingTaskSettings, taggedReading } from "../settings/tagging-task.ts";
import { openTable } from "../settings/text.ts";
import { type FinetuneOutcome, modelPlace, type SeedPlace } from "./finetune-outcome.ts";
import { runRecipeSeeds } from "./run-finetune.ts";
import type { RecipeTask, TogetherRecipe } from "./together-recipe.ts";

function textTask(task: Exclude<RecipeTask["task"], TaggingTaskSettings>, tokenizer: Tokenizer): AnyTextTask {
  if (task.name === "textRanking") return textRanking({ ...task, tokenizer });
  const { name, labels, skipLabels, ...settings } = task;
  if (name === "textRegression") return textRegression({ ...settings, tokenizer });
  return textClassification({
    ...{ ...settings, tokenizer },
    ...(labels === null ? {} : { labels }),
    ...(skipLabels === null ? {} : { skipLabels }),
  });
}

/** A recipe's tasks with their files. */
function togetherTasks({ tasks }: TogetherRecipe, tokenizer: Tokenizer): AnyTogetherTask[] {
  return Object.entries(tasks).map(([name, given]): AnyTogetherTask => {
    const { task, data, head, figure } = given;
    if (task.name === "tokenClassification") {
      const { scheme, labels, maxSeqLength, overlap, packed, crf, constrained } = task;
      return {
        name,
        task: tokenClassification({
          ...{ tokenizer, maxSeqLength, overlap, packed, crf, constrained },
          labels: labels ?? undefined,
          scheme: scheme === "keep" ? null : scheme,
        }),
        train: openTagged(data.train, task, data),
        ...(data.eval === null ? {} : { eval: openTagged(data.eval, task, data) }),
        ...(figure === null ? {} : { figure }),
        reading: taggedReading(task),
      };
    }
    return {
      name,
      task: textTask(task, tokenizer),
      train: openTable(data.train, data),
      ...(data.eval === null ? {} : { eval: openTable(data.eval, data) }),
      ...(head === null ? {} : { head }),
      ...(figure === null ? {} : { figure }),
    };
  });
}

/** The numbers of an evaluation, by `task.figure`. */
function figuresOf({ evaluation, means }: FinetunedTogether): Readonly<Record<string, number>> {
  return evaluation === undefined || means === undefined
    ? {}
    : Object.fromEntries(Object.entries(means).filter(([name]) => name.includes(".")));
}

/** A line for every task with all its figures; two columns where tasks were tuned alone afterwards. */
function reportText(
  tasks: readonly AnyTogetherTask[],
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

/** How texts without labels are read: as the first tagger and the first task of texts read theirs. */
function likeTasks({ tasks }: TogetherRecipe): LikeTask {
  const all = Object.values(tasks);
  const tagging = all.flatMap(({ task }) => (task.name === "tokenClassification" ? [task] : []));
  const texts = all.flatMap(({ task }) => (task.name === "tokenClassification" ? [] : [task]));
  return { data: all[0]!.data, tagged: tagging[0], textColumns: texts[0]?.textColumns };
}

/** Carries out a recipe with one seed; its folder has been claimed. */
export async function togetherSeed(
  recipe: TogetherRecipe,
  { session, engine, signal }: SeedPlace,
): Promise<FinetuneOutcome> {
  const { model, outputDir, train, single, transfer, mixing } = recipe;
  const tokenizer = await loadTokenizer(recipe.tokenizer ?? model);
  const tasks = togetherTasks(recipe, tokenizer);
  const place = { engine, dtype: recipe.engine.dtype, signal };
  const learn = (
    start: string,
    own: readonly AnyTogetherTask[],
    options: FinetuneTogetherOptions,
    folder: string,
  ): Promise<FinetunedTogether> =>
    session.watchTraining((listener) =>
      finetuneTogether(start, own, { ...options, ...place, outputDir: folder, listener }),
    );
  const save = async (learnt: FinetunedTogether, folder: string): Promise<string | undefined> => {
    const place = modelPlace(folder, learnt.run);
    if (place !== undefined) await learnt.save(place);
    return place;
  };
  const { selectionFigure: _average, ...strategy } = transfer;
  const views = openCrossViews(recipe.crossView, likeTasks(recipe));
  const learnt = await learn(model, tasks, { ...train, ...strategy, ...views, mixing }, outputDir);
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
    alone = { ...alone, ...figuresOf(tuned) };
  }
  const together = figuresOf(learnt);
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
