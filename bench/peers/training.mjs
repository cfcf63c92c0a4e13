// Compares the pre-training step of Firth's engines with PyTorch's: see training-cases.mjs for what, `usage` for how.

import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { readRecords, readRecordsAt, root, writeRecords, writeResult } from "../section.mjs";
import { keepRecords, measureGroups, peerEnvironment, readPart, withSurroundings } from "./part.mjs";
import { programOf, pythonOf } from "./programs.mjs";
import { comparisons, engines, peers, works } from "./training-cases.mjs";
import { newestTables } from "./training-records.mjs";
import { renderTraining } from "./training-section.mjs";

const peerScript = join(root, "bench", "peers", "pytorch_train.py");

export const usage = `training [options]   pre-training steps, into bench/results/training.md
  --works LIST      ${works.map(({ name }) => name).join(",")}
  --ours LIST       ${engines.map(({ id }) => id).join(",")}
  --peers LIST      (each work's own) ${peers.map(({ id }) => id).join(",")}
  --rounds N, --block N, --settle N   turns of each side, steps a turn, uncounted steps of a turn (each work's own)
  --warmup N        steps before the first turn, besides one more (1)
  --malloc tuned|stock   the peers' allocator (tuned)
  --memory GB       what the sides may take together (90 % of what is free)
  --merge FILE      only adds the records of another run, which are the newer where the day is the same`;

function readOptions(args) {
  const names = ["works", "ours", "peers", "rounds", "block", "settle", "warmup", "merge"];
  const { values, number, list, common } = readPart(args, names);
  const nameOf = ({ id, name }) => id ?? name;
  const chosen = (option, known) => {
    const names = list(option, known.map(nameOf));
    return known.filter((one) => names.includes(nameOf(one)));
  };
  return {
    ...common,
    works: chosen("works", works),
    ours: chosen("ours", engines),
    peers: values.peers === undefined ? undefined : chosen("peers", peers),
    merge: values.merge,
    protocol: { rounds: number("rounds", 1), block: number("block", 1), settle: number("settle", 0) },
    warmup: number("warmup", 0) ?? 1,
  };
}

function sidesOf(work, { ours, peers: theirs }, { warmup, malloc, python, entry }) {
  const { model, vocab, batch, seq } = work;
  const shape = ["--model", model, "--vocab", vocab, "--batch", batch, "--seq", seq, "--warmup", warmup].map(String);
  const env = peerEnvironment(malloc);
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
  const { gigabytes, malloc } = options;
  const wanted = options.peers ?? peers.filter(({ id }) => work.peers === undefined || work.peers.includes(id));
  const tell = (message) => console.error(`${work.name}: ${message}`);
  return withSurroundings(async () => {
    const groups = [];
    for (const comparison of comparisons) {
      if (comparison.works !== undefined && !comparison.works.includes(work.name)) continue;
      const part = {
        ours: options.ours.filter(({ id }) => comparison.ours.includes(id)),
        peers: wanted.filter(({ id }) => comparison.peers.includes(id)),
      };
      if (part.ours.length === 0 || part.peers.length === 0) continue;
      const sides = sidesOf(work, part, { ...options, python });
      groups.push(...(await measureGroups(sides, { gigabytes, protocol, tell })));
    }
    return { work, protocol, groups, malloc };
  });
}

const addRecord = (known, measured) => newestTables([...known, measured]);

/** Adds what another run measured, and writes the section. */
function merge(file) {
  if (!existsSync(file)) throw new RangeError(`--merge must name a file of records; there is no ${file}.`);
  const records = readRecordsAt(resolve(file)).reduce(addRecord, readRecords("training.jsonl"));
  writeRecords("training.jsonl", records);
  writeResult("training.md", renderTraining(records));
}

/** Runs the chosen works and writes the section; comparisons that are not run again keep their earlier figures. */
export async function runTraining(args) {
  const options = readOptions(args);
  if (options.merge !== undefined) return merge(options.merge);
  const python = pythonOf(options.python, ["torch", "transformers"]);
  const section = { part: "training", render: renderTraining, join: addRecord };
  await keepRecords(options.works, (work) => measure(work, options, python), section);
}
