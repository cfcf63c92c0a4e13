// One lane beside two: `node bench/lanes.mjs [--cases WORDS] [--rounds N] [--block N] [--entry FILE]` times training steps of
// both in turns, each side alone awake, and writes bench/results/lanes.md after every case.

import { parseArgs } from "node:util";
import { programOf } from "./peers/programs.mjs";
import { takeTurns } from "./peers/turns.mjs";
import { fixed, load, machine, median, range, today, writeResult } from "./section.mjs";

const onnx = ["--engine", "onnx"];
const f32 = ["--engine", "onednn"];
const bf16 = ["--engine", "onednn", "--dtype", "bf16"];
const shapes = {
  "tiny 32×64 (quickstart)": ["--model", "bert-tiny", "--vocab", "4096", "--batch", "32", "--seq", "64"],
  "tiny 32×128": ["--model", "bert-tiny", "--vocab", "8192", "--batch", "32", "--seq", "128"],
  "mini 8×32": ["--model", "bert-mini", "--vocab", "8192", "--batch", "8", "--seq", "32"],
  "mini 32×128": ["--model", "bert-mini", "--vocab", "8192", "--batch", "32", "--seq", "128"],
  "small 16×128": ["--model", "bert-small", "--vocab", "30522", "--batch", "16", "--seq", "128"],
  "base 8×128": ["--model", "bert-base", "--vocab", "30522", "--batch", "8", "--seq", "128"],
};
const engines = { "onnx f32": onnx, "onednn f32": f32, "onednn bf16": bf16 };
const cases = Object.entries(shapes).flatMap(([shape, size]) =>
  Object.entries(engines).map(([engine, options]) => ({ name: `${shape}, ${engine}`, options: [...size, ...options] })),
);

const { values } = parseArgs({
  options: {
    cases: { type: "string" },
    rounds: { type: "string", default: "7" },
    block: { type: "string", default: "6" },
    entry: { type: "string" },
  },
});
const protocol = { rounds: Number(values.rounds), block: Number(values.block), settle: 1 };
const wanted = values.cases?.split(";");
const chosen = wanted === undefined ? cases : cases.filter(({ name }) => wanted.some((word) => name.includes(word)));
const program = programOf(values.entry);

function side(options, lanes) {
  const args = ["bench", "train", ...options, "--lanes", String(lanes), "--warmup", "2", "--interactive", "--json"];
  const label = lanes === 1 ? "one lane" : "two lanes";
  return { id: String(lanes), ours: lanes === 2, label, gigabytes: 1, ...program(args) };
}

const rows = [];
const loadBefore = load();

/** A row of the table: medians of both sides, their ratio, and how far apart the losses are. */
function rowOf(name, results) {
  const [two, one] = results.map(({ rounds }) => rounds.map(median));
  const ratios = one.map((time, i) => time / two[i]);
  const [least, leastOfOne] = results.map(({ rounds }) => Math.min(...rounds.flat()));
  const [after, before] = results.map(({ report }) => report.losses.at(-1));
  const off = Math.abs(after / before - 1);
  const cells = [
    `${fixed(median(one), 1)}`,
    fixed(median(two), 1),
    `**${fixed(median(ratios), 2)}×**`,
    range(ratios, 2),
    `${fixed(leastOfOne / least, 2)}×`,
    off.toExponential(1),
  ];
  return `| ${name} | ${cells.join(" | ")} |`;
}

/** The page as far as the cases are run. */
function page() {
  const missing = cases.slice(rows.length).map(({ name }) => name);
  const left = missing.length === 0 ? "" : ` Not measured: ${missing.join("; ")}.`;
  return `# One lane and two

Written by \`node bench/lanes.mjs\`; do not edit. Medians of whole training steps of BERT (forward, backward, clipping, AdamW;
dropout 0.1) in milliseconds: a batch as a whole on all threads, and in two halves at the same time with half of the threads each.
Both sides take turns of ${protocol.block - protocol.settle} counted steps, ${protocol.rounds} rounds; only one is awake. The ratio is the median of those of the rounds; above 1
two lanes are the faster. Losses after the same number of steps are compared.${left}

- Machine: ${machine()}; ${today()}, Node ${process.versions.node}; load ${loadBefore} before, ${load()} after.

| model and batch, engine | one lane | two lanes | ratio | rounds | ratio of the fastest steps | losses differ by |
|---|---|---|---|---|---|---|
${rows.join("\n")}
`;
}

for (const { name, options } of chosen) {
  const results = await takeTurns([side(options, 2), side(options, 1)], protocol, (message) =>
    console.error(`${name}: ${message}`),
  );
  const absent = results.find((result) => result.absent !== undefined);
  if (absent !== undefined) {
    rows.push(`| ${name} | – | – | – | – | – | ${absent.absent} |`);
  } else {
    rows.push(rowOf(name, results));
  }
  console.log(rows.at(-1));
  if (wanted === undefined) writeResult("lanes.md", page());
}
if (wanted !== undefined) console.log(page());
