/** @file Carries out a search over the settings of a fine-tuning recipe. */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { ConfigError } from "../../base/errors.ts";
import { writeFileAtomic } from "../../formats/atomic.ts";
import {
  assignFolds,
  type Dimension,
  type SearchResult,
  type SearchSettings,
  search,
  searchReport,
  searchText,
  type Trial,
  type TrialPlace,
} from "../../selection/index.ts";
import { gridValues } from "../../selection/space.ts";
import { isBetter, lowerIsBetter, runName } from "../../selection/trial.ts";
import type { Session } from "../session.ts";
import { checkFinetuneRecipe, type FinetuneRecipe } from "./finetune-recipe.ts";
import { dropCheckpoints, recipeFacts, runOne, withManyRuns } from "./many-runs.ts";
import type { Section } from "./problems.ts";
import { applyOverrides } from "./read-recipe.ts";
import { openRecipeData, type RecipeData, sourcePart, trainingItems, withLabels } from "./recipe-data.ts";
import { type SearchRecipe, stopRule } from "./search-recipe.ts";

/** What comes of a search. */
export interface SearchOutcome {
  readonly result: SearchResult;
  /** Recipe of the best setting; undefined where none was finished. */
  readonly bestRecipe: string | undefined;
  /** The best run's model; undefined with folds, whose models have not seen all data. */
  readonly model: string | undefined;
}

const names = { report: "report.html", text: "report.txt", best: "best.yaml" } as const;

/** Some values of a dimension, its ends among them. */
function sampleValues(dimension: Dimension) {
  if (dimension.kind === "choice") return dimension.values;
  return [dimension.low, dimension.high, ...(gridValues(dimension)?.slice(0, 3) ?? [])];
}

/** The recipe of a setting. */
function recipeOf(section: Section, settings: SearchSettings, where: string): FinetuneRecipe {
  const recipe = checkFinetuneRecipe(applyOverrides(section, Object.entries(settings)), where);
  // Written texts are for the end, not for choosing.
  return recipe.generation === undefined ? recipe : { ...recipe, generation: { ...recipe.generation, numWritten: 0 } };
}

/**
 * Checks that every setting of a space is one of the recipe.
 * @throws {ConfigError} all problems of the first value that has any
 */
function checkSpace(section: Section, { space }: SearchRecipe, where: string): FinetuneRecipe {
  const first = Object.fromEntries(Object.entries(space).map(([name, own]) => [name, sampleValues(own)[0] ?? null]));
  const recipe = recipeOf(section, first, where);
  for (const [name, dimension] of Object.entries(space)) {
    if (/^(outputDir|seeds|engine|kind|train\.seed)\b/.test(name)) {
      const message = "cannot be searched. Leave it out; seeds are given by seeds.";
      throw new ConfigError(where, [{ path: `search.space.${name}`, message, code: "SEARCH_SPACE" }]);
    }
    for (const value of sampleValues(dimension))
      recipeOf(section, { ...first, [name]: value }, `${where} with ${name}`);
  }
  return recipe;
}

interface FoldData {
  readonly data: RecipeData;
  readonly labels: readonly string[] | undefined;
}

/** What each fold learns from and is measured on. */
async function foldData(recipe: FinetuneRecipe, folds: number): Promise<FoldData[]> {
  const { train } = await openRecipeData(recipe);
  const { units, labels } = await trainingItems(recipe, train);
  const assigned = assignFolds(units, folds, 0);
  return Array.from({ length: folds }, (_, fold) => {
    const part = (isHeld: boolean) =>
      sourcePart(
        train,
        units.filter((_unit, i) => (assigned[i] === fold) === isHeld),
      );
    return { data: { train: part(false), eval: part(true) }, labels };
  });
}

/** Removes what only a model that is not the best leaves: checkpoints and weights. */
async function dropModels(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  for (const entry of entries.filter((own) => own.isDirectory())) {
    const run = join(folder, entry.name);
    await dropCheckpoints(run);
    await rm(join(run, "model"), { recursive: true, force: true });
  }
}

/**
 * Searches over the settings of a recipe.
 * @param section the recipe as it was given, without its section `search`
 * @throws {ConfigError} all problems together
 */
