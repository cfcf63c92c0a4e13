/**
 * Peak memory of training steps, foretold and measured, each case in a process of its own:
 * `npx tsx bench/memory.ts [case …]`. Writes `bench/results/memory.md` when all cases are run.
 */
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { arch, cpus, platform, release, totalmem } from "node:os";
import { fileURLToPath } from "node:url";

interface Case {
  readonly name: string;
  readonly options: readonly string[];
}

const cases: readonly Case[] = [
  { name: "BERT-mini, 32 × 128", options: ["--model", "bert-mini", "--batch", "32"] },
  { name: "BERT-base, 8 × 128", options: ["--model", "bert-base", "--batch", "8"] },
  { name: "BERT-base, 8 × 128, recomputed", options: ["--model", "bert-base", "--batch", "8", "--recompute"] },
  { name: "BERT-base, 2 × 512", options: ["--model", "bert-base", "--batch", "2", "--seq", "512"] },
  {
    name: "BERT-base, 2 × 512, recomputed",
    options: ["--model", "bert-base", "--batch", "2", "--seq", "512", "--recompute"],
  },
  { name: "BERT-large, 1 × 128", options: ["--model", "bert-large", "--batch", "1"] },
  { name: "BERT-large, 1 × 128, recomputed", options: ["--model", "bert-large", "--batch", "1", "--recompute"] },
];

/** What `firth bench train --json` says that is used here. */
interface Answer {
  readonly stepMs: number;
  readonly peakRssBytes: number;
  readonly memory: Readonly<Record<"totalBytes" | "parameterBytes" | "activationBytes" | "otherBytes", number>>;
  readonly work: { readonly executedFlops: number; readonly usefulFlops: number };
  readonly losses: readonly number[];
}

const root = fileURLToPath(new URL("..", import.meta.url));
const steps = ["--warmup", "1", "--steps", "2"];
const program = ["--import", "tsx", "src/cli/main.ts", "bench", "train", "--json"];

function run(options: readonly string[]): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...program, ...steps, ...options], { cwd: root });
    let [output, errors] = ["", ""];
    child.stdout.on("data", (chunk) => {
      output += chunk;
    });
    child.stderr.on("data", (chunk) => {
      errors += chunk;
    });
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve(JSON.parse(output) as Answer);
      else reject(new Error(`${options.join(" ")} ended with ${code}: ${errors}`));
    });
  });
}

const gigabytes = (bytes: number) => (bytes / 1e9).toFixed(2);

function row({ name }: Case, { memory, peakRssBytes, work, losses }: Answer): string {
  const off = ((memory.totalBytes / peakRssBytes - 1) * 100).toFixed(1);
  const parts = [memory.parameterBytes, memory.activationBytes, memory.otherBytes].map(gigabytes);
  const useful = `${Math.round((100 * work.usefulFlops) / work.executedFlops)} %`;
  const figures = [gigabytes(memory.totalBytes), gigabytes(peakRssBytes), `${off} %`, ...parts, useful];
  return `| ${[name, ...figures, losses.at(-1)!.toFixed(6)].join(" | ")} |`;
}

const wanted = process.argv.slice(2);
const chosen = cases.filter(({ name }) => wanted.length === 0 || wanted.some((word) => name.includes(word)));
const rows: string[] = [];
for (const item of chosen) {
  rows.push(row(item, await run(item.options)));
  console.log(rows.at(-1));
}
const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  version: string;
};
const page = `# Peak memory of training

Written by \`npx tsx bench/memory.ts\`; do not edit. Each case is one process that makes three whole steps (forward, backward,
clipping, AdamW; vocabulary 30 522, dropout 0.1, f32, engine onnx). *Measured* is the process's highest resident memory as the
system counts it. *Foretold* is what the program printed before its first step. Sizes in GB (10⁹ bytes).

- Machine: ${cpus()[0]?.model.trim() ?? "unknown"}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, ${platform()} ${release()} ${arch()}; Node ${process.version}, Firth ${version}.

| case | foretold | measured | off by | weights, gradients, moments | activations | masks, buffers, start | useful work | loss at step 3 |
|---|---|---|---|---|---|---|---|---|
${rows.join("\n")}

*Useful work*: floating point operations that the tokens need, over those computed. A recomputed run ends with the same loss.
`;
if (wanted.length === 0) {
  mkdirSync(new URL("results/", import.meta.url), { recursive: true });
  writeFileSync(new URL("results/memory.md", import.meta.url), page);
}
