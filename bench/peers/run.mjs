// Compares the training step of Firth with PyTorch's: both processes stay loaded and take turns.
//
//   npm run bench:peers -- [--python PATH] [--model bert-base --vocab 30522 --batch 8 --seq 128] [--peers gathered:f32,…]
//
// Python comes from --python, else FIRTH_PEER_PYTHON, else python3. Exit code 2: no Python, or a package is missing.

import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import os from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { median, renderResults } from "./report.mjs";
import { SideError, startSide } from "./stepper.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "..", "..");
const peerScript = join(here, "pytorch_train.py");
const defaultCases = [
  { model: "bert-base", vocab: "30522", batch: "8", seq: "128" },
  { model: "bert-mini", vocab: "8192", batch: "32", seq: "128" },
];
// PyTorch frees and faults in its large buffers at every step unless glibc is told to keep them: up to a fifth of the step.
const tunedMalloc = {
  MALLOC_MMAP_MAX_: "0",
  MALLOC_TRIM_THRESHOLD_: "34359738368",
  MALLOC_TOP_PAD_: "268435456",
};

const usage = `Usage: npm run bench:peers -- [options]
  --python PATH     Python with the packages of bench/peers/requirements.txt (FIRTH_PEER_PYTHON; python3)
  --model, --vocab, --batch, --seq   one case instead of bert-base 8×128 and bert-mini 32×128
  --peers LIST      head:dtype[:compile], comma-separated (gathered:f32,stock:f32,gathered:bf16)
  --rounds N        turns of each side (4)      --block N   steps a turn (4)
  --settle N        uncounted steps at the start of a turn (1)
  --warmup N        steps before the first turn (2)
  --malloc tuned|stock   the peer's allocator (tuned)
  --firth-arg ARG   further argument of \`firth bench train\`; may be repeated
  --entry FILE      Firth's program (dist/cli/main.js)
  --out FILE        page to write (bench/RESULTS.md)      --json   print the result as JSON`;

function fail(message, code) {
  console.error(message);
  process.exit(code);
}

