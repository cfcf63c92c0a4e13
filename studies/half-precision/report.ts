/**
 * Writes docs/runs/half-precision.md and its picture from the runs that `train.ts` left.
 *
 *     npx tsx studies/half-precision/report.ts
 */
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { lineChartSvg } from "../../src/index.ts";
import { type PrecisionRun, runFolder } from "./runs.ts";

const names = (await readdir(runFolder)).filter((name) => name.endsWith(".json")).sort();
const runs: PrecisionRun[] = await Promise.all(
  names.map(async (name) => JSON.parse(await readFile(join(runFolder, name), "utf8"))),
);
const nameOf = ({ engine, dtype }: PrecisionRun): string => `${engine} ${dtype}`;
const baseline = runs.find(({ engine, dtype }) => engine === "onnx" && dtype === "f32");
if (baseline === undefined) throw new Error("The run of engine onnx in f32 is missing: make it first.");

/** Largest and mean distance of two loss curves, each smoothed over the same number of steps. */
function distance(run: PrecisionRun, window = 50): { readonly mean: number; readonly largest: number } {
  const smooth = ({ curve }: PrecisionRun): number[] =>
    curve.slice(window).map((_, i) => curve.slice(i, i + window).reduce((sum, [, loss]) => sum + loss / window, 0));
  const [ours, theirs] = [smooth(run), smooth(baseline!)];
  const gaps = ours.map((loss, i) => Math.abs(loss - theirs[i]!));
  return { mean: gaps.reduce((sum, gap) => sum + gap / gaps.length, 0), largest: Math.max(...gaps) };
}

const rows = runs.map((run) => {
  const { mean, largest } = distance(run);
  const heldOut = run.evaluations.at(-1)![1];
  return `| ${[nameOf(run), run.curve.length, heldOut.toFixed(4), mean.toFixed(4), largest.toFixed(4), Math.round(run.seconds)].join(" | ")} |`;
});
const docs = join("docs", "runs");
await mkdir(docs, { recursive: true });
await writeFile(
  join(docs, "half-precision.svg"),
  lineChartSvg({
    title: "BERT-mini, masked words: the same run in each engine and dtype",
    xLabel: "step",
    yLabel: "training loss, nats a masked token",
    series: runs.map((run) => ({ name: nameOf(run), points: run.curve, smoothing: 0.98 })),
  }),
);
await writeFile(
  join(docs, "half-precision.md"),
  `# The same training in f32 and in bf16

BERT-mini (4 layers, hidden 256, vocabulary 8192) on English text, 8 rows of 128 tokens a step, AdamW at 1e-3, seed 1: same
text, order, masks and dropout. Weights and optimizer state are f32 in every run; bf16 is what is computed in.

${runs.map(({ engine, dtype }) => `    npx tsx studies/half-precision/train.ts DATA ${engine} ${dtype}`).join("\n")}
    npx tsx studies/half-precision/report.ts

${cpus()[0]!.model.trim()}, ${cpus().length} processors, Node ${process.version}.

| run | steps | held-out loss, nats | mean distance from onnx f32 | largest | seconds |
|---|---|---|---|---|---|
${rows.join("\n")}

Distances are between training losses averaged over 50 steps.

![loss](half-precision.svg)
`,
);
