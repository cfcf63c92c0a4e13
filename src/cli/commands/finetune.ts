import type { Command } from "commander";
import { formatSpread, spread } from "../../evaluation/index.ts";
import { type Given, runs } from "../define-command.ts";
import { table } from "../number-text.ts";
import { formatBytes, formatDuration } from "../progress/index.ts";
import { explainRecipe } from "../recipe/explain-recipe.ts";
import { checkFinetuneRecipe } from "../recipe/finetune-recipe.ts";
import { isSection, type Section } from "../recipe/problems.ts";
import { addRecipeOptions, givenRecipe } from "../recipe/recipe-options.ts";
import { type FinetuneOutcome, runFinetune } from "../recipe/run-finetune.ts";
import { runTogether } from "../recipe/run-together.ts";
import { checkTogetherRecipe } from "../recipe/together-recipe.ts";
import { peakRssBytes } from "../steps.ts";
import { addManyOptions, finetuneMany, wantsMany } from "./finetune-many.ts";
import { parseSeeds } from "./seed-option.ts";

/** Puts the command's own switches into the recipe. */
function withSwitches(recipe: Section, given: Given): Section {
  const seeds = given.seeds === undefined ? {} : { seeds: given.seeds };
  if (given.fromScratch !== true) return { ...recipe, ...seeds };
  const transfer = { ...(isSection(recipe.transfer) ? recipe.transfer : {}), fromScratch: true };
  const isNamed = given.outputDir !== undefined || typeof recipe.outputDir !== "string";
  return { ...recipe, ...seeds, transfer, ...(isNamed ? {} : { outputDir: `${recipe.outputDir}-scratch` }) };
}

function outcomeText(outcomes: readonly FinetuneOutcome[], seconds: number): string {
  const rows: [string, string][] = outcomes.map((outcome) => {
    const { run, modelFolder, seed } = outcome;
    const { reason, steps } = run;
    return [`seed ${seed}`, `${reason} after ${steps} steps; ${modelFolder ?? "the same command goes on"}`];
  });
  const figures = outcomes.flatMap(({ figures: found }) => (found === undefined ? [] : [found]));
  const summary = Object.keys(figures[0] ?? {}).map((name): [string, string] => [
    name,
    formatSpread(spread(figures.map((found) => found[name]!)), 4),
  ]);
  const pages = outcomes.flatMap(({ files = [] }) => files.filter((file) => file.endsWith(".html")));
  const tail: [string, string][] = [
    ...pages.map((page): [string, string] => ["errors", page]),
    ["time", formatDuration(seconds)],
    ["peak memory", formatBytes(peakRssBytes())],
  ];
  const only = outcomes.length === 1 ? outcomes[0]!.report : undefined;
  const head = only === undefined ? "" : `${only}\n`;
  return head + table([...rows, ...(only === undefined ? summary : []), ...tail]);
}

/** `firth finetune RECIPE`. */
export function finetuneCommand(command: Command): Command {
  addRecipeOptions(command.description("fine-tune a pre-trained model for a task, with held-out figures"))
    .option("--from-scratch", "the control: the same network with new weights, in <outputDir>-scratch")
    .option("--explain", "tell what trains when, at which rate and with which losses, and train nothing")
    .option("--seeds <list>", "one run for each, in <outputDir>/seed-<n>, and the spread of their figures", parseSeeds)
    .option(
      "--no-predictions",
      "do not write what the model says of each held-out item, and the page about its errors",
    );
  addManyOptions(command);
  return runs(command, async (session, given, [path]) => {
    const { search: searched, ...section } = withSwitches(await givenRecipe(path!, given, "finetune"), given);
    if (searched !== undefined) {
      session.say("The section search is for firth search; this is the recipe's own setting.");
    }
    if (wantsMany(given)) {
      await finetuneMany(session, section, given, path!);
      return;
    }
    const isTogether = section.tasks !== undefined;
    const recipe = isTogether ? checkTogetherRecipe(section, path!) : checkFinetuneRecipe(section, path!);
    if (given.explain === true) {
      const explanation = await explainRecipe(session, recipe);
      session.result(explanation, explanation.text);
      return;
    }
    const started = performance.now();
    const outcomes = await ("tasks" in recipe
      ? runTogether(session, recipe)
      : runFinetune(session, recipe, { judges: given.predictions !== false }));
    const seconds = (performance.now() - started) / 1000;
    const figures = outcomes.flatMap(({ figures: found }) => (found === undefined ? [] : [found]));
    const result = {
      outputDir: recipe.outputDir,
      runs: outcomes.map(({ seed, run, evaluation, modelFolder, files }) => ({
        seed,
        reason: run.reason,
        steps: run.steps,
        selectedStep: run.selectedStep,
        model: modelFolder ?? null,
        files: files ?? [],
        evaluation: evaluation ?? null,
      })),
      figures: Object.fromEntries(
        Object.keys(figures[0] ?? {}).map((name) => [name, spread(figures.map((found) => found[name]!))]),
      ),
      seconds,
      peakRssBytes: peakRssBytes(),
    };
    session.result(result, outcomeText(outcomes, seconds));
  });
}
