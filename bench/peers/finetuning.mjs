// Compares fine-tuning with Firth's `finetune` and with Hugging Face's Trainer: same weights, same texts, same number of steps.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
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
import { engines as dtypes, tasks } from "./finetuning-cases.mjs";
import { renderFinetuning } from "./finetuning-section.mjs";
import { pythonOf, tunedMalloc } from "./programs.mjs";
import { readExamples } from "./task-data.mjs";
import { fittingGroups, takeTurns } from "./turns.mjs";

export const finetuningUsage = `finetuning --data FOLDER [options]   fine-tuning, into bench/results/finetuning.md
  --data FOLDER     folder with sst2/train.tsv[.gz] and mrpc/msr-para-train.tsv[.gz]
  --vocab FILE      WordPiece vocabulary, uncased (vocab.txt of bert-base-uncased); FOLDER/vocab.txt when left out
  --tasks LIST      ${Object.keys(tasks).join(",")}      --dtypes LIST  f32,bf16
  --model SIZE      preset of the network (base)
  --steps N         optimizer steps a side, each of --batch texts (each task's own; 32)
  --block N         steps a turn (2)      --malloc tuned|stock   --memory GB`;

const seed = 1;
const maxLength = 128;

function readOptions(args) {
  const text = { type: "string" };
  const names = [
    "data",
    "vocab",
    "tasks",
    "dtypes",
    "model",
    "steps",
    "batch",
    "block",
    "malloc",
    "memory",
    "python",
    "entry",
  ];
  const { values } = parseArgs({ args, options: Object.fromEntries(names.map((name) => [name, text])) });
  if (values.data === undefined) throw new RangeError("finetuning: --data must name the folder of the data sets.");
  const list = (name, known) => {
    const chosen = (values[name] ?? known.join(",")).split(",");
    const strange = chosen.find((one) => !known.includes(one));
    if (strange !== undefined) throw new RangeError(`--${name} must list some of ${known.join(", ")}; got ${strange}.`);
    return chosen;
  };
  const whole = (name, fallback) => {
    const value = values[name] === undefined ? fallback : Number(values[name]);
    if (value !== undefined && !(Number.isInteger(value) && value >= 1))
      throw new RangeError(`--${name} must be a whole number of at least 1; got ${values[name]}.`);
    return value;
  };
  return {
    data: values.data,
    vocab: values.vocab ?? join(values.data, "vocab.txt"),
    tasks: list("tasks", Object.keys(tasks)),
    dtypes: list("dtypes", Object.keys(dtypes)),
    model: values.model ?? "base",
    steps: whole("steps"),
    batch: whole("batch", 32),
    block: whole("block", 2),
    malloc: values.malloc ?? "tuned",
    gigabytes: values.memory === undefined ? (0.9 * availableBytes()) / 1e9 : Number(values.memory),
    python: values.python,
    // From the sources when the program is a source file.
    source: values.entry?.endsWith(".ts") ?? false,
  };
}

/** The sides of one task in one dtype. The counted steps are a whole number of blocks; one step more is the warm-up. */
function sidesOf(dtype, files, steps, { batch, malloc, source }, python) {
  const shared = ["--model", files.model, "--train", files.train, "--steps", steps + 1, "--batch", batch];
  const run = [...shared, "--seed", seed, "--max-length", maxLength, "--dtype", dtype].map(String);
  const script = join(root, "bench", "peers", "firth-finetune.mjs");
  const firth = dtypes[dtype].map((engine) => ({
    ...{ id: `${engine}-${dtype}`, ours: true, dtype, label: `Firth, ${engine} ${dtype}`, gigabytes: 4.5 },
    command: process.execPath,
    args: [...(source ? ["--import", "tsx", script, "--source"] : [script]), ...run, "--engine", engine],
    shown: "node",
  }));
  const trainer = {
    ...{ id: `trainer-${dtype}`, ours: false, dtype, label: `Trainer ${dtype}`, gigabytes: 5 },
    command: python,
    args: [join(root, "bench", "peers", "pytorch_finetune.py"), ...run],
    env: malloc === "tuned" && process.platform === "linux" ? tunedMalloc : {},
    shown: "python",
  };
  return [...firth, trainer];
}

/** Texts of a task that both sides read, and the model that both start from, in a folder of their own. */
async function prepare(folder, task, count, { data, vocab, model, source }) {
  const examples = await readExamples(data, tasks[task], count, seed);
  const train = join(folder, `${task}.tsv`);
  writeFileSync(train, examples.map(({ label, texts }) => `${[label, ...texts].join("\t")}\n`).join(""));
  const { saveStart } = await import("./firth-start.mjs");
  const start = join(folder, "model");
  await saveStart(start, { vocab, preset: model, seed, source });
  return { train, model: start };
}

async function measure(task, options, python) {
  const { block, batch } = options;
  const rounds = Math.ceil((options.steps ?? tasks[task].steps) / block);
  const steps = rounds * block;
  const folder = mkdtempSync(join(tmpdir(), "firth-finetuning-"));
  const loadBefore = load();
  try {
    const files = await prepare(folder, task, (steps + 1) * batch, options);
    const groups = [];
    for (const dtype of options.dtypes) {
      for (const group of fittingGroups(sidesOf(dtype, files, steps, options, python), options.gigabytes)) {
        const protocol = { rounds, block, settle: 0 };
        const results = await takeTurns(group, protocol, (message) => console.error(`${task} ${dtype}: ${message}`));
        groups.push(
          results.map(({ side, rounds: times, report, absent }) => ({
            ...{ id: side.id, ours: side.ours, dtype, label: side.label },
            command: shellCommand([side.shown, ...side.args], side.env).replaceAll(folder, "WORK"),
            ...(absent === undefined ? { rounds: times, report } : { absent }),
          })),
        );
      }
    }
    const versions = { node: process.versions.node };
    const facts = {
      task,
      model: options.model,
      steps,
      block,
      batch,
      maxLength,
      malloc: options.malloc,
      groups,
      versions,
    };
    return { ...facts, date: today(), machine: machine(), loadBefore, loadAfter: load() };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs the chosen tasks and writes the section; tasks that are not run again keep their earlier figures. */
export async function runFinetuning(args) {
  const options = readOptions(args);
  const python = pythonOf(options.python, ["torch", "transformers", "accelerate"]);
  const known = readRecords("finetuning.jsonl");
  for (const task of options.tasks) {
    const measured = await measure(task, options, python);
    const at = known.findIndex((one) => one.task === task);
    if (at === -1) known.push(measured);
    else known[at] = measured;
    writeRecords("finetuning.jsonl", known);
    writeResult("finetuning.md", renderFinetuning(known));
  }
}
