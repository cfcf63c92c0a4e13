import { type Command, InvalidArgumentError } from "commander";
import { formatClassificationReport, formatSpread, spread } from "../../evaluation/index.ts";
import { type Given, runs } from "../define-command.ts";
import { table } from "../number-text.ts";
import { formatBytes, formatDuration } from "../progress/index.ts";
import { checkFinetuneRecipe } from "../recipe/finetune-recipe.ts";
import { isSection, type Section } from "../recipe/problems.ts";
import { addRecipeOptions, givenRecipe } from "../recipe/recipe-options.ts";
import { type FinetuneOutcome, runFinetune } from "../recipe/run-finetune.ts";
import { peakRssBytes } from "../steps.ts";

/** The figures of a run that are compared over seeds. */
function keyFigures({ finetuned }: FinetuneOutcome): Readonly<Record<string, number>> | undefined {
  const { evaluation } = finetuned;
  if (evaluation === undefined) return undefined;
  const { accuracy, matthews, macro, binary, loss } = evaluation;
  return { accuracy, f1: (binary ?? macro).f1, macroF1: macro.f1, matthews, loss };
}

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
    const { finetuned, modelFolder, seed } = outcome;
    const { reason, steps } = finetuned.run;
    return [`seed ${seed}`, `${reason} after ${steps} steps; ${modelFolder ?? "the same command goes on"}`];
  });
  const figures = outcomes.map(keyFigures).filter((found) => found !== undefined);
  const summary = Object.keys(figures[0] ?? {}).map((name): [string, string] => [
    name,
    formatSpread(spread(figures.map((found) => found[name]!)), 4),
  ]);
  const tail: [string, string][] = [
    ["time", formatDuration(seconds)],
    ["peak memory", formatBytes(peakRssBytes())],
  ];
  const only = outcomes.length === 1 ? outcomes[0]!.finetuned.evaluation : undefined;
  const head = only === undefined ? "" : `${formatClassificationReport(only)}\n`;
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
    const figures = outcomes.map(keyFigures).filter((found) => found !== undefined);
    const result = {
      outputDir: recipe.outputDir,
      runs: outcomes.map(({ seed, finetuned, modelFolder }) => ({
        seed,
        reason: finetuned.run.reason,
        steps: finetuned.run.steps,
        selectedStep: finetuned.run.selectedStep,
        model: modelFolder ?? null,
        evaluation: finetuned.evaluation ?? null,
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
