/** @file The search for the best settings of a fine-tuning: any task, since all it sees is a run's figures on held-out data. */
import { ConfigError, type ConfigIssue } from "../base/errors.ts";
import { FactFolder } from "./fact-folder.ts";
import { type PlannedTrial, type SearchEnd, SearchRun, type SearchSpec } from "./search-run.ts";
import { gridSettings, numSettings, randomSettings, spaceIssues } from "./space.ts";
import { stopRuleIssues } from "./stop-rule.ts";
import { rankTrials, type SelectionFigure, type Trial } from "./trial.ts";

export type { SearchSpec, TrialPlace } from "./search-run.ts";

export interface SearchResult extends SelectionFigure {
  readonly method: "grid" | "random";
  /** Settings that were to be tried, and those of which a run was begun. */
  readonly planned: number;
  readonly trials: readonly Trial[];
  /** Of the finished ones the best; undefined without any. */
  readonly best: Trial | undefined;
  readonly end: SearchEnd;
  /** Computing, over all starts. */
  readonly seconds: number;
  /** How the best was chosen, in words. */
  readonly selection: string;
}

function plannedSettings({
  space,
  method = "random",
  maxTrials,
  seed = 0,
  stop,
  seeds,
  folds,
  maxMinutes,
}: SearchSpec) {
  const issues: ConfigIssue[] = [...spaceIssues(space, method === "grid"), ...stopRuleIssues(stop ?? { kind: "none" })];
  const check = (path: string, isRight: boolean, message: string): void => {
    if (!isRight) issues.push({ path, message, code: "CONFIG_RANGE" });
  };
  const isCount = (value: number | undefined): boolean =>
    value === undefined || (Number.isInteger(value) && value >= 1);
  check("maxTrials", isCount(maxTrials), `must be a whole number ≥ 1; got ${maxTrials}.`);
  check("maxMinutes", maxMinutes === undefined || maxMinutes > 0, `must be above 0; got ${maxMinutes}.`);
  check(
    "folds",
    folds === undefined || (Number.isInteger(folds) && folds >= 2),
    `must be a whole number ≥ 2; got ${folds}.`,
  );
  check(
    "seeds",
    seeds === undefined || (seeds.length > 0 && new Set(seeds).size === seeds.length),
    `must be different seeds, one at least; got ${JSON.stringify(seeds)}.`,
  );
  check(
    "maxTrials",
    method === "grid" || maxTrials !== undefined || Number.isFinite(numSettings(space)),
    "must be given: the space has no end of settings. Use for example 20.",
  );
  if (issues.length > 0) throw new ConfigError("search", issues);
  const most = maxTrials ?? Number.POSITIVE_INFINITY;
  const settings =
    method === "grid" ? gridSettings(space).slice(0, most) : randomSettings(space, { seed, count: most });
  return settings.map((own, i): PlannedTrial => ({ number: i + 1, settings: own }));
}

function selectionText({ figure, higherIsBetter, stop = { kind: "none" }, ...options }: SearchSpec): string {
  const { seeds = [1], folds } = options;
  const over = `${seeds.length === 1 ? `seed ${seeds[0]}` : `seeds ${seeds.join(", ")}`}${folds === undefined ? "" : ` and ${folds} folds`}`;
  const rules = {
    none: "no trial was ended by comparison with others",
    median: "runs worse than the median of earlier trials at the same share of steps were ended",
    halving: "by successive halving: only the best at each stage ran on",
  };
  const where = folds === undefined ? "on the held-out data" : "on the folds held out";
  return `${higherIsBetter ? "highest" : "lowest"} mean ${figure} ${where} over ${over}, each run with the weights it selected; of equals the earlier; ${rules[stop.kind]}. The best is chosen by the same figures that are told, so they flatter it: tell its quality by data that were not used here.`;
}

/**
 * Searches for the settings with the best figure on held-out data.
 *
 * Runs one setting after the other, each with every seed and fold. All results are facts in the folder: a search that was killed
 * and is called again goes on with the run in progress from its checkpoint, with the same draws. A setting that diverges
 * (NOT_FINITE) or needs too much memory (MEMORY_EXCEEDED) counts as failed; other errors end the search.
 * @throws {ConfigError} SEARCH_SPACE, CONFIG_RANGE: all problems together
 * @throws {CheckpointError} RUN_MISMATCH where the folder holds another search, OUTPUT_EXISTS
 * @source Bergstra & Bengio 2012, JMLR 13 (random search)
 */
export async function search(options: SearchSpec): Promise<SearchResult> {
  const { figure, higherIsBetter, method = "random", stop = { kind: "none" }, space } = options;
  const planned = plannedSettings(options);
  if (stop.kind === "halving" && options.outputDir === undefined) {
    const message = "must be given: successive halving goes on with runs from their checkpoints.";
    throw new ConfigError("search", [{ path: "outputDir", message, code: "CONFIG_MISSING" }]);
  }
  const identity = {
    ...{ kind: "search", space, method, seed: options.seed ?? 0, seeds: options.seeds ?? [1] },
    ...{ folds: options.folds ?? null, stop, figure, higherIsBetter, facts: options.facts ?? null },
    // The stages depend on how many there are.
    ...(stop.kind === "halving" ? { maxTrials: planned.length } : {}),
  };
  const facts = await FactFolder.open(options.outputDir, "search.json", identity);
  const run = new SearchRun(options, facts, planned);
  const end = await run.go();
  const trials = await run.begun();
  return {
    ...{ figure, higherIsBetter, method, planned: planned.length, trials, end, seconds: run.seconds },
    best: rankTrials(trials, options)[0],
    selection: selectionText(options),
  };
}
