/**
 * How time and memory of a training step grow with the sequence, the depth and the vocabulary:
 * `npm run bench:growth -- [--engines onnx-f32,…] [--curves sequence,layers,vocabulary] [--steps 3] [--entry FILE]`.
 *
 * Every point is a process of its own, `firth bench train`, so that its peak memory is its own. Writes bench/results/growth.md
 * and its pictures.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { lineChartSvg } from "../src/report/index.ts";
import { fixed, gigabytes, load, machine, reasonIn, root, shellCommand, today, writeResult } from "./section.mjs";

interface Curve {
  readonly title: string;
  readonly label: string;
  readonly values: readonly number[];
  readonly isLog: boolean;
  /** What stays the same. */
  readonly setting: string;
  readonly options: (value: number) => Readonly<Record<string, number>>;
}

/** What `firth bench train --json` tells, as far as it is used here. */
interface Point {
  readonly value: number;
  readonly stepMs: number;
  readonly matmulGflops: number;
  readonly peakRssBytes: number;
  readonly outsideEngine: number;
}

const TOKENS = 4096;
const MODEL = "bert-mini";

const curves: Readonly<Record<string, Curve>> = {
  sequence: {
    title: "Sequence length",
    label: "tokens a sequence",
    values: [64, 128, 256, 512, 1024],
    isLog: true,
    setting: `${TOKENS} tokens a batch, 4 layers, vocabulary 8192`,
    options: (seq) => ({ seq, batch: TOKENS / seq, vocab: 8192 }),
  },
  layers: {
    title: "Layers",
    label: "layers",
    values: [2, 4, 8, 16, 24],
    isLog: false,
    setting: "batch 16 × 128, vocabulary 8192",
    options: (layers) => ({ layers, seq: 128, batch: 16, vocab: 8192 }),
  },
  vocabulary: {
    title: "Vocabulary",
    label: "entries of the vocabulary",
    values: [8_000, 16_000, 32_000, 64_000, 120_000],
    isLog: true,
    setting: "batch 16 × 128, 4 layers",
    options: (vocab) => ({ vocab, seq: 128, batch: 16 }),
  },
};

const engines: Readonly<Record<string, readonly string[]>> = {
  "onnx-f32": ["--engine", "onnx"],
  "onednn-f32": ["--engine", "onednn"],
  "onednn-bf16": ["--engine", "onednn", "--dtype", "bf16"],
};

const { values: given } = parseArgs({
  options: {
    engines: { type: "string", default: Object.keys(engines).join(",") },
    curves: { type: "string", default: Object.keys(curves).join(",") },
    steps: { type: "string", default: "3" },
    entry: { type: "string", default: join(root, "dist", "cli", "main.js") },
  },
});

/** The chosen entries of a table. */
function chosen<T>(option: "engines" | "curves", table: Readonly<Record<string, T>>): [string, T][] {
  return given[option].split(",").map((name) => {
    const entry = table[name];
    if (entry === undefined) {
      throw new RangeError(`--${option} must list some of ${Object.keys(table).join(", ")}; got ${name}.`);
    }
    return [name, entry];
  });
}

const loader = given.entry.endsWith(".ts") ? ["--import", "tsx"] : [];
const absent = new Map<string, string>();
const commands: string[] = [];

/** One measurement in a process of its own; undefined, and the reason kept, when the engine cannot make it. */
function measure(engine: string, curve: Curve, value: number): Point | undefined {
  const numbers = Object.entries(curve.options(value)).flatMap(([name, number]) => [`--${name}`, String(number)]);
  const run = ["bench", "train", "--model", MODEL, ...numbers, "--warmup", "1", "--steps", given.steps];
  const args = [...loader, given.entry, ...run, ...engines[engine]!, "--json"];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8", maxBuffer: 2 ** 26 });
  if (status !== 0) {
    absent.set(engine, reasonIn(stderr));
    return undefined;
  }
  commands.push(shellCommand(["node", ...args]));
  return { value, ...(JSON.parse(stdout) as Omit<Point, "value">) };
}

