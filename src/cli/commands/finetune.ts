import { type Command, InvalidArgumentError } from "commander";
import { formatSpread, spread } from "../../evaluation/index.ts";
import { type Given, runs } from "../define-command.ts";
import { table } from "../number-text.ts";
import { formatBytes, formatDuration } from "../progress/index.ts";
import { checkFinetuneRecipe } from "../recipe/finetune-recipe.ts";
import { isSection, type Section } from "../recipe/problems.ts";
import { addRecipeOptions, givenRecipe } from "../recipe/recipe-options.ts";
import { type FinetuneOutcome, runFinetune } from "../recipe/run-finetune.ts";
import { peakRssBytes } from "../steps.ts";

function parseSeeds(text: string): number[] {
  const seeds = text.split(",").map(Number);
  if (seeds.every((seed) => Number.isInteger(seed) && seed >= 0)) return seeds;
  throw new InvalidArgumentError("must be whole numbers with commas, as 1,2,3.");
}

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
  const tail: [string, string][] = [
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
    .option("--seeds <list>", "one run for each, in <outputDir>/seed-<n>, and the spread of their figures", parseSeeds);
  return runs(command, async (session, given, [path]) => {
    const recipe = checkFinetuneRecipe(withSwitches(await givenRecipe(path!, given, "finetune"), given), path!);
    const started = performance.now();
    const outcomes = await runFinetune(session, recipe);
    const seconds = (performance.now() - started) / 1000;
    const figures = outcomes.flatMap(({ figures: found }) => (found === undefined ? [] : [found]));
    const result = {
      outputDir: recipe.outputDir,
      runs: outcomes.map(({ seed, run, evaluation, modelFolder }) => ({
        seed,
        reason: run.reason,
        steps: run.steps,
        selectedStep: run.selectedStep,
        model: modelFolder ?? null,
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
