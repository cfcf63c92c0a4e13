// Compares fine-tuning with Firth's `finetune` and with Hugging Face's Trainer: same weights, same texts, same number of steps.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "../section.mjs";
import { engines as dtypes, tasks, usual } from "./finetuning-cases.mjs";
import { renderFinetuning } from "./finetuning-section.mjs";
import {
  keepRecords,
  measureGroups,
  peerEnvironment,
  readPart,
  replaceByKey,
  requireData,
  withSurroundings,
} from "./part.mjs";
import { pythonOf } from "./programs.mjs";
import { taskFile } from "./task-data.mjs";

const dataFiles = Object.values(tasks).map(({ file }) => file);

export const finetuningUsage = `finetuning --data FOLDER [options]   fine-tuning, into bench/results/finetuning.md
  --data FOLDER     folder with ${dataFiles.join(", ")}, also gzipped
  --vocab FILE      WordPiece vocabulary, uncased (vocab.txt of bert-base-uncased); FOLDER/vocab.txt when left out
  --tasks LIST      ${Object.keys(tasks).join(",")}      --dtypes LIST  f32,bf16
  --model SIZE      preset of the network (base)
  --steps N         optimizer steps a side, each of --batch examples (each task's own)
  --block N         steps a turn (2)      --malloc tuned|stock   --memory GB`;

const seed = 1;

function readOptions(args) {
  const names = ["data", "vocab", "tasks", "dtypes", "model", "steps", "batch", "block"];
  const { values, number, list, common } = readPart(args, names);
  const data = requireData("finetuning", values);
  return {
    ...common,
    data,
    vocab: values.vocab ?? join(data, "vocab.txt"),
    tasks: list("tasks", Object.keys(tasks)),
    dtypes: list("dtypes", Object.keys(dtypes)),
    model: values.model ?? "base",
    steps: number("steps", 1),
    batch: number("batch", 1),
    block: number("block", 1) ?? 2,
  };
}

/** The sides of one task in one dtype. The counted steps are a whole number of blocks; one step more is the warm-up. */
function sidesOf(dtype, files, { kind, maxLength, stride, steps, batch, gigabytes }, { malloc, source }, python) {
  const shared = ["--model", files.model, "--train", files.train, "--steps", steps + 1, "--batch", batch];
  const reading = ["--kind", kind, "--max-length", maxLength, ...(stride === undefined ? [] : ["--stride", stride])];
  const run = [...shared, "--seed", seed, ...reading, "--dtype", dtype].map(String);
  const script = join(root, "bench", "peers", "firth-finetune.mjs");
  const firth = dtypes[dtype].map((engine) => ({
    ...{ id: `${engine}-${dtype}`, ours: true, dtype, label: `Firth, ${engine} ${dtype}`, gigabytes: gigabytes.ours },
    command: process.execPath,
    args: [...(source ? ["--import", "tsx", script, "--source"] : [script]), ...run, "--engine", engine],
    shown: "node",
  }));
  const trainer = {
    ...{ id: `trainer-${dtype}`, ours: false, dtype, label: `Trainer ${dtype}`, gigabytes: gigabytes.peer },
    command: python,
    args: [join(root, "bench", "peers", "pytorch_finetune.py"), ...run],
    env: peerEnvironment(malloc),
    shown: "python",
  };
  return [...firth, trainer];
}

/** Items of a task that both sides read, and the model that both start from, in a folder of their own. */
async function prepare(folder, task, count, { data, vocab, model, source }) {
  const { ending, text } = await taskFile(data, tasks[task], count, seed);
  const train = join(folder, `${task}${ending}`);
  writeFileSync(train, text);
  const { saveStart } = await import("./firth-start.mjs");
  const start = join(folder, "model");
  await saveStart(start, { vocab, preset: model, seed, source });
  return { train, model: start };
}

async function measure(task, options, python) {
  const { block, gigabytes, model, malloc } = options;
  const own = { ...usual, ...tasks[task] };
  const batch = options.batch ?? own.batch;
  const rounds = Math.ceil((options.steps ?? own.steps) / block);
  const steps = rounds * block;
  const { maxLength } = own;
  const folder = mkdtempSync(join(tmpdir(), "firth-finetuning-"));
  const shown = (command) => command.replaceAll(folder, "WORK");
  try {
    return await withSurroundings(async () => {
      const files = await prepare(folder, task, (steps + 1) * batch, options);
      const groups = [];
      for (const dtype of options.dtypes) {
        const tell = (message) => console.error(`${task} ${dtype}: ${message}`);
        const sides = sidesOf(dtype, files, { ...own, steps, batch }, options, python);
        groups.push(
          ...(await measureGroups(sides, { gigabytes, protocol: { rounds, block, settle: 0 }, tell, shown })),
        );
      }
      return { task, model, steps, block, batch, maxLength, malloc, groups };
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs the chosen tasks and writes the section; tasks that are not run again keep their earlier figures. */
export async function runFinetuning(args) {
  const options = readOptions(args);
  const python = pythonOf(options.python, ["torch", "transformers", "accelerate"]);
  const section = { part: "finetuning", render: renderFinetuning, join: replaceByKey(({ task }) => task) };
  await keepRecords(options.tasks, (task) => measure(task, options, python), section);
}
