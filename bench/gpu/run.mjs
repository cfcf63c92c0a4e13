// Measures Firth beside PyTorch and JAX on the GPU of this machine: works.mjs says what. run.sh starts it there.
//
//   node bench/gpu/run.mjs --out FOLDER [--works LIST] [--minutes 9] [--rounds 3] [--block 20]
//
// Writes FOLDER/gpu.jsonl, one record a work, and prints a table; section.mjs makes a page of the records. Without a GPU:
// --engine onnx --device cpu --trial tries all of it on small networks.

import { spawn } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { machine, median, today } from "../section.mjs";
import { summaryLines } from "./section.mjs";
import { openSide, SideFailure } from "./side.mjs";
import { curve, finetuning, sides, trialWorks, works } from "./works.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const text = { type: "string" };
const { values } = parseArgs({
  options: {
    ...{ out: text, works: text, minutes: text, rounds: text, block: text, engine: text, device: text, python: text },
    ...{ carried: text, plugin: text, sides: text, trial: { type: "boolean", default: false } },
    source: { type: "boolean", default: false },
  },
});
const out = values.out ?? process.env.OUT ?? "gpu-out";
const python = values.python ?? "python3";
const engine = values.engine ?? "cuda";
const device = values.device ?? "cuda";
const carried = values.carried ?? ".gpu";
const [rounds, block] = [Number(values.rounds ?? 3), Number(values.block ?? (values.trial ? 3 : 20))];
const began = performance.now();
const minutesLeft = () => Number(values.minutes ?? 9) - (performance.now() - began) / 60_000;
const LATE_MS = 240_000;
const records = join(out, "gpu.jsonl");
mkdirSync(out, { recursive: true });

const tell = (message) => console.error(`${((performance.now() - began) / 1000).toFixed(0)} s: ${message}`);
const keep = (record) => {
  appendFileSync(records, `${JSON.stringify({ date: today(), machine: machine(), ...record })}\n`);
  for (const line of summaryLines(record)) console.log(line);
};

/** The end of a program's output as JSON lines; its errors where it fails. */
async function linesOf(command, args, { input, seconds = 300, env = {} } = {}) {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, ...env } });
  const timer = setTimeout(() => child.kill("SIGKILL"), 1000 * seconds);
  let [given, errors] = ["", ""];
  child.stdout.on("data", (chunk) => {
    given += chunk;
  });
  child.stderr.on("data", (chunk) => {
    errors = (errors + chunk).slice(-4000);
  });
  child.stdin.on("error", () => {});
  child.stdin.end(input ?? "");
  const code = await new Promise((resolve, reject) => {
    child.on("close", (status, signal) => resolve(status ?? signal));
    child.on("error", reject);
  }).finally(() => clearTimeout(timer));
  if (code !== 0)
    throw new SideFailure(`${command} ${args.slice(0, 2).join(" ")} ended with ${code}.\n${errors.trim()}`);
  return given
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line));
}

// From the sources, with tsx, for whoever works on them.
const loader = values.source ? ["--import", "tsx"] : [];
if (values.source) process.env.FIRTH_SOURCE = "1";
const firthArgs = (...args) => [
  ...loader,
  join(here, args[0]),
  ...["--engine", engine, "--python", python],
  ...(values.plugin === undefined ? [] : ["--plugin", values.plugin]),
  ...args.slice(1),
];

/** How a side is started. */
async function commandOf(side, work, folder) {
  const shape = ["--model", work.model, "--vocab", work.vocab, "--batch", work.batch, "--seq", work.seq].map(String);
  const { label, kind, compile } = side;
  // Where an engine has no bf16, the script is tried in f32.
  const dtype = device === "cpu" && kind !== "torch" ? "f32" : side.dtype;
  if (kind === "firth") {
    return { label, command: process.execPath, args: firthArgs("firth-side.mjs", ...shape, "--dtype", dtype) };
  }
  if (kind === "torch") {
    const given = [
      ...shape,
      "--dtype",
      dtype,
      "--device",
      device,
      "--optimizer",
      "fused",
      ...(compile ? ["--compile"] : []),
    ];
    return { label, command: python, args: [join(here, "peer.py"), ...given] };
  }
  const graph = join(folder, work.name);
  await linesOf(process.execPath, firthArgs("firth-side.mjs", ...shape, "--dtype", dtype, "--dump", graph));
  const env = device === "cpu" ? { JAX_PLATFORMS: "cpu" } : {};
  return { label, command: python, args: [join(here, "jax_side.py"), "--graph", graph], env };
}

