/** @file k-fold cross-validation of one setting. */
import { formatSpread, type Spread, spread } from "../evaluation/index.ts";
import { type ReportSection, renderReport } from "../report/index.ts";
import { FactFolder } from "./fact-folder.ts";
import { type DataUnit, type FoldParts, foldParts } from "./folds.ts";
import { textTable } from "./text-table.ts";

/** One run that a cross-validation asks for. */
export interface FoldPlace extends FoldParts {
  /** From 1. */
  readonly fold: number;
  readonly seed: number;
  /** The run's own folder; undefined where nothing is kept. */
  readonly outputDir: string | undefined;
}

export interface CrossValidationOptions {
  /** The items of the training data. */
  readonly units: readonly DataUnit[];
  /** 5 by default. */
  readonly folds?: number | undefined;
  /** Of the division; 0 by default. */
  readonly seed?: number | undefined;
  /** Each fold is run with each of these; 1 by default. */
  readonly seeds?: readonly number[] | undefined;
  /** Share of a fold's training part that is kept apart for choosing weights and stopping; 0, none, by default. */
  readonly devShare?: number | undefined;
  /** A call for a folder that holds a part of the same work goes on there. */
  readonly outputDir?: string | undefined;
  /** What else decides the results; a folder with others is refused. */
  readonly facts?: object | undefined;
  /** Fine-tunes on `train`, chooses by `dev`, and tells the figures on `test`; undefined where it was interrupted. */
  readonly run: (place: FoldPlace) => Promise<Readonly<Record<string, number>> | undefined>;
  readonly onRun?: ((run: FoldRun) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** One run's figures on its fold. */
export interface FoldRun {
  readonly fold: number;
  readonly seed: number;
  readonly numTrain: number;
  readonly numDev: number;
  readonly numTest: number;
  readonly figures: Readonly<Record<string, number>>;
}

export interface CrossValidation {
  readonly folds: number;
  readonly runs: readonly FoldRun[];
  /** Mean and sample standard deviation over all runs. */
  readonly figures: Readonly<Record<string, Spread>>;
  readonly end: "finished" | "interrupted";
  /** How the data were divided and the weights chosen, in words. */
  readonly division: string;
}

function divisionText(units: readonly DataUnit[], folds: number, devShare: number, seed: number): string {
  const isStratified = units.some(({ stratum }) => stratum !== undefined);
  const isGrouped = units.some(({ group }) => group !== undefined);
  const how = [isStratified ? "every class spread evenly" : "", isGrouped ? "items of one text together" : ""];
  const dev =
    devShare === 0
      ? "nothing was chosen by figures"
      : `weights were chosen on ${(100 * devShare).toFixed(0)} % of each fold's training part`;
  const details = how.filter((text) => text !== "").join(", ");
  return `${units.length} items in ${folds} folds (seed ${seed}${details === "" ? "" : `; ${details}`}); ${dev}; each fold was tested once, by models that had not seen it.`;
}

/**
 * Tests a setting on every fold of its data, each time by a model that learnt from the others.
 *
 * The division is a function of the seed. All results are facts in the folder: what was killed goes on.
 * @throws {ConfigError} FOLDS_TOO_MANY, CONFIG_RANGE
 * @throws {CheckpointError} RUN_MISMATCH, OUTPUT_EXISTS
 */
export async function crossValidate(options: CrossValidationOptions): Promise<CrossValidation> {
  const { units, folds = 5, seed = 0, seeds = [1], devShare = 0, outputDir, onRun, signal } = options;
  const parts = foldParts(units, { folds, seed, devShare });
  const identity = {
    ...{ kind: "crossValidation", folds, seed, seeds, devShare, numUnits: units.length, facts: options.facts ?? null },
  };
  const facts = await FactFolder.open(outputDir, "folds.json", identity);
  const runs: FoldRun[] = [];
  let end: CrossValidation["end"] = "finished";
  for (const own of seeds.flatMap((runSeed) =>
    parts.map((part) => ({ ...part, fold: part.fold + 1, seed: runSeed })),
  )) {
    const name = `fold-${own.fold}-seed-${own.seed}`;
    const known = await facts.read<FoldRun>(name);
    if (known !== undefined) {
      runs.push(known);
      continue;
    }
    const figures = signal?.aborted === true ? undefined : await options.run({ ...own, outputDir: facts.path(name) });
    if (figures === undefined) {
      end = "interrupted";
      break;
    }
    const sizes = { numTrain: own.train.length, numDev: own.dev.length, numTest: own.test.length };
    const run = { fold: own.fold, seed: own.seed, ...sizes, figures };
    await facts.write(name, run);
    runs.push(run);
    onRun?.(run);
  }
  const names = Object.keys(runs[0]?.figures ?? {});
  const spreads = names.map((name) => [name, spread(runs.map(({ figures }) => figures[name] ?? Number.NaN))] as const);
  return {
    folds,
    runs,
    figures: Object.fromEntries(spreads),
    end,
    division: divisionText(units, folds, devShare, seed),
  };
}

function rowsOf({ runs, figures }: CrossValidation): { readonly head: string[]; readonly rows: string[][] } {
  const names = Object.keys(figures);
  const rows = runs.map(({ fold, seed, numTrain, numTest, figures: own }) => [
    ...[fold, seed, numTrain, numTest].map(String),
    ...names.map((name) => (own[name] ?? Number.NaN).toFixed(4)),
  ]);
  return { head: ["fold", "seed", "train", "test", ...names], rows };
}

/** A cross-validation as plain text. */
export function crossValidationText(result: CrossValidation): string {
  const { head, rows } = rowsOf(result);
  const means = Object.entries(result.figures).map(([name, own]) => `${name} ${formatSpread(own, 4)}`);
  const over = result.end === "finished" ? "" : "\nInterrupted: the same command goes on.";
  return `${textTable(head, rows)}\n\nMean ± sample deviation: ${means.join(", ")}\n${result.division}${over}\n`;
}

/** A cross-validation as a page. */
export function crossValidationReport(result: CrossValidation, { title = "Cross-validation" } = {}): string {
  const { head, rows } = rowsOf(result);
  const seeds = [...new Set(result.runs.map(({ seed }) => seed))];
  const bars = Object.keys(result.figures).map((name): ReportSection => {
    const valuesOf = (fold: number): number[] =>
      result.runs.filter((run) => run.fold === fold).map(({ figures }) => figures[name] ?? Number.NaN);
    const folds = Array.from({ length: result.folds }, (_, i) => ({ name: `fold ${i + 1}`, values: valuesOf(i + 1) }));
    const all = { name: "all", values: result.runs.map(({ figures }) => figures[name] ?? Number.NaN) };
    return { kind: "bars", title: name, label: `${name} on the fold held out`, bars: [...folds, all], digits: 4 };
  });
  return renderReport({
    title,
    subtitle: `${result.folds} folds, ${seeds.length === 1 ? `seed ${seeds[0]}` : `seeds ${seeds.join(", ")}`}`,
    sections: [
      {
        kind: "figures",
        figures: Object.entries(result.figures).map(([label, own]) => ({ label, value: formatSpread(own, 4) })),
      },
      { kind: "text", title: "Division", paragraphs: [result.division] },
      ...bars.slice(0, 1),
      { kind: "table", title: "Runs", columns: head.map((label) => ({ label })), rows },
    ],
  });
}