function readOptions() {
  const text = (value) => ({ type: "string", ...(value === undefined ? {} : { default: value }) });
  let values;
  try {
    ({ values } = parseArgs({
      options: {
        python: text(process.env.FIRTH_PEER_PYTHON || "python3"),
        model: text(),
        vocab: text(),
        batch: text(),
        seq: text(),
        peers: text("gathered:f32,stock:f32,gathered:bf16"),
        rounds: text("4"),
        block: text("4"),
        settle: text("1"),
        warmup: text("2"),
        malloc: text("tuned"),
        entry: text(join(root, "dist", "cli", "main.js")),
        out: text(join(root, "bench", "RESULTS.md")),
        "firth-arg": { type: "string", multiple: true, default: [] },
        json: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    }));
  } catch (error) {
    fail(`bench:peers: ${error.message}\n${usage}`, 1);
  }
  if (values.help) {
    console.log(usage);
    process.exit(0);
  }
  for (const [name, least] of Object.entries({ rounds: 1, block: 1, settle: 0, warmup: 0 })) {
    const number = Number(values[name]);
    if (!Number.isInteger(number) || number < least)
      fail(`bench:peers: --${name} must be an integer of at least ${least}; got ${values[name]}.`, 1);
    values[name] = number;
  }
  if (values.settle >= values.block)
    fail(`bench:peers: --settle must be below --block; got ${values.settle} and ${values.block}.`, 1);
  if (values.malloc !== "tuned" && values.malloc !== "stock")
    fail(`bench:peers: --malloc must be tuned or stock; got ${values.malloc}.`, 1);
  values.peers = values.peers.split(",").map((peer) => {
    const [head, dtype, compile] = peer.split(":");
    if (
      !["gathered", "stock"].includes(head) ||
      !["f32", "bf16"].includes(dtype) ||
      !["compile", undefined].includes(compile)
    )
      fail(`bench:peers: --peers must list gathered|stock:f32|bf16[:compile]; got ${peer}.`, 1);
    return { head, dtype, compile: compile !== undefined };
  });
  return values;
}

function checkPython(python) {
  const requirements = relative(process.cwd(), join(here, "requirements.txt"));
  const install = `Install it:\n  python3 -m venv .peers && .peers/bin/pip install -r ${requirements}\n  FIRTH_PEER_PYTHON=.peers/bin/python npm run bench:peers`;
  const probe = spawnSync(python, ["-c", "import torch, transformers"], { encoding: "utf8" });
  if (probe.error) fail(`bench:peers: Python not found; tried ${python} (${probe.error.code}). ${install}`, 2);
  if (probe.status !== 0) {
    const reason = probe.stderr.trim().split("\n").at(-1);
    fail(`bench:peers: ${python} cannot import torch and transformers; ${reason}. ${install}`, 2);
  }
}

const shellWord = (word) => (/^[\w./:=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);
const sized = (report, times, work) => {
  const stepMs = median(times);
  return { stepMs, times, tokensPerSecond: (1000 * work.batch * work.seq) / stepMs, report };
};

async function compare(work, peer, options) {
  const shape = ["--model", work.model, "--vocab", work.vocab, "--batch", work.batch, "--seq", work.seq];
  const shared = [...shape, "--warmup", String(options.warmup), "--interactive"];
  const firthArgs = ["bench", "train", ...shared, "--json", ...options["firth-arg"]];
  const peerArgs = [...shared, "--head", peer.head, "--dtype", peer.dtype, ...(peer.compile ? ["--compile"] : [])];
  const env = options.malloc === "tuned" && process.platform === "linux" ? tunedMalloc : {};
  const sides = [];
  try {
    // One after the other, so that neither warms up while the other does; the first block of each is thrown away.
    const firth = await startSide({ label: "Firth", command: process.execPath, args: [options.entry, ...firthArgs] });
    sides.push(firth);
    await firth.steps(1);
    const torch = await startSide({ label: "PyTorch", command: options.python, args: [peerScript, ...peerArgs], env });
    sides.push(torch);
    await torch.steps(1);
    const times = { firth: [], torch: [] };
    for (let round = 0; round < options.rounds; round++) {
      times.firth.push(...(await firth.steps(options.block)).slice(options.settle));
      times.torch.push(...(await torch.steps(options.block)).slice(options.settle));
      console.error(
        `${work.model} ${work.batch}×${work.seq}, ${peer.head} ${peer.dtype}, round ${round + 1}/${options.rounds}: ` +
          `Firth ${median(times.firth).toFixed(0)} ms, PyTorch ${median(times.torch).toFixed(0)} ms`,
      );
    }
    const ours = sized(await firth.finish(), times.firth, work);
    const theirs = sized(await torch.finish(), times.torch, work);
    const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    return {
      firthLabel:
        [ours.report.engine, ours.report.dtype].filter((word) => typeof word === "string").join(" ") || "default",
      firth: ours,
      peer: theirs,
      ratio: theirs.stepMs / ours.stepMs,
      commands: [
        ["node", relative(root, options.entry), ...firthArgs].map(shellWord).join(" "),
        [...variables, "python", relative(root, peerScript), ...peerArgs].map(shellWord).join(" "),
      ],
    };
  } finally {
    for (const side of sides) side.stop();
  }
}

async function main() {
  const options = readOptions();
  checkPython(options.python);
  if (!existsSync(options.entry)) fail(`bench:peers: ${options.entry} is missing. Run npm run build first.`, 1);
  const asked = Object.fromEntries(
    ["model", "vocab", "batch", "seq"].filter((key) => options[key]).map((key) => [key, options[key]]),
  );
  const works = Object.keys(asked).length > 0 ? [{ ...defaultCases[0], ...asked }] : defaultCases;
  const load = () => os.loadavg()[0].toFixed(2);
  const loadBefore = load();
  const cases = [];
  for (const work of works) {
    const rows = [];
    for (const peer of options.peers) rows.push(await compare(work, peer, options));
    cases.push({ name: `${work.model}, ${work.batch} × ${work.seq}, vocabulary ${work.vocab}`, rows });
  }
  const date = new Date().toISOString().slice(0, 10);
  const page = renderResults({ cases, options, date, loadBefore, loadAfter: load() });
  writeFileSync(options.out, page);
  if (options.json) console.log(JSON.stringify({ cases }));
  else console.log(page);
}

main().catch((error) =>
  fail(error instanceof SideError ? `bench:peers: ${error.message}` : (error.stack ?? String(error)), 1),
);
