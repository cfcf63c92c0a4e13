/** @file What a model reaches with how many labelled items, pre-trained and from scratch. */
import { ConfigError, type ConfigIssue } from "../base/errors.ts";
import { formatSpread, spread } from "../evaluation/index.ts";
import { type LineChart, lineChartSvg, renderReport } from "../report/index.ts";
import { FactFolder } from "./fact-folder.ts";
import { type DataUnit, nestedOrder, shareSize } from "./folds.ts";
import { textTable } from "./text-table.ts";
import type { SelectionFigure } from "./trial.ts";

/** What a run begins with. */
export type CurveStart = "pre-trained" | "from scratch";

/** One run that a learning curve asks for. */
export interface CurvePlace {
  /** Of the training data, in (0, 1]. */
  readonly share: number;
  /** The items learnt from: those of smaller shares are among them. */
  readonly units: readonly DataUnit[];
  readonly start: CurveStart;
  readonly seed: number;
  /** The run's own folder; undefined where nothing is kept. */
  readonly outputDir: string | undefined;
}

export interface LearningCurveOptions extends SelectionFigure {
  /** The items of the training data. */
  readonly units: readonly DataUnit[];
  /** Shares of them, in (0, 1]; 0.01, 0.1 and 1 by default. */
  readonly shares?: readonly number[] | undefined;
  /** Each share is run with each of these; 1 by default. */
  readonly seeds?: readonly number[] | undefined;
  /** Of the subsets; 0 by default. */
  readonly seed?: number | undefined;
  /** Both by default. */
  readonly starts?: readonly CurveStart[] | undefined;
  /** What a rule without a model reaches; it may wait for the first run. */
  readonly baseline?: (() => Promise<CurveBaseline | undefined>) | undefined;
  /** A call for a folder that holds a part of the same work goes on there. */
  readonly outputDir?: string | undefined;
  readonly facts?: object | undefined;
  /** Fine-tunes and tells figures on held-out data that are the same for all; undefined where it was interrupted. */
  readonly run: (place: CurvePlace) => Promise<Readonly<Record<string, number>> | undefined>;
  readonly onRun?: ((run: CurveRun) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface CurveBaseline {
  readonly name: string;
  readonly figures: Readonly<Record<string, number>>;
}

export interface CurveRun {
  readonly share: number;
  readonly size: number;
  readonly start: CurveStart;
  readonly seed: number;
  readonly figures: Readonly<Record<string, number>>;
}

export interface LearningCurve extends SelectionFigure {
  readonly runs: readonly CurveRun[];
  readonly baseline: CurveBaseline | undefined;
  readonly end: "finished" | "interrupted";
}

function check({ shares = [1], seeds = [1], units }: LearningCurveOptions): void {
  const issues: ConfigIssue[] = [];
  const isRight = shares.length > 0 && shares.every((share) => share > 0 && share <= 1);
  if (!isRight || new Set(shares).size < shares.length) {
    const message = `must be different shares in (0, 1], as 1%,10%,100%; got ${shares.join(", ")}.`;
    issues.push({ path: "shares", message, code: "CONFIG_RANGE" });
  }
  const sizes = shares.map((share) => shareSize(share, units.length));
  if (isRight && new Set(sizes).size < sizes.length) {
    const message = `must differ by one item at least; ${shares.join(", ")} of ${units.length} are ${sizes.join(", ")} items.`;
    issues.push({ path: "shares", message, code: "CONFIG_RANGE" });
  }
  if (seeds.length === 0 || new Set(seeds).size < seeds.length) {
    issues.push({ path: "seeds", message: `must be different seeds; got ${seeds.join(", ")}.`, code: "CONFIG_VALUE" });
  }
  if (issues.length > 0) throw new ConfigError("learningCurve", issues);
}

/**
 * Fine-tunes with growing parts of the training data, from a pre-trained start and from new weights.
 *
 * The parts are nested and have the classes in about their shares; a seed decides them. What was killed goes on.
 * @throws {ConfigError} all problems together
 * @throws {CheckpointError} RUN_MISMATCH, OUTPUT_EXISTS
 */
export async function learningCurve(options: LearningCurveOptions): Promise<LearningCurve> {
  const { units, shares = [0.01, 0.1, 1], seeds = [1], seed = 0, starts = ["pre-trained", "from scratch"] } = options;
  const { figure, higherIsBetter, outputDir, onRun, signal } = options;
  check({ ...options, shares, seeds });
  const identity = {
    ...{ kind: "learningCurve", shares, seeds, seed, starts, numUnits: units.length, facts: options.facts ?? null },
  };
  const facts = await FactFolder.open(outputDir, "curve.json", identity);
  const order = nestedOrder(units, seed);
  const sorted = shares.toSorted((a, b) => a - b);
  const places = sorted.flatMap((share) =>
    seeds.flatMap((own) => starts.map((start) => ({ share, seed: own, start }))),
  );
  const runs: CurveRun[] = [];
  let end: LearningCurve["end"] = "finished";
  for (const place of places) {
    const size = shareSize(place.share, units.length);
    const name = `${size}-${place.start.replaceAll(" ", "-")}-seed-${place.seed}`;
    const known = await facts.read<CurveRun>(name);
    if (known !== undefined) {
      runs.push(known);
      continue;
    }
    const given = { ...place, units: order.slice(0, size), outputDir: facts.path(name) };
    const figures = signal?.aborted === true ? undefined : await options.run(given);
    if (figures === undefined) {
      end = "interrupted";
      break;
    }
    const run = { ...place, size, figures };
    await facts.write(name, run);
    runs.push(run);
    onRun?.(run);
  }
  const baseline = runs.length === 0 ? undefined : await options.baseline?.();
  return { figure, higherIsBetter, runs, baseline, end };
}

interface CurvePoint {
  readonly share: number;
  readonly size: number;
  readonly values: ReadonlyMap<CurveStart, readonly number[]>;
}

function pointsOf({ runs, figure }: LearningCurve): CurvePoint[] {
  const sizes = [...new Map(runs.map(({ size, share }) => [size, share]))];
  return sizes.map(([size, share]) => {
    const own = runs.filter((run) => run.size === size);
    const starts = [...new Set(own.map(({ start }) => start))];
    const valuesOf = (start: CurveStart): number[] =>
      own.filter((run) => run.start === start).map(({ figures }) => figures[figure] ?? Number.NaN);
    return { size, share, values: new Map(starts.map((start) => [start, valuesOf(start)])) };
  });
}

const startsOf = ({ runs }: LearningCurve): CurveStart[] => [...new Set(runs.map(({ start }) => start))];

function rowsOf(curve: LearningCurve): { readonly head: string[]; readonly rows: string[][] } {
  const starts = startsOf(curve);
  const rows = pointsOf(curve).map(({ share, size, values }) => [
    `${Number((100 * share).toPrecision(4))} %`,
    size.toLocaleString("en-US"),
    ...starts.map((start) => formatSpread(spread(values.get(start) ?? []), 4)),
  ]);
  return { head: ["share", "items", ...starts], rows };
}

function baselineText({ baseline, figure }: LearningCurve): string {
  const value = baseline?.figures[figure];
  return baseline === undefined || value === undefined
    ? ""
    : `\nWithout a model (${baseline.name}): ${value.toFixed(4)}`;
}

/** A learning curve as plain text. */
export function learningCurveText(curve: LearningCurve): string {
  const { head, rows } = rowsOf(curve);
  const over = curve.end === "finished" ? "" : "\nInterrupted: the same command goes on.";
  return `${curve.figure}, ${curve.higherIsBetter ? "higher" : "lower"} is better\n${textTable(head, rows)}${baselineText(curve)}${over}\n`;
}

/** The chart of a learning curve: a curve of means for each start, a dot for every run, the baseline as a level. */
export function learningCurveChart(curve: LearningCurve): LineChart {
  const { figure, baseline, runs } = curve;
  const points = pointsOf(curve);
  const level = baseline?.figures[figure];
  const hasSeeds = runs.length > points.length * startsOf(curve).length;
  return {
    title: `${figure} over labelled items`,
    xLabel: "labelled items",
    yLabel: figure,
    logX: points.length > 1,
    series: startsOf(curve).flatMap((start) => {
      const means = points.flatMap(({ size, values }): [number, number][] => {
        const own = values.get(start);
        return own === undefined ? [] : [[size, spread(own).mean]];
      });
      const single = runs
        .filter((run) => run.start === start)
        .map((run): [number, number] => [run.size, run.figures[figure] ?? Number.NaN]);
      const dots = { name: start, points: single, dots: true };
      return [{ name: start, points: means, markers: true }, ...(hasSeeds ? [dots] : [])];
    }),
    ...(level === undefined ? {} : { references: [{ y: level, label: baseline!.name }] }),
  };
}

/** The chart as a picture that stands alone. */
export function learningCurveSvg(curve: LearningCurve): string {
  return lineChartSvg(learningCurveChart(curve));
}

/** A learning curve as a page. */
export function learningCurveReport(curve: LearningCurve, { title = "Learning curve" } = {}): string {
  const { head, rows } = rowsOf(curve);
  const level = curve.baseline?.figures[curve.figure];
  return renderReport({
    title,
    subtitle: `${curve.figure} on the same held-out data`,
    sections: [
      {
        kind: "lineChart",
        chart: learningCurveChart(curve),
        note: "Smaller parts of the training data lie in larger ones. Every run has the same settings; its number of steps follows its data unless maxSteps says otherwise.",
      },
      {
        kind: "table",
        title: "Values",
        columns: head.map((label, i) => ({ label, numeric: i > 0 })),
        rows,
        ...(level === undefined ? {} : { note: `Without a model (${curve.baseline!.name}): ${level.toFixed(4)}.` }),
      },
    ],
  });
}
