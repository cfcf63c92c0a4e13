import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { createReferenceBackend } from "../backend/reference/reference-backend.ts";
import { Random } from "../base/random.ts";
import { tensorType } from "../ir/shape.ts";
import { adamW } from "./adamw.ts";
import { type Decay, learningRateAt } from "./schedule.ts";
import { accumulateProgram, clipFactor, sectionsOf, squaredNormProgram, updateProgram } from "./update-rule.ts";

interface Fixture {
  readonly schedules: Readonly<
    Record<string, { arguments: { num_warmup_steps: number; num_training_steps?: number }; multipliers: number[] }>
  >;
  readonly clipGradNorm: Readonly<
    Record<"above" | "below", { maxNorm: number; gradients: NestedNumbers[]; norm: number; clipped: NestedNumbers[] }>
  >;
}
type NestedNumbers = number | NestedNumbers[];

const fixture = JSON.parse(
  readFileSync(new URL("../../tests/fixtures/composites.json", import.meta.url), "utf8"),
) as Fixture;

describe("learningRateAt equals the schedules of transformers (would catch an off-by-one in warm-up or end)", () => {
  for (const [name, { arguments: given, multipliers }] of Object.entries(fixture.schedules)) {
    test(name, () => {
      const maxSteps = given.num_training_steps ?? 100;
      const decay = name.split(".")[0] as Decay;
      multipliers.forEach((multiplier, step) => {
        // Past the end transformers' cosine rises again; ours stays at 0, see below.
        if (step > maxSteps) return;
        const rate = learningRateAt(step, { learningRate: 3, warmupSteps: given.num_warmup_steps, maxSteps, decay });
        expect(rate).toBeCloseTo(3 * multiplier, 12);
      });
    });
  }
});

const f64 = (count: number, random: Random): number[] => Array.from({ length: count }, () => random.nextNormal());

test("AdamW is this loop, over steps with changing rate, clipping and decay (would catch L2 decay or lost corrections)", async () => {
  const backend = createReferenceBackend();
  const [beta1, beta2, epsilon] = [0.8, 0.95, 1e-3];
  const rule = adamW({ beta1, beta2, epsilon });
  const store = backend.createStore([tensorType("f32", [3, 4]), tensorType("f32", [5])], sectionsOf(rule));
  const sweep = await backend.compileSweep(updateProgram(rule));
  const random = new Random(4);
  const decays = [0.1, 0];
  const state = [12, 5].map((count) => ({
    value: f64(count, random),
    m: Array(count).fill(0),
    v: Array(count).fill(0),
  }));
  for (const [i, { value }] of state.entries()) store.buffer("value", i).write(Float64Array.from(value));
  for (let step = 1; step <= 5; step++) {
    const learningRate = 0.1 / step;
    const gradientScale = step % 2 === 0 ? 0.3 : 1;
    const gradients = state.map(({ value }) => f64(value.length, random));
    for (const [i, gradient] of gradients.entries()) store.buffer("gradient", i).write(Float64Array.from(gradient));
    await sweep.run(
      store,
      decays.map((weightDecay, i) => ({
        first: i,
        last: i + 1,
        scalars: rule.scalars({ learningRate, weightDecay, gradientScale, step }),
      })),
    );
    for (const [i, { value, m, v }] of state.entries()) {
      for (const k of value.keys()) {
        const g = gradients[i]![k]! * gradientScale;
        m[k] = beta1 * m[k] + (1 - beta1) * g;
        v[k] = beta2 * v[k] + (1 - beta2) * g * g;
        const mean = m[k] / (1 - beta1 ** step);
        const variance = v[k] / (1 - beta2 ** step);
        value[k] =
          value[k]! - learningRate * decays[i]! * value[k]! - (learningRate * mean) / (Math.sqrt(variance) + epsilon);
      }
      const found = (await store.buffer("value", i).read()) as unknown as Float64Array;
      value.forEach((x, k) => {
        expect(found[k], `step ${step}, parameter ${i}[${k}]`).toBeCloseTo(x, 7);
      });
    }
  }
  await sweep.dispose();
  store.dispose();
});

test("norm and clipping factor are PyTorch's clip_grad_norm_ (would catch a norm per tensor)", async () => {
  const backend = createReferenceBackend();
  for (const { maxNorm, gradients, norm, clipped } of [fixture.clipGradNorm.above, fixture.clipGradNorm.below]) {
    const flat = gradients.map((gradient) => [gradient].flat(9) as number[]);
    const expected = clipped.map((gradient) => [gradient].flat(9) as number[]);
    const store = backend.createStore(
      flat.map(({ length }) => tensorType("f32", [length])),
      ["value", "gradient"],
    );
    for (const [i, gradient] of flat.entries()) store.buffer("gradient", i).write(Float64Array.from(gradient));
    const sweep = await backend.compileSweep(squaredNormProgram());
    const { squares } = await sweep.run(store, [{ first: 0, last: flat.length, scalars: {} }]);
    const found = Math.sqrt(squares!);
    expect(found).toBeCloseTo(norm, 7);
    const factor = clipFactor(found, maxNorm);
    for (const [i, gradient] of flat.entries()) {
      for (const [k, x] of gradient.entries()) expect(x * factor).toBeCloseTo(expected[i]![k]!, 7);
    }
    await sweep.dispose();
    store.dispose();
  }
});

test("accumulation adds and leaves the part alone", async () => {
  const backend = createReferenceBackend();
  const store = backend.createStore([tensorType("f32", [2])], ["value", "gradient", "part"]);
  store.buffer("gradient", 0).write(Float64Array.of(1, -2));
  store.buffer("part", 0).write(Float64Array.of(0.5, 4));
  const sweep = await backend.compileSweep(accumulateProgram());
  await sweep.run(store, [{ first: 0, last: 1, scalars: {} }]);
  expect([...(await store.buffer("gradient", 0).read())]).toEqual([1.5, 2]);
  expect([...(await store.buffer("part", 0).read())]).toEqual([0.5, 4]);
});

test("past the planned end the rate stays at 0 (would catch a cosine that rises again)", () => {
  for (const decay of ["linear", "cosine"] as const) {
    const rates = [15, 16, 20, 30].map((step) =>
      learningRateAt(step, { learningRate: 1, warmupSteps: 4, maxSteps: 15, decay }),
    );
    for (const rate of rates) expect(rate).toBeCloseTo(0, 12);
  }
});
