import { readFileSync } from "node:fs";
import { describe, expect, it, test } from "vitest";
import { createReferenceBackend } from "../backend/reference/reference-backend.ts";
import { Random } from "../base/random.ts";
import { tensorType } from "../ir/shape.ts";
import { type LambOptions, lamb } from "./lamb.ts";
import { sectionsOf } from "./update-rule.ts";
import { compileUpdater } from "./updater.ts";

interface Fixture {
  readonly settings: { beta1: number; beta2: number; epsilon: number; weightDecay: number };
  readonly parameters: Record<string, { shape: number[]; decays: boolean; value: number[] }>;
  readonly steps: { learningRate: number; gradients: Record<string, number[]>; values: Record<string, number[]> }[];
}
const fixture = JSON.parse(readFileSync(new URL("../../tests/fixtures/lamb.json", import.meta.url), "utf8")) as Fixture;

test("LAMB makes the steps of optax, parameters of norm 0 and excluded ones included (bugs: one ratio for all; bias correction after the ratio)", async () => {
  const { beta1, beta2, epsilon, weightDecay } = fixture.settings;
  const names = Object.keys(fixture.parameters);
  const parameters = Object.values(fixture.parameters);
  const backend = createReferenceBackend();
  const rule = lamb({ beta1, beta2, epsilon });
  const store = backend.createStore(
    parameters.map(({ shape }) => tensorType("f32", shape)),
    sectionsOf(rule),
  );
  const updater = await compileUpdater(backend, rule, (index) => parameters[index]!.decays);
  for (const [i, { value }] of parameters.entries()) store.buffer("value", i).write(Float64Array.from(value));
  for (const [at, { learningRate, gradients, values }] of fixture.steps.entries()) {
    for (const [i, name] of names.entries()) {
      store.buffer("gradient", i).write(Float64Array.from(gradients[name]!, (x) => 4 * x));
    }
    const facts = { learningRate, gradientScale: 0.25, step: at + 1 };
    const ranges = parameters.map(({ decays }, i) => ({
      first: i,
      last: i + 1,
      facts: { ...facts, weightDecay: decays ? weightDecay : 0 },
    }));
    await updater.run(store, ranges);
    for (const [i, name] of names.entries()) {
      const found = (await store.buffer("value", i).read()) as unknown as Float64Array;
      for (const [k, x] of values[name]!.entries()) {
        expect(Math.abs(found[k]! - x), `step ${at + 1}, ${name}[${k}]`).toBeLessThan(3e-7 * Math.max(1, Math.abs(x)));
      }
    }
  }
  await updater.dispose();
  store.dispose();
});

test("ranges of several parameters are the same as each by itself (bug: one norm for a range)", async () => {
  const backend = createReferenceBackend();
  const rule = lamb();
  const shapes = [[3, 4], [5], [2, 2]];
  const results = [];
  for (const cuts of [
    [0, 3],
    [0, 1, 2, 3],
  ]) {
    const random = new Random(3);
    const store = backend.createStore(
      shapes.map((shape) => tensorType("f32", shape)),
      sectionsOf(rule),
    );
    for (const section of ["value", "gradient"]) {
      for (const [i, shape] of shapes.entries()) {
        const size = shape.reduce((a, b) => a * b, 1);
        store.buffer(section, i).write(Float64Array.from({ length: size }, () => random.nextNormal() * (i + 1)));
      }
    }
    const facts = { learningRate: 0.1, weightDecay: 0.01, gradientScale: 1, step: 1 };
    const updater = await compileUpdater(backend, rule, () => true);
    await updater.run(
      store,
      cuts.slice(1).map((last, i) => ({ first: cuts[i]!, last, facts })),
    );
    results.push(await Promise.all(shapes.map((_, i) => store.buffer("value", i).read())));
  }
  expect(results[1]).toEqual(results[0]);
});

describe("the trust ratio", () => {
  const ratio = (value: number, direction: number, options: LambOptions = {}, decays = true): number =>
    lamb(options).trustRatio({ value, direction, decays });
  it("is the norm of the weights over that of the direction, 1 where either is 0 or layers do not adapt", () => {
    expect(ratio(6, 2)).toBe(3);
    expect([ratio(0, 2), ratio(6, 0), ratio(6, 2, {}, false)]).toEqual([1, 1, 1]);
  });
  it("is clipped, as is the norm of the weights", () => {
    expect(ratio(60, 2, { valueNormRange: [0, 10] })).toBe(5);
    expect(ratio(0, 2, { valueNormRange: [0.5, 10] })).toBe(0.25);
    expect([ratio(60, 2, { trustRatioRange: [0.1, 10] }), ratio(1, 200, { trustRatioRange: [0.1, 10] })]).toEqual([
      10, 0.1,
    ]);
  });
  it("has moments without correction where asked for, as in ALBERT's code", () => {
    const facts = { learningRate: 1, weightDecay: 0, gradientScale: 1, step: 1 };
    expect(lamb({ correctsBias: false }).scalars(facts)).toMatchObject({ meanScale: 1, varianceScale: 1 });
    expect(lamb({ beta1: 0.5, beta2: 0.75 }).scalars(facts)).toMatchObject({ meanScale: 2, varianceScale: 2 });
  });
});