/** Sides of one work: all are started together, then they take turns. */
async function measure(work, folder) {
  const wanted = values.sides?.split(",");
  const own = sides.filter(
    ({ id, works: where }) =>
      (wanted ?? [id]).includes(id) && (values.trial || (where ?? [work.name]).includes(work.name)),
  );
  const open = [];
  const results = [];
  const fail = (side, error) => {
    const [absent] = error.message
      .split("\n")
      .filter((line) => /Error|error|ended|no answer/.test(line))
      .slice(-1);
    tell(`${side.label}: ${error.message.slice(0, 1500)}`);
    results.push({ id: side.id, label: side.label, absent: absent ?? error.message.slice(0, 200) });
  };
  try {
    await Promise.all(
      own.map(async (side) => {
        let process_;
        try {
          process_ = openSide(await commandOf(side, work, folder), LATE_MS);
          await process_.ready();
          open.push({ side, process: process_, blocks: [] });
          tell(`${work.name}, ${side.label}: ready`);
        } catch (error) {
          process_?.stop();
          fail(side, error);
        }
      }),
    );
    open.sort((a, b) => own.indexOf(a.side) - own.indexOf(b.side));
    for (let round = 0; round < rounds; round++) {
      for (let turn = 0; turn < open.length; turn++) {
        const one = open[(round + turn) % open.length];
        if (one.failed) continue;
        try {
          one.blocks.push((await one.process.block(block)) / block);
        } catch (error) {
          one.failed = true;
          fail(one.side, error);
        }
      }
    }
    for (const { side, process: process_, blocks, failed } of open) {
      if (failed) continue;
      try {
        results.push({ id: side.id, label: side.label, stepMs: blocks, report: await process_.finish() });
      } catch (error) {
        fail(side, error);
      }
    }
  } finally {
    for (const { process: process_ } of open) process_.stop();
  }
  results.sort((a, b) => sides.findIndex(({ id }) => id === a.id) - sides.findIndex(({ id }) => id === b.id));
  keep({ kind: "training", work, rounds, block, sides: results });
}

/** Losses of a short run beside the onnx engine's. */
async function compareCurves() {
  const file = join(carried, "curve-onnx.json");
  if (!existsSync(file)) return tell(`curves: ${file} is missing; pack.mjs makes it.`);
  const expected = JSON.parse(readFileSync(file, "utf8"));
  for (const dtype of device === "cpu" ? ["f32"] : ["f32", "bf16"]) {
    const steps = String(values.trial ? Math.min(20, expected.losses.length) : expected.losses.length);
    const [found] = await linesOf(process.execPath, firthArgs("curve.mjs", "--dtype", dtype, "--steps", steps));
    const differences = found.losses.map((loss, i) => Math.abs(loss - expected.losses[i]));
    const { seconds, losses } = found;
    keep({
      ...{
        kind: "curve",
        dtype,
        steps: losses.length,
        greatest: Math.max(...differences),
        tolerance: curve.tolerance[dtype],
      },
      ...{ seconds, losses, expected: expected.losses.slice(0, losses.length) },
    });
  }
}

/** Fine-tuning on sentence pairs, one side after the other; steps in which something was compiled are far from the median. */
async function compareFinetuning(folder) {
  const { task, batch, steps } = finetuning;
  const train = join(carried, `${task}.tsv`);
  const vocab = join(carried, "vocab.txt");
  if (!existsSync(train) || !existsSync(vocab)) return tell(`fine-tuning: ${train} or ${vocab} is missing.`);
  const { saveStart } = await import("../peers/firth-start.mjs");
  const model = join(folder, "model");
  await saveStart(model, { vocab, preset: values.trial ? "tiny" : finetuning.model, seed: 1, source: false });
  const numSteps = values.trial ? 6 : steps;
  const dtype = device === "cpu" ? "f32" : "bf16";
  const shared = ["--model", model, "--train", train, "--steps", numSteps + 1, "--batch", batch, "--seed", 1];
  const args = [...shared, "--max-length", 128, "--dtype", dtype].map(String);
  const peers = join(here, "..", "peers");
  const named = engine === "cuda" ? "xla:cuda" : engine;
  const input = "step\n".repeat(numSteps + 1);
  const measured = [];
  for (const [id, label, command, own] of [
    ["firth", `Firth ${dtype}`, process.execPath, [join(peers, "firth-finetune.mjs"), ...args, "--engine", named]],
    ["trainer", `Trainer ${dtype}`, python, [join(peers, "pytorch_finetune.py"), ...args, "--device", device]],
  ]) {
    try {
      const lines = await linesOf(command, own, { input, seconds: 60 * Math.max(1, minutesLeft()) });
      const stepMs = lines.flatMap((line) => (line.stepMs === undefined ? [] : [line.stepMs])).slice(1);
      const usual = median(stepMs);
      const slow = stepMs.filter((ms) => ms > 3 * usual);
      measured.push({
        id,
        label,
        stepMs,
        usual,
        slow: slow.length,
        slowSeconds: slow.reduce((a, b) => a + b, 0) / 1000,
      });
    } catch (error) {
      tell(`${label}: ${error.message}`);
      measured.push({ id, label, absent: error.message.split("\n").at(-1).slice(0, 200) });
    }
  }
  keep({ kind: "finetuning", task, batch, dtype, target: finetuning.target, sides: measured });
}

const folder = mkdtempSync(join(tmpdir(), "firth-gpu-"));
const chosen = values.works?.split(",");
const known = values.trial ? trialWorks : works;
const tasks = [
  ["curve", compareCurves],
  ...known.map((work) => [work.name, () => measure(work, folder)]),
  ["finetuning", () => compareFinetuning(folder)],
].filter(([name]) => (chosen ?? [name]).includes(name));
writeFileSync(records, "");
for (const [name, run] of tasks) {
  // A work takes about a minute and a half, most of it compiling.
  if (minutesLeft() < 1.5) {
    tell(`${name}: left out, the time is over. Run it with --works ${name}.`);
    continue;
  }
  tell(`${name} …`);
  try {
    await run();
  } catch (error) {
    tell(`${name}: ${error.stack ?? error}`);
  }
}
