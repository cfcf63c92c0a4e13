// Losses of a short run beside the onnx engine's, which were recorded where that engine runs.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { here } from "./place.mjs";
import { curve } from "./works.mjs";

/** Steps that are made a second time, in a process of their own, where the first ended with so many seconds left. */
const repeated = { steps: 40, seconds: 25 };

/**
 * Whether the same steps give the same numbers again: programs are compiled anew, and sums may come in another order.
 * @param {import("./place.mjs").Place} place
 */
async function repeatCurve(place, dtype, first, lateMs) {
  if (first.length === 0 || lateMs() < 1000 * repeated.seconds) return undefined;
  const program = place.firth("curve.mjs", "--dtype", dtype, "--steps", first.length, "--until", repeated.steps);
  const { lines, failure } = await place.lines(process.execPath, program, { lateMs });
  if (failure !== undefined) place.tell(`curve ${dtype} again: ${failure.message}`);
  const made = lines.filter(({ step }) => step !== undefined);
  const other = made.findIndex(({ loss, norm }, i) => loss !== first[i].loss || norm !== first[i].norm);
  return { steps: made.length, firstOther: other < 0 ? undefined : other + 1 };
}

/** @param {import("./place.mjs").Place} place */
export async function compareCurves(place, lateMs) {
  const file = join(here, "curve-onnx.json");
  if (!existsSync(file)) return place.tell(`curves: ${file} is missing; pack.mjs makes it.`);
  const expected = JSON.parse(readFileSync(file, "utf8"));
  const steps = place.options.trial ? Math.min(20, expected.losses.length) : expected.losses.length;
  for (const dtype of place.dtype === "bf16" ? ["f32", "bf16"] : ["f32"]) {
    const program = place.firth("curve.mjs", "--dtype", dtype, "--steps", steps);
    const { lines, failure } = await place.lines(process.execPath, program, { lateMs });
    // One line a step, so that a run that is stopped shows how far it came.
    const made = lines.filter(({ step }) => step !== undefined);
    const { seconds } = lines.find((line) => line.seconds !== undefined) ?? {};
    const losses = made.map(({ loss }) => loss);
    if (failure !== undefined) place.tell(`curve ${dtype}: ${failure.message}`);
    const again = dtype === "f32" && failure === undefined ? await repeatCurve(place, dtype, made, lateMs) : undefined;
    const greatest = (name, all) => Math.max(...made.map((one, i) => Math.abs(one[name] - all[i])));
    place.keep({
      ...{ kind: "curve", dtype, steps: losses.length, tolerance: curve.tolerance[dtype] },
      ...(losses.length === 0
        ? {}
        : { greatest: greatest("loss", expected.losses), greatestNorm: greatest("norm", expected.norms) }),
      ...{ seconds, losses, expected: expected.losses.slice(0, losses.length), again },
      ...(failure === undefined ? {} : { failure: failure.message.split("\n")[0] }),
    });
  }
}
