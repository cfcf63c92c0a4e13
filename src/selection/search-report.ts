/** @file What a search says in the end: for the terminal, and as a page. */
import { formatSpread } from "../evaluation/index.ts";
import { type LineChart, type ReportSection, renderReport } from "../report/index.ts";
import type { SearchResult } from "./search.ts";
import { textTable } from "./text-table.ts";
import { isBetter, rankTrials, type Trial } from "./trial.ts";

function shown(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Settings that differ among trials; all where there is one. */
function settingNames(trials: readonly Trial[]): string[] {
  return [...new Set(trials.flatMap(({ settings }) => Object.keys(settings)))];
}

/** Trials for reading: the finished ones by their place, then the others by number. */
function ordered(result: SearchResult): Trial[] {
  const ranked = rankTrials(result.trials, result);
  return [...ranked, ...result.trials.filter((trial) => !ranked.includes(trial))];
}

function stateText({ state, runs }: Trial): string {
  if (state === "finished") return "";
  const note = runs.find((run) => run.note !== undefined && run.state !== "finished")?.note?.split("\n")[0];
  return note === undefined ? state : `${state}: ${note}`;
}

function scoreText({ score, runs }: Trial, figure: string): string {
  if (score !== undefined) return formatSpread(score, 4);
  const values = runs.flatMap(({ figures }) => figures?.[figure] ?? []);
  return values.length === 0 ? "–" : `(${values.map((value) => value.toFixed(4)).join(", ")})`;
}

/** How much of the plan was done, and why not more. */
export function searchExtent({ trials, planned, end, seconds }: SearchResult): string {
  const numRuns = trials.reduce((sum, { runs }) => sum + runs.length, 0);
  const reasons = {
    finished: "",
    maxMinutes: "; the time was over (maxMinutes)",
    interrupted: "; interrupted, the same command goes on",
  };
  const states = ["stopped", "failed", "open"] as const;
  const others = states.flatMap((state) => {
    const count = trials.filter((trial) => trial.state === state).length;
    return count === 0 ? [] : [`${count} ${state}`];
  });
  const rest = others.length === 0 ? "" : `, of them ${others.join(", ")}`;
  return `${trials.length} of ${planned} settings tried${rest}; ${numRuns} runs in ${(seconds / 60).toFixed(1)} minutes of computing${reasons[end]}`;
}

function rowsOf(result: SearchResult): { readonly head: string[]; readonly rows: string[][] } {
  const names = settingNames(result.trials);
  const rows = ordered(result).map((trial, i) => [
    trial.score === undefined ? "–" : String(i + 1),
    String(trial.number),
    ...names.map((name) => shown(trial.settings[name])),
    scoreText(trial, result.figure),
    stateText(trial),
  ]);
  return { head: ["place", "trial", ...names, result.figure, ""], rows };
}

/** A search as plain text: a table of all trials, the best, and how it was chosen. */
export function searchText(result: SearchResult): string {
  const { head, rows } = rowsOf(result);
  const best =
    result.best === undefined
      ? "No setting was finished."
      : `Best: trial ${result.best.number}, ${result.figure} ${formatSpread(result.best.score!, 4)}.`;
  return `${textTable(head, rows)}\n\n${best} ${searchExtent(result)}.\nSelection: ${result.selection}\n`;
}

/** The best figure so far over the trials in their order. */
function progressChart({ trials, figure, ...result }: SearchResult): LineChart {
  let best = Number.NaN;
  const scored = trials.filter(({ score }) => score !== undefined);
  const soFar = scored.map(({ number, score }) => {
    if (isBetter(score!.mean, best, result)) best = score!.mean;
    return [number, best] as const;
  });
  return {
    title: "The best so far",
    xLabel: "trial",
    yLabel: figure,
    series: [
      { name: "best so far", points: soFar },
      { name: "trials", points: scored.map(({ number, score }) => [number, score!.mean] as const), dots: true },
    ],
  };
}

/** The figure over each setting that is a number. */
function settingCharts({ trials, figure }: SearchResult): LineChart[] {
  return settingNames(trials).flatMap((name) => {
    const points = trials.flatMap(({ settings, score }): [number, number][] => {
      const value = settings[name];
      return typeof value === "number" && score !== undefined ? [[value, score.mean]] : [];
    });
    const values = points.map(([x]) => x);
    if (new Set(values).size < 3) return [];
    const logX = Math.min(...values) > 0 && Math.max(...values) / Math.min(...values) >= 20;
    return [
      {
        title: `${figure} over ${name}`,
        xLabel: name,
        yLabel: figure,
        logX,
        series: [{ name: "trials", points, dots: true }],
      },
    ];
  });
}

/** Trials that are drawn as bars. */
const NUM_BARS = 12;

/** A search as a page that needs nothing else. */
export function searchReport(result: SearchResult, { title = "Search" }: { readonly title?: string } = {}): string {
  const { best, figure, selection } = result;
  const { head, rows } = rowsOf(result);
  const bars = rankTrials(result.trials, result)
    .slice(0, NUM_BARS)
    .map(({ number, runs }) => ({
      name: `trial ${number}`,
      values: runs.flatMap(({ figures }) => figures?.[figure] ?? []),
    }));
  const values = bars.flatMap((bar) => bar.values).filter(Number.isFinite);
  const margin = values.length === 0 ? 0 : Math.max(1e-3, 0.1 * (Math.max(...values) - Math.min(...values)));
  const sections: ReportSection[] = [
    {
      kind: "figures",
      figures: [
        { label: `best ${figure}`, value: best === undefined ? "–" : formatSpread(best.score!, 4) },
        ...Object.entries(best?.settings ?? {}).map(([label, value]) => ({ label, value: shown(value) })),
      ],
    },
    { kind: "text", title: "How it was chosen", paragraphs: [`Selection: ${selection}`, `${searchExtent(result)}.`] },
    { kind: "lineChart", chart: progressChart(result) },
    ...settingCharts(result).map((chart): ReportSection => ({ kind: "lineChart", chart })),
    ...(values.length === 0
      ? []
      : [
          {
            kind: "bars",
            title: "The best settings, run by run",
            label: figure,
            bars,
            range: [Math.min(...values) - margin, Math.max(...values) + margin],
            digits: 4,
          } as const,
        ]),
    { kind: "table", title: "All trials", columns: head.map((label) => ({ label })), rows },
  ];
  return renderReport({ title, subtitle: `${figure}, ${result.method} search`, sections });
}
