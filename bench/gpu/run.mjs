// Measures Firth beside PyTorch and JAX on the GPU of this machine: works.mjs says what. run.sh starts it there, and docs/gpu.md
// says how.
//
//   node bench/gpu/run.mjs --out FOLDER [--plan 1 | --works LIST] [--minutes 9] [--patience 1] [--rounds 3] [--block 20] [--sides LIST]
//     [--attention written-out] [--flags xla_…=VALUE,…] [--plugin FILE] [--python python3]
//
// Writes FOLDER/gpu.jsonl, a record as soon as something is measured, and prints what it says; section.mjs makes a page of
// records. A part that fails or takes too long is told and leaves the others alone. Without a GPU:
// --engine xla:cpu --trial tries all of it on small networks (any engine does).

import { join } from "node:path";
import { compareCurves } from "./curve-part.mjs";
import { checkEngine } from "./engine-part.mjs";
import { compareFinetuning } from "./finetuning-part.mjs";
import { Place } from "./place.mjs";
import { measureTraining } from "./training-part.mjs";
import { limits, plans, trialWorks, works } from "./works.mjs";

const place = new Place();
const { plan, trial, works: chosen } = place.options;
const training = (trial ? trialWorks : works).map((work) => [
  work.name,
  limits.training,
  (lateMs) => measureTraining(place, work, lateMs),
]);
const parts = new Map(
  [
    ["engine", limits.engine, (lateMs) => checkEngine(place, lateMs)],
    ["curve", limits.curve, (lateMs) => compareCurves(place, lateMs)],
    ...training,
    ["finetuning", limits.finetuning, (lateMs) => compareFinetuning(place, lateMs)],
  ].map(([name, seconds, run]) => [name, { seconds, run }]),
);
const names = chosen?.split(",") ?? (plan === undefined ? [...parts.keys()] : plans[plan]);
const unknown = names === undefined ? [`--plan ${plan}`] : names.filter((name) => !parts.has(name));
if (unknown.length > 0) {
  const known = `--works of ${[...parts.keys()].join(", ")}; --plan of ${Object.keys(plans).join(", ")}`;
  place.tell(`there is no ${unknown.join(", ")}; there are ${known}.`);
  process.exit(1);
}
const left = [];
for (const name of names) {
  const { seconds, run } = parts.get(name);
  // A part that cannot start and compile in what is left would only cost it.
  if (place.secondsLeft < limits.least) {
    left.push(name);
    continue;
  }
  place.tell(`${name}, for at most ${(place.clock(seconds)() / 1000).toFixed(0)} s …`);
  try {
    await run(place.clock(seconds));
  } catch (error) {
    place.tell(`${name}: ${error.stack ?? error}`);
  }
}
if (left.length > 0) place.tell(`the time is over; left out: --works ${left.join(",")}`);
place.tell(`records: ${join(place.options.out, "gpu.jsonl")}`);
// Whatever a part left behind must not keep this alive.
process.exit(0);
