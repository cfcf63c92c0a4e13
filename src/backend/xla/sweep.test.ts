/** @file Sweeps as graphs: what is summed, what is computed once, what is donated. */
import { expect, test } from "vitest";
import { testXla } from "../../../tests/support/xla-executor.ts";
import { tensorType } from "../../ir/shape.ts";
import { add, constant, div, exp, mul, sub } from "../../tensor/elementwise.ts";
import { trace } from "../../tensor/trace.ts";
import type { SweepProgram } from "../backend.ts";

const scalar = tensorType("f32", []);
const types = [[2, 2], [], [0, 3], [5]].map((shape) => tensorType("f32", shape));

/** value ← value − rate / 3 · gradient, and Σ gradient². */
const descent: SweepProgram = {
  graph: trace("descent", { value: scalar, gradient: scalar, rate: scalar }, ({ value, gradient, rate }) => ({
    value: sub(value, mul(div(rate, 3), gradient)),
    squares: mul(gradient, gradient),
  })),
  inputs: [{ section: "value" }, { section: "gradient" }, { scalar: "rate" }],
  outputs: [{ section: "value" }, { sum: "squares" }],
};

test("sums are in doubles, of every range by itself (bug: small squares lost beside a large one)", async () => {
  const { backend } = testXla();
  const store = backend.createStore(types, ["value", "gradient"]);
  store.buffer("gradient", 0).write(Float32Array.of(4096, 1, 1, 1));
  store.buffer("gradient", 1).write(Float32Array.of(2));
  store.buffer("gradient", 3).write(Float32Array.of(1, 2, 3, 4, 5));
  const sweep = await backend.compileSweep(descent);
  const ranges = [
    { first: 0, last: 2, scalars: { rate: 3 } },
    { first: 2, last: 3, scalars: { rate: 9 } },
    { first: 3, last: 4, scalars: { rate: 6 } },
  ];
  expect(await sweep.runEach(store, ranges)).toEqual([{ squares: 2 ** 24 + 7 }, { squares: 0 }, { squares: 55 }]);
  expect([...(await store.buffer("value", 0).read())]).toEqual([-4096, -1, -1, -1]);
  expect([...(await store.buffer("value", 3).read())]).toEqual([-2, -4, -6, -8, -10]);
  expect(await sweep.run(store, ranges)).toEqual({ squares: 2 ** 24 + 62 });
  expect(await sweep.run(store, [ranges[1]!])).toEqual({ squares: 0 });
  await sweep.dispose();
});

test("what is written is donated, what is only read stays, and no array is left over", async () => {
  const { backend, live } = testXla();
  const store = backend.createStore(types, ["value", "gradient"]);
  store.buffer("gradient", 3).write(Float32Array.of(1, 1, 1, 1, 1));
  const sweep = await backend.compileSweep(descent);
  for (const rate of [3, 6, 9]) await sweep.run(store, [{ first: 3, last: 4, scalars: { rate } }]);
  expect([...(await store.buffer("value", 3).read())]).toEqual([-6, -6, -6, -6, -6]);
  expect([...(await store.buffer("gradient", 3).read())]).toEqual([1, 1, 1, 1, 1]);
  await sweep.dispose();
  // The two sections of the one parameter; scalars and sums are gone with the sweep.
  expect(live.size).toBe(2);
});

test("expressions of scalars are evaluated in doubles and rounded once (bug: 1 − β^t in f32)", async () => {
  const { backend } = testXla();
  const store = backend.createStore([tensorType("f32", [1])], ["value"]);
  const graph = trace("correction", { value: scalar, t: scalar }, ({ value, t }) => ({
    value: add(value, sub(1, exp(mul(t, -1e-7)))),
  }));
  const sweep = await backend.compileSweep({
    graph,
    inputs: [{ section: "value" }, { scalar: "t" }],
    outputs: [{ section: "value" }],
  });
  await sweep.run(store, [{ first: 0, last: 1, scalars: { t: 1 } }]);
  const [found] = await store.buffer("value", 0).read();
  // In f32 the difference would be 1.19e-7 or 0.
  expect(Math.abs(found! / -Math.expm1(-Math.fround(1e-7)) - 1)).toBeLessThan(1e-6);
  await sweep.dispose();
});

test("a sweep without inputs clears a section, and one over the same ranges compiles once", async () => {
  const { backend, log } = testXla();
  const store = backend.createStore(types, ["gradient"]);
  store.buffer("gradient", 0).write(Float32Array.of(1, 2, 3, 4));
  const sweep = await backend.compileSweep({
    graph: trace("clear", {}, () => ({ gradient: constant(0) })),
    inputs: [],
    outputs: [{ section: "gradient" }],
  });
  const ranges = [{ first: 0, last: 4, scalars: {} }];
  await sweep.run(store, ranges);
  await sweep.run(store, ranges);
  expect([...(await store.buffer("gradient", 0).read())]).toEqual([0, 0, 0, 0]);
  expect(log.filter((line) => line === "compile clear")).toHaveLength(1);
  await sweep.run(store, [{ first: 0, last: 1, scalars: {} }]);
  expect(log.filter((line) => line === "compile clear")).toHaveLength(2);
  await sweep.dispose();
  expect(log.filter((line) => line === "free clear")).toHaveLength(2);
});

test("refuses programs and ranges that make no sense", async () => {
  const { backend } = testXla();
  const store = backend.createStore(types, ["value", "gradient"]);
  const sweep = await backend.compileSweep(descent);
  const range = (first: number, last: number) => ({ first, last, scalars: { rate: 1 } });
  await expect(sweep.run(store, [range(0, 2), range(1, 3)])).rejects.toMatchObject({ code: "SWEEP_OVERLAP" });
  await expect(sweep.run(store, [{ first: 0, last: 1, scalars: { rate: 1, rat: 1 } }])).rejects.toThrow(/rat.*rate/);
  const wide = trace("wide", { value: tensorType("f32", [2]) }, ({ value }) => ({ value }));
  const sections = { inputs: [{ section: "value" }], outputs: [{ section: "value" }] };
  await expect(backend.compileSweep({ graph: wide, ...sections })).rejects.toMatchObject({
    code: "POINTWISE_NOT_SCALAR",
  });
  const twice = trace("twice", { value: scalar }, ({ value }) => ({ a: value, b: value }));
  const outputs = [{ section: "value" }, { section: "value" }];
  await expect(backend.compileSweep({ ...sections, graph: twice, outputs })).rejects.toMatchObject({
    code: "SWEEP_PROGRAM",
  });
});
