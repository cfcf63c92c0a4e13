// Compares the pre-training step of Firth's engines with PyTorch's: see training-cases.mjs for what, `usage` for how.

import { join } from "node:path";
import { parseArgs } from "node:util";
import {
  availableBytes,
  load,
  machine,
  readRecords,
  root,
  shellCommand,
  today,
  writeRecords,
  writeResult,
} from "../section.mjs";
import { programOf, pythonOf, tunedMalloc } from "./programs.mjs";
import { comparisons, engines, peers, works } from "./training-cases.mjs";
import { renderTraining } from "./training-section.mjs";
import { fittingGroups, takeTurns } from "./turns.mjs";

const peerScript = join(root, "bench", "peers", "pytorch_train.py");

export const usage = `training [options]   pre-training steps, into bench/results/training.md
  --works LIST      ${works.map(({ name }) => name).join(",")}
  --ours LIST       ${engines.map(({ id }) => id).join(",")}
  --peers LIST      ${peers.map(({ id }) => id).join(",")}
  --rounds N, --block N, --settle N   turns of each side, steps a turn, uncounted steps of a turn (each work's own)
  --warmup N        steps before the first turn, besides one more (1)
  --malloc tuned|stock   the peers' allocator (tuned)
  --memory GB       what the sides may take together (90 % of what is free)`;

function chosen(list, known, what) {
  if (list === undefined) return known;
  const ids = list.split(",");
  const all = known.map((entry) => entry.id ?? entry.name);
  const strange = ids.find((id) => !all.includes(id));
  if (strange !== undefined) throw new RangeError(`--${what} must list some of ${all.join(", ")}; got ${strange}.`);
  return known.filter((entry) => ids.includes(entry.id ?? entry.name));
}

function readOptions(args) {
  const text = { type: "string" };
  const names = [
    "works",
    "ours",
    "peers",
    "rounds",
    "block",
    "settle",
    "warmup",
    "malloc",
    "memory",
    "python",
    "entry",
  ];
  const { values } = parseArgs({ args, options: Object.fromEntries(names.map((name) => [name, text])) });
  const number = (name, least) => {
    if (values[name] === undefined) return undefined;
    const value = Number(values[name]);
    if (!(value >= least)) throw new RangeError(`--${name} must be at least ${least}; got ${values[name]}.`);
    return value;
  };
  const { malloc = "tuned" } = values;
  if (!["tuned", "stock"].includes(malloc)) throw new RangeError(`--malloc must be tuned or stock; got ${malloc}.`);
  return {
    works: chosen(values.works, works, "works"),
    ours: chosen(values.ours, engines, "ours"),
    peers: chosen(values.peers, peers, "peers"),
    protocol: { rounds: number("rounds", 1), block: number("block", 1), settle: number("settle", 0) },
    warmup: number("warmup", 0) ?? 1,
    malloc,
    gigabytes: number("memory", 1) ?? (0.9 * availableBytes()) / 1e9,
    python: values.python,
    entry: values.entry,
  };
}

function sidesOf(work, { ours, peers: theirs }, { warmup, malloc, python, entry }) {
  const { model, vocab, batch, seq } = work;
  const shape = ["--model", model, "--vocab", vocab, "--batch", batch, "--seq", seq, "--warmup", warmup].map(String);
  const env = malloc === "tuned" && process.platform === "linux" ? tunedMalloc : {};
  const program = programOf(entry);
  const firth = ours.map(({ id, engine, dtype, gigabytes }) => {
    const named = ["--engine", engine, ...(dtype === "f32" ? [] : ["--dtype", dtype])];
    const args = ["bench", "train", ...shape, ...named, "--interactive", "--json"];
    return { id, ours: true, dtype, label: `${engine} ${dtype}`, gigabytes: gigabytes[model], ...program(args) };
  });
  const torch = theirs.map(({ id, head, dtype, compile = false, gigabytes }) => {
    const kind = ["--head", head, "--dtype", dtype, "--optimizer", "fused", ...(compile ? ["--compile"] : [])];
    const args = [peerScript, ...shape, ...kind, "--interactive"];
    // Compiling in the process itself leaves no helpers behind that are awake while other sides run.
    const own = compile ? { ...env, TORCHINDUCTOR_COMPILE_THREADS: "1" } : env;
    const label = `PyTorch ${dtype === "bf16" ? "bf16 autocast" : dtype} ${compile ? "torch.compile" : "eager"}${head === "stock" ? ", stock head" : ""}`;
    return {
      id,
      ours: false,
      dtype,
      label,
      gigabytes: gigabytes[model],
      command: python,
      args,
      env: own,
      shown: "python",
    };
  });
  return [...firth, ...torch];
}

async function measure(work, options, python) {
  const protocol = Object.fromEntries(
    Object.entries(options.protocol).map(([name, value]) => [name, value ?? work[name]]),
  );
  const loadBefore = load();
  const groups = [];
  for (const comparison of comparisons) {
    if (comparison.works !== undefined && !comparison.works.includes(work.name)) continue;
    const part = {
      ours: options.ours.filter(({ id }) => comparison.ours.includes(id)),
      peers: options.peers.filter(({ id }) => comparison.peers.includes(id)),
    };
    if (part.ours.length === 0 || part.peers.length === 0) continue;
    for (const group of fittingGroups(sidesOf(work, part, { ...options, python }), options.gigabytes)) {
      const results = await takeTurns(group, protocol, (message) => console.error(`${work.name}: ${message}`));
      groups.push(
        results.map(({ side, rounds, report, absent }) => ({
          ...{ id: side.id, ours: side.ours, dtype: side.dtype, label: side.label },
          command: shellCommand([side.shown ?? side.command, ...side.args], side.env),
          ...(absent === undefined ? { rounds, report } : { absent }),
        })),
      );
    }
  }
  const versions = { node: process.versions.node };
  return {
    work,
    protocol,
    groups,
    versions,
    date: today(),
    machine: machine(),
    loadBefore,
    loadAfter: load(),
    malloc: options.malloc,
  };
}

/** Runs the chosen works and writes the section; works that are not run again keep their earlier figures. */
export async function runTraining(args) {
  const options = readOptions(args);
  const python = pythonOf(options.python, ["torch", "transformers"]);
  const known = readRecords("training.jsonl");
  for (const work of options.works) {
    const measured = await measure(work, options, python);
    const at = known.findIndex((one) => one.work.name === work.name);
    if (at === -1) known.push(measured);
    else known[at] = measured;
    writeRecords("training.jsonl", known);
    writeResult("training.md", renderTraining(known));
  }
}
