// Fine-tuning on pairs of sentences, Firth and the Trainer one after the other.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { saveStart } from "../peers/firth-start.mjs";
import { median } from "../section.mjs";
import { pluginOfPython } from "./backend.mjs";
import { here } from "./place.mjs";
import { finetuning } from "./works.mjs";

const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);

/** Times of the steps but the first, without compiling, which is told by itself. */
function timesOf(lines) {
  const steps = lines.filter(({ stepMs }) => stepMs !== undefined).slice(1);
  if (steps.length === 0) return undefined;
  const stepMs = steps.map((step) => step.stepMs - (step.compileMs ?? 0));
  const compiled = lines.flatMap(({ compileMs }) => (compileMs > 0 ? [compileMs] : []));
  return { stepMs, usual: median(stepMs), compiled: compiled.length, compileSeconds: sum(compiled) / 1000 };
}

/** @param {import("./place.mjs").Place} place */
export async function compareFinetuning(place, lateMs) {
  const { carried, trial, engine, device, python, attention, source } = place.options;
  const plugin = place.options.plugin ?? (engine === "cuda" ? pluginOfPython(python) : undefined);
  const { task, batch, target } = finetuning;
  const train = join(carried, `${task}.tsv`);
  const vocab = join(carried, "vocab.txt");
  if (!existsSync(train) || !existsSync(vocab)) return place.tell(`fine-tuning: ${train} or ${vocab} is missing.`);
  const model = join(place.scratch, "model");
  await saveStart(model, { vocab, preset: trial ? "tiny" : finetuning.model, seed: 1, source });
  const numSteps = (trial ? 6 : finetuning.steps) + 1;
  const { dtype } = place;
  const shared = ["--model", model, "--train", train, "--steps", numSteps, "--batch", batch, "--seed", 1];
  const args = [...shared, "--max-length", 128, "--dtype", dtype].map(String);
  const peers = join(here, "..", "peers");
  const own = Object.entries({ engine: engine === "cuda" ? "xla:cuda" : engine, attention, plugin });
  const ours = own.flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, value]));
  const loader = source ? ["--import", "tsx"] : [];
  const input = "step\n".repeat(numSteps);
  const measured = [];
  for (const [id, label, command, program] of [
    [
      "firth",
      `Firth ${dtype}`,
      process.execPath,
      [...loader, join(peers, "firth-finetune.mjs"), ...args, ...ours, ...(source ? ["--source"] : [])],
    ],
    ["trainer", `Trainer ${dtype}`, python, [join(peers, "pytorch_finetune.py"), ...args, "--device", device]],
  ]) {
    const { lines, failure } = await place.lines(command, program, { input, lateMs });
    if (failure !== undefined) place.tell(`${label}: ${failure.message}`);
    const times = timesOf(lines);
    const report = lines.findLast(({ allStepMs }) => allStepMs !== undefined);
    const failed = failure === undefined ? {} : { failure: failure.message.split("\n")[0].slice(0, 300) };
    measured.push({ id, label, ...(times ?? { absent: failed.failure ?? "no steps" }), ...failed, report });
    place.keep({ kind: "finetuning", task, batch, dtype, target, sides: [...measured] });
  }
}