/** Work, time and memory beside those of the first point. */
function growthTable(curve: Curve, lines: ReadonlyMap<string, readonly Point[]>): string {
  const rows = [...lines].flatMap(([engine, points]) =>
    points.map((point, i) => {
      const work = ({ stepMs, matmulGflops }: Point) => stepMs * matmulGflops;
      const first = points[0]!;
      const ratio = (of: (point: Point) => number) => fixed(of(point) / of(first), 2);
      const relative = i === 0 ? ["1", "1"] : [ratio(work), ratio(({ stepMs }) => stepMs)];
      const cells = [engine, point.value, fixed(point.stepMs), gigabytes(point.peakRssBytes), ...relative];
      return `| ${cells.join(" | ")} | ${fixed(100 * point.outsideEngine, 1)} % |`;
    }),
  );
  const head = `| engine | ${curve.label} | ms a step | peak GB | work of the matrix products, relative | time, relative | outside the engine |`;
  return [head, "|---|---|---|---|---|---|---|", ...rows].join("\n");
}

function draw(name: string, curve: Curve, lines: ReadonlyMap<string, readonly Point[]>): string {
  const chart = (title: string, yLabel: string, height: (point: Point) => number) =>
    lineChartSvg(
      {
        title: `${curve.title}: ${title}`,
        xLabel: curve.label,
        yLabel,
        logX: curve.isLog,
        yRange: { min: 0 },
        series: [...lines].map(([engine, points]) => ({
          name: engine,
          markers: true,
          points: points.map((point) => [point.value, height(point)] as const),
        })),
      },
      { width: 620, height: 340 },
    );
  const time = chart("time", "ms a step", ({ stepMs }) => stepMs);
  const memory = chart("memory", "peak GB of the process", ({ peakRssBytes }) => peakRssBytes / 1e9);
  writeResult(`growth-${name}-time.svg`, time);
  writeResult(`growth-${name}-memory.svg`, memory);
  return `![Time over ${curve.label}](growth-${name}-time.svg)\n![Memory over ${curve.label}](growth-${name}-memory.svg)`;
}

const loadBefore = load();
const parts: string[] = [];
for (const [name, curve] of chosen("curves", curves)) {
  const lines = new Map<string, Point[]>();
  for (const value of curve.values) {
    for (const [engine] of chosen("engines", engines)) {
      if (absent.has(engine)) continue;
      const point = measure(engine, curve, value);
      if (point === undefined) continue;
      lines.set(engine, [...(lines.get(engine) ?? []), point]);
      console.error(`${name} ${value}, ${engine}: ${fixed(point.stepMs)} ms, ${gigabytes(point.peakRssBytes)} GB`);
    }
  }
  if (lines.size === 0) continue;
  parts.push(
    `### ${curve.title}\n\n${MODEL} (hidden 256), ${curve.setting}.\n\n${draw(name, curve, lines)}\n\n${growthTable(curve, lines)}`,
  );
}
const missing = [...absent].map(([engine, reason]) => `- *${engine}* is missing: ${reason}`);
writeResult(
  "growth.md",
  `# Growth

Written by \`npm run bench:growth\` on ${today()}; do not edit.

- Machine: ${machine()}. Load average before ${loadBefore}, after ${load()}. Firth on Node ${process.versions.node}.
- Whole training steps (forward, backward, clipping, AdamW), median of ${given.steps} after one that is not counted; every point is a process of its
  own, and its memory is the highest of the whole process. *Work* is the number of floating point operations of the graph's matrix products.
- *outside the engine*: share of the step in which the engine runs neither graph nor sweep; at most 3 % is allowed.
${missing.length === 0 ? "" : `${missing.join("\n")}\n`}
${parts.join("\n\n")}

### Commands

\`\`\`sh
${commands.join("\n")}
\`\`\`
`,
);
await import("./report.mjs");