export async function runSearch(
  session: Session,
  section: Section,
  settings: SearchRecipe,
  where: string,
): Promise<SearchOutcome> {
  const base = checkSpace(section, settings, where);
  const { outputDir, seeds, transfer } = base;
  const { method, maxTrials, maxMinutes, drawSeed, folds, space, keep } = settings;
  if (folds === null && base.data.eval === null) {
    const message = "must be given, or folds: settings are chosen by figures on held-out data.";
    throw new ConfigError(where, [{ path: "data.eval", message, code: "CONFIG_MISSING" }]);
  }
  const figure = transfer.selectionFigure;
  const rule = { figure, higherIsBetter: !lowerIsBetter.includes(figure) };
  return withManyRuns(session, base, async (place) => {
    const parts = folds === null ? undefined : await foldData(base, folds);
    const trialFolder = (number: number): string => join(outputDir, "trials", String(number).padStart(3, "0"));
    let best: Trial | undefined;
    const onTrial = async (trial: Trial): Promise<void> => {
      const isBest =
        trial.score !== undefined && (best === undefined || isBetter(trial.score.mean, best.score!.mean, rule));
      const worse = isBest ? best : trial;
      if (isBest) best = trial;
      if (keep === "best" && worse !== undefined) await dropModels(trialFolder(worse.number));
    };
    // Trials are tidied up after one another, while the next one runs.
    let tidying: Promise<void> = Promise.resolve();
    const run = async ({ number, settings: own, seed, fold, options }: TrialPlace) => {
      await tidying;
      const shown = Object.entries(own).map(([name, value]) => `${name} ${JSON.stringify(value)}`);
      session.say(`Trial ${number}, ${runName({ seed, fold })}: ${shown.join(", ")}`);
      const part = fold === null ? undefined : parts![fold - 1]!;
      const recipe = withLabels(recipeOf(section, own, where), part?.labels);
      const told = { ...place, session: session.alsoTelling(options.listener), signal: options.signal };
      const { outcome } = await runOne(recipe, told, { outputDir: options.outputDir!, seed, data: part?.data });
      return { run: outcome.run };
    };
    const result = await search({
      ...{
        ...rule,
        space,
        method,
        seed: drawSeed,
        seeds,
        outputDir,
        signal: place.signal,
        stop: stopRule(settings),
        run,
      },
      ...(maxTrials === null ? {} : { maxTrials }),
      ...(maxMinutes === null ? {} : { maxMinutes }),
      ...(folds === null ? {} : { folds }),
      facts: recipeFacts(base),
      onTrial: (trial, planned) => {
        const score = trial.score === undefined ? trial.state : `${figure} ${trial.score.mean.toFixed(4)}`;
        session.say(`Trial ${trial.number} of ${planned}: ${score}`);
        tidying = tidying.then(() => onTrial(trial));
      },
    });
    await tidying;
    return writeOutcome(result, { section, outputDir, hasFolds: folds !== null, where, rule, trialFolder });
  });
}

interface OutcomePlace {
  readonly section: Section;
  readonly outputDir: string;
  readonly hasFolds: boolean;
  readonly where: string;
  readonly rule: { readonly figure: string; readonly higherIsBetter: boolean };
  trialFolder(number: number): string;
}

async function writeOutcome(result: SearchResult, place: OutcomePlace): Promise<SearchOutcome> {
  const { section, outputDir, hasFolds, where, rule, trialFolder } = place;
  await writeFileAtomic(join(outputDir, names.report), searchReport(result, { title: `Search: ${where}` }));
  await writeFileAtomic(join(outputDir, names.text), searchText(result));
  const { best } = result;
  if (best === undefined) return { result, bestRecipe: undefined, model: undefined };
  const bestRecipe = join(outputDir, names.best);
  const settings = { ...best.settings, outputDir: join(outputDir, "best") };
  const recipe = checkFinetuneRecipe(applyOverrides(section, Object.entries(settings)), where);
  const head = `# The best setting of a search: trial ${best.number}, ${rule.figure} ${best.score!.mean.toFixed(4)}.`;
  await writeFileAtomic(bestRecipe, `${head}\n${stringify(JSON.parse(JSON.stringify(recipe)))}`);
  const figureOf = (run: (typeof best.runs)[number]): number => run.figures?.[rule.figure] ?? Number.NaN;
  const run = best.runs.reduce((top, own) => (isBetter(figureOf(own), figureOf(top), rule) ? own : top));
  const model = hasFolds ? undefined : join(trialFolder(best.number), runName(run), "model");
  return { result, bestRecipe, model };
}
