/** @file The section "Data" of bench/RESULTS.md. */
import { lineChartSvg } from "../../src/report/index.ts";
import { fixed, load, machine, median, range, shellCommand, today } from "../section.mjs";
import type { SideRun } from "./side.ts";

/** Several ways of the same work; the first is Firth's. */
export interface Comparison {
  readonly title: string;
  /** Size of the text. */
  readonly bytes: number;
  readonly rows: readonly { readonly name: string; readonly runs: readonly SideRun[] }[];
}

export interface GrowthPoint {
  readonly megabytes: number;
  readonly seconds: number;
  readonly peakBytes: number;
}

export interface PageFacts {
  readonly comparisons: readonly Comparison[];
  readonly growth: readonly GrowthPoint[];
  readonly rounds: number;
  readonly loadBefore: string;
  readonly commands: readonly (readonly string[])[];
  /** Left out of the commands shown. */
  readonly work: string;
}

function comparisonTable({ title, bytes, rows }: Comparison): string {
  const seconds = rows.map(({ runs }) => runs.map((run) => run.seconds));
  const numTokens = rows[0]!.runs[0]!.numTokens;
  const lines = rows.map(({ name, runs }, i) => {
    const time = median(seconds[i]!);
    const ratios = seconds[i]!.map((other, round) => other / seconds[0]![round]!);
    const spread = runs.length > 1 ? ` (${range(seconds[i]!, 1)})` : "";
    const ratioSpread = runs.length > 1 ? ` (${range(ratios, 2)})` : "";
    const cells = [
      name,
      `${fixed(time, 1)}${spread}`,
      fixed(bytes / 1e6 / time, 1),
      numTokens === undefined ? "–" : fixed(numTokens / 1e6 / time, 2),
      fixed(median(runs.map((run) => run.processorSeconds)), 1),
      fixed(Math.max(...runs.map((run) => run.peakBytes)) / 1e6),
      i === 0 ? "1" : `**${fixed(median(ratios), 2)}**${ratioSpread}`,
    ];
    return `| ${cells.join(" | ")} |`;
  });
  const head = "| | seconds | MB/s | M tokens/s | processor seconds | peak MB | time over Firth's |";
  const told = numTokens === undefined ? "" : ` ${numTokens.toLocaleString("en")} tokens.`;
  return [
    `### ${title}`,
    "",
    `${fixed(bytes / 1e6)} MB of text.${told}`,
    "",
    head,
    "|---|---|---|---|---|---|---|",
    ...lines,
  ].join("\n");
}

function growthChart(title: string, yLabel: string, points: readonly (readonly [number, number])[]): string {
  return lineChartSvg(
    {
      title,
      xLabel: "MB of text",
      yLabel,
      logX: true,
      yRange: { min: 0 },
      series: [{ name: "firth data prepare", markers: true, points }],
    },
    { width: 620, height: 340 },
  );
}

function growthPart(growth: readonly GrowthPoint[]): string {
  const rows = growth.map(
    ({ megabytes, seconds, peakBytes }) =>
      `| ${megabytes} | ${fixed(seconds, 1)} | ${fixed(megabytes / seconds, 1)} | ${fixed(peakBytes / 1e6)} |`,
  );
  return [
    "### Growth with the corpus",
    "",
    "![Time over the size of the text](growth-corpus-time.svg)",
    "![Memory over the size of the text](growth-corpus-memory.svg)",
    "",
    "| MB of text | seconds | MB/s | peak MB |",
    "|---|---|---|---|",
    ...rows,
  ].join("\n");
}

/** The section and its pictures, by the names of their files. */
export function dataPage({
  comparisons,
  growth,
  rounds,
  loadBefore,
  commands,
  work,
}: PageFacts): Record<string, string> {
  const shown = commands.map((words) => shellCommand(words.map((word) => word.replace(`${work}/`, "WORK/"))));
  const page = `# Data

Written by \`npm run bench:data\` on ${today()}; do not edit.

- Machine: ${machine()}. Load average before ${loadBefore}, after ${load()}. Firth on Node ${process.versions.node}.
- The text: public-domain English books, repeated to the size given; a vocabulary of 30 000 pieces learned from 40 MB of it. Text that repeats
  is kind to Firth's cache of words, which is bounded; larger real corpora hold more different words.
- Whole programs from start to end, every run a process of its own; by turns, ${rounds} times where a range is given, else once. Peak memory is
  that of all processes of a side together, shared pages counted once. Both sides must find the same number of tokens.
- *datasets.map* reads the lines, tokenizes them with the Rust tokenizer (no special tokens, no masks) and saves the ids.
  *create_pretraining_data.py* is Google BERT's of the package bert-tensorflow 1.0.4, with \`dupe_factor\` 1: its default of 10 does ten times the
  masking, for which Firth needs no work here, since it masks anew in every epoch.

${comparisons.map(comparisonTable).join("\n\n")}

${growth.length === 0 ? "" : growthPart(growth)}

### Commands

\`\`\`sh
${shown.join("\n")}
\`\`\`
`;
  if (growth.length === 0) return { "data.md": page };
  const time = growth.map(({ megabytes, seconds }) => [megabytes, seconds] as const);
  const memory = growth.map(({ megabytes, peakBytes }) => [megabytes, peakBytes / 1e6] as const);
  return {
    "data.md": page,
    "growth-corpus-time.svg": growthChart("Corpus: time", "seconds", time),
    "growth-corpus-memory.svg": growthChart("Corpus: memory", "peak MB", memory),
  };
}
