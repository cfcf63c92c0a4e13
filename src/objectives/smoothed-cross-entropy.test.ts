import { describe, expect, it } from "vitest";
import { engines } from "../../tests/support/backends.ts";
import { relativeDifference } from "../../tests/support/close.ts";
import { gradients } from "../autodiff/grad.ts";
import { Random } from "../base/random.ts";
import { optimize } from "../ir/pass/optimize.ts";
import { tensorType } from "../ir/shape.ts";
import { decompose } from "../tensor/decompose/decompose.ts";
import { mul } from "../tensor/elementwise.ts";
import { sum } from "../tensor/reduction.ts";
import { trace } from "../tensor/trace.ts";
import { smoothedCrossEntropy } from "./smoothed-cross-entropy.ts";

const [rows, classes, share] = [6, 9, 0.1];
const random = new Random(3);
const logits = Float32Array.from({ length: rows * classes }, () => 2 * random.nextNormal());
const labels = Int32Array.of(0, 8, -100, 4, 4, 2);
const cotangent = Float32Array.from({ length: rows }, () => random.nextNormal());

/** The definition: Σ q log 1/p with q = (1 − ε) at the label and ε/V everywhere; and its slope (p − q) · cotangent. */
function expected(): { readonly losses: number[]; readonly slope: number[] } {
  const losses: number[] = [];
  const slope: number[] = [];
  for (let row = 0; row < rows; row++) {
    const z = [...logits.subarray(row * classes, (row + 1) * classes)];
    const total = z.reduce((all, x) => all + Math.exp(x), 0);
    const label = labels[row]!;
    const q = z.map((_, i) => share / classes + (i === label ? 1 - share : 0));
    const p = z.map((x) => Math.exp(x) / total);
    losses.push(label < 0 ? 0 : q.reduce((all, weight, i) => all - weight * Math.log(p[i]!), 0));
    for (const [i, weight] of q.entries()) slope.push(label < 0 ? 0 : (p[i]! - weight) * cotangent[row]!);
  }
  return { losses, slope };
}

describe.each(engines)("smoothed cross-entropy on $title", ({ open, tolerance, missing }) => {
  it.skipIf(missing !== undefined)(
    "is that of the spread labels, and so is its gradient; −100 costs nothing",
    async () => {
      const backend = await open();
      const types = {
        logits: tensorType("f32", [rows, classes]),
        labels: tensorType("i32", [rows]),
        cotangent: tensorType("f32", [rows]),
      };
      const graph = trace("smoothed", types, (given) => {
        const losses = smoothedCrossEntropy(given.logits!, given.labels!, share);
        const [slope] = gradients(sum(mul(losses, given.cotangent!)), [given.logits!]);
        return { losses, slope: slope! };
      });
      const ready = optimize(decompose(graph, (node) => backend.fuses(node)));
      const executable = await backend.compile(ready, {});
      const inputs = ready.inputs.map(({ value }) => backend.allocate(value));
      ready.inputs.forEach(({ name }, i) => {
        inputs[i]!.write({ logits, labels, cotangent }[name as "logits"]!);
      });
      const outputs = ready.outputs.map(({ value }) => backend.allocate(value));
      await executable.run(inputs, outputs);
      for (const [i, { name }] of ready.outputs.entries()) {
        const data = (await outputs[i]!.read()) as Float32Array;
        expect(relativeDifference(data, expected()[name as "losses"]), name).toBeLessThan(tolerance);
      }
      await executable.dispose();
      await backend.dispose();
    },
  );
});
