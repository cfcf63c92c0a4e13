import { env } from "node:process";
import { afterAll, describe, expect, it } from "vitest";
import { erf } from "../host/erf.ts";
import type { DnnDType, EltwiseAlgorithm, Operand, PostOp, View } from "./program.ts";
import {
  dense,
  openCases,
  padded,
  roundBf16,
  TestMemory,
  type TestTensor,
  testTensor,
  transposed,
  worstError,
  zeros,
} from "./testing.ts";

const cases = await openCases(env["FIRTH_TEST_ONEDNN3"]);
afterAll(() => Promise.all(cases.map(({ engine }) => engine?.dispose())));

const floats = ["f32", "bf16"] as const;
/** One rounding of the result, and for f32 the order of summation. */
const tolerance: Readonly<Record<DnnDType, number>> = { f32: 4e-6, bf16: 2 ** -8, s32: 0, s8: 0, u8: 0 };

/** Row-major position of the last two indices and of the batch, with dims of 1 repeated. */
function at({ view: { dims }, values }: TestTensor, index: readonly number[]): number {
  let place = 0;
  dims.forEach((size, axis) => {
    place = place * size + (size === 1 ? 0 : index[axis]!);
  });
  return values[place]!;
}

function indices(dims: readonly number[]): number[][] {
  return dims.reduce<number[][]>(
    (all, size) => all.flatMap((i) => Array.from({ length: size }, (_, n) => [...i, n])),
    [[]],
  );
}

/** source × weights for every batch, in f64. */
function matmul(source: TestTensor, weights: TestTensor, dims: readonly number[]): number[] {
  const depth = source.view.dims.at(-1)!;
  return indices(dims).map((index) => {
    const batch = index.slice(0, -2);
    const [row, column] = index.slice(-2) as [number, number];
    let sum = 0;
    for (let k = 0; k < depth; k++) sum += at(source, [...batch, row, k]) * at(weights, [...batch, k, column]);
    return sum;
  });
}

const gelu = (x: number): number => (x / 2) * (1 + erf(x / Math.SQRT2));
const sigma = (x: number): number => 1 / (1 + Math.exp(-x));

const functions: Readonly<
  Partial<
    Record<
      EltwiseAlgorithm,
      {
        readonly f: (x: number) => number;
        readonly alpha?: number;
        readonly beta?: number;
        readonly positive?: boolean;
      }
    >
  >
> = {
  relu: { f: (x) => Math.max(x, 0) },
  tanh: { f: Math.tanh },
  square: { f: (x) => x * x },
  abs: { f: Math.abs },
  sqrt: { f: Math.sqrt, positive: true },
  linear: { f: (x) => 1.5 * x - 0.25, alpha: 1.5, beta: -0.25 },
  logistic: { f: sigma },
  exp: { f: Math.exp },
  geluTanh: { f: (x) => (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))) },
  geluErf: { f: gelu },
  swish: { f: (x) => x * sigma(1.25 * x), alpha: 1.25 },
  log: { f: Math.log, positive: true },
  clip: { f: (x) => Math.min(0.5, Math.max(-0.25, x)), alpha: -0.25, beta: 0.5 },
  pow: { f: (x) => 2 * x ** 1.5, alpha: 2, beta: 1.5, positive: true },
};

describe.each(cases)("primitives of $name", ({ engine, missing }) => {
  if (engine === undefined) {
    it.skip(`skipped: ${missing}`, () => undefined);
    return;
  }
  const usable = floats.filter((dtype) => dtype === "f32" || engine.info.bf16);

  describe.each(usable)("%s", (dtype) => {
    const limit = tolerance[dtype];

    // Catches swapped dims, strides read in the wrong order, tails of blocked kernels, a batch that repeats its first item.
    it.each<{ name: string; source: View; weights: View; target: View }>([
      { name: "plain", source: dense(dtype, 7, 19), weights: dense(dtype, 19, 33), target: dense(dtype, 7, 33) },
      {
        name: "both transposed, target padded",
        source: transposed(dtype, 37, 65),
        weights: transposed(dtype, 65, 21),
        target: padded(dtype, 3, 37, 21),
      },
      {
        name: "batch with repeated weights",
        source: padded(dtype, 5, 3, 2, 5, 31),
        weights: dense(dtype, 1, 2, 31, 17),
        target: dense(dtype, 3, 2, 5, 17),
      },
      {
        name: "heads side by side",
        source: { dtype, dims: [2, 3, 9, 8], strides: [9 * 24, 8, 24, 1] },
        weights: { dtype, dims: [2, 3, 8, 9], strides: [9 * 24, 8, 1, 24] },
        target: { dtype, dims: [2, 3, 9, 9], strides: [243, 81, 9, 1] },
      },
    ])("matmul, $name", async ({ source, weights, target }) => {
      const memory = new TestMemory();
      const [a, b, c] = [testTensor(source, 1), testTensor(weights, 2), zeros(target)];
      const [x, w, y] = [memory.input(a), memory.input(b), memory.input(c)];
      await memory.runSteps(engine, [
        { kind: "matmul", label: "t", source: x, weights: w, target: y, postOps: [], acceptReference: true },
      ]);
      expect(worstError(memory.read(y), matmul(a, b, target.dims), 1)).toBeLessThan(limit);
    });

    // Catches post-ops applied in another order, bias scaled or not, f32 results rounded to bf16 on the way.
    it("matmul with bias, scale, gelu, a factor, a residual and an f32 target", async () => {
      const memory = new TestMemory();
      const [rows, depth, columns] = [6, 40, 35];
      const a = testTensor(dense(dtype, rows, depth), 1);
      const b = testTensor(dense(dtype, depth, columns), 2);
      const bias = testTensor(dense("f32", 1, columns), 3);
      const factor = testTensor(dense(dtype, rows, columns), 4);
      const before = testTensor(dense("f32", rows, columns), 5);
      const operand = (tensor: TestTensor): Operand => memory.input(tensor);
      const y = operand(before);
      const postOps: PostOp[] = [
        { kind: "eltwise", algorithm: "geluErf", alpha: 0, beta: 0 },
        { kind: "binary", algorithm: "mul", operand: operand(factor) },
        { kind: "sum", scale: 0.5 },
      ];
      await memory.runSteps(engine, [
        {
          kind: "matmul",
          label: "t",
          source: operand(a),
          weights: operand(b),
          bias: operand(bias),
          target: y,
          scale: 0.125,
          postOps,
          acceptReference: true,
        },
      ]);
      const expected = matmul(a, b, [rows, columns]).map(
        (sum, i) => gelu(0.125 * (sum + bias.values[i % columns]!)) * factor.values[i]! + 0.5 * before.values[i]!,
      );
      expect(worstError(memory.read(y), expected, 1)).toBeLessThan(dtype === "f32" ? limit : 1e-5);
    });

    // Catches a transposition that only copies, and a conversion that truncates instead of rounding.
    it("reorder: transposes, converts, scales and adds", async () => {
      const memory = new TestMemory();
      const a = testTensor(transposed("f32", 3, 13, 7), 1);
      const before = testTensor(dense(dtype, 3, 13, 7), 2);
      const [x, y, z] = [memory.input(a), memory.input(zeros(dense(dtype, 3, 13, 7))), memory.input(before)];
      await memory.runSteps(engine, [
        { kind: "reorder", label: "t", source: x, target: y },
        { kind: "reorder", label: "t", source: x, target: z, scale: 2.5, add: true },
      ]);
      const round = dtype === "bf16" ? roundBf16 : Math.fround;
      expect(memory.read(y)).toEqual(a.values.map(round));
      const expected = a.values.map((value, i) => 2.5 * value + before.values[i]!);
      expect(worstError(memory.read(z), expected, 1)).toBeLessThan(limit);
    });

    // Catches wrong algorithm numbers of a major, and α and β exchanged.
    it.each(Object.keys(functions) as (keyof typeof functions)[])("eltwise %s and its gradient", async (algorithm) => {
      const { f, alpha = 0, beta = 0, positive = false } = functions[algorithm]!;
      const memory = new TestMemory();
      const view = dense(dtype, 5, 39);
      const drawn = testTensor(view, 1);
      const round = dtype === "bf16" ? roundBf16 : Math.fround;
      const values = drawn.values.map((value) => round(positive ? 0.1 + Math.abs(value) : 3 * value));
      const x = memory.input({ view, values });
      const gradient = testTensor(view, 2);
      const [y, dy, dx] = [memory.input(zeros(view)), memory.input(gradient), memory.input(zeros(view))];
      await memory.runSteps(engine, [
        { kind: "eltwise", label: "t", algorithm, alpha, beta, source: x, target: y, postOps: [] },
        {
          kind: "eltwiseBackward",
          label: "t",
          algorithm,
          alpha,
          beta,
          fromResult: false,
          data: x,
          targetGradient: dy,
          sourceGradient: dx,
        },
      ]);
      expect(worstError(memory.read(y), values.map(f), 1)).toBeLessThan(Math.max(limit, 1e-5));
      const h = 1e-5;
      const smooth = values.map((v) => ![0, -0.25, 0.5].some((kink) => Math.abs(v - kink) < 2 * h));
      const slope = values.map((v, i) => (gradient.values[i]! * (f(v + h) - f(v - h))) / (2 * h));
      const actual = memory.read(dx).map((value, i) => (smooth[i]! ? value : 0));
      expect(
        worstError(
          actual,
          slope.map((value, i) => (smooth[i]! ? value : 0)),
          0.1,
        ),
      ).toBeLessThan(Math.max(limit, 5e-5));
    });

    it.each(["tanh", "logistic", "exp", "relu"] as const)("eltwise %s: gradient from the result", async (algorithm) => {
      const memory = new TestMemory();
      const view = dense(dtype, 4, 21);
      const result = { view, values: testTensor(view, 1).values.map((v) => (algorithm === "tanh" ? v : Math.abs(v))) };
      const gradient = testTensor(view, 2);
      const [y, dy, dx] = [memory.input(result), memory.input(gradient), memory.input(zeros(view))];
      await memory.runSteps(engine, [
        {
          kind: "eltwiseBackward",
          label: "t",
          algorithm,
          alpha: 0,
          beta: 0,
          fromResult: true,
          data: y,
          targetGradient: dy,
          sourceGradient: dx,
        },
      ]);
      const slopes = { tanh: (v: number) => 1 - v * v, logistic: (v: number) => v * (1 - v), exp: (v: number) => v };
      const slope = algorithm === "relu" ? (v: number) => (v > 0 ? 1 : 0) : slopes[algorithm];
      const expected = result.values.map((v, i) => slope(v) * gradient.values[i]!);
      expect(worstError(memory.read(dx), expected, 0.1)).toBeLessThan(limit);
    });

    // Catches operands exchanged (sub, div, ge), and broadcasting along the wrong dim.
    it.each([
      ["add", (a: number, b: number) => a + b],
      ["sub", (a: number, b: number) => a - b],
      ["mul", (a: number, b: number) => a * b],
      ["div", (a: number, b: number) => a / b],
      ["max", Math.max],
      ["min", Math.min],
      ["ge", (a: number, b: number) => Number(a >= b)],
      ["lt", (a: number, b: number) => Number(a < b)],
      ["eq", (a: number, b: number) => Number(a === b)],
    ] as const)("binary %s, with broadcasting and a post-op", async (algorithm, f) => {
      const memory = new TestMemory();
      const view = dense(dtype, 3, 4, 17);
      const a = testTensor(view, 1);
      const b = testTensor(dense(dtype, 3, 1, 17), 2);
      const [x, w, y] = [memory.input(a), memory.input(b), memory.input(zeros(view))];
      await memory.runSteps(engine, [
        {
          kind: "binary",
          label: "t",
          algorithm,
          left: x,
          right: w,
          target: y,
          postOps: [{ kind: "eltwise", algorithm: "linear", alpha: 2, beta: 1 }],
        },
      ]);
      const expected = indices(view.dims).map((index) => 2 * f(at(a, index), at(b, index)) + 1);
      expect(worstError(memory.read(y), expected, 1)).toBeLessThan(limit);
    });

    // Catches numbers of algorithms mixed up, and a reduction over the wrong dims.
    it.each([
      ["sum", (values: readonly number[]) => values.reduce((a, b) => a + b, 0)],
      ["mean", (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length],
      ["max", (values: readonly number[]) => Math.max(...values)],
      ["min", (values: readonly number[]) => Math.min(...values)],
    ] as const)("reduction %s into f32", async (algorithm, f) => {
      for (const target of [dense("f32", 5, 1, 1), dense("f32", 1, 6, 23), dense("f32", 5, 6, 1)]) {
        const memory = new TestMemory();
        const a = testTensor(dense(dtype, 5, 6, 23), 1);
        const [x, y] = [memory.input(a), memory.input(zeros(target))];
        await memory.runSteps(engine, [
          { kind: "reduction", label: "t", algorithm, source: x, target: y, postOps: [] },
        ]);
        const expected = indices(target.dims).map((kept) => {
          const ranges = target.dims.map((size, axis) => (size === 1 ? a.view.dims[axis]! : 1));
          return f(
            indices(ranges).map((moved) =>
              at(
                a,
                kept.map((i, axis) => i + moved[axis]!),
              ),
            ),
          );
        });
        expect(worstError(memory.read(y), expected, 1)).toBeLessThan(1e-5);
      }
    });

    // Catches a softmax over the wrong axis, and a gradient that forgets the row's sum.
    it.each([false, true])("softmax (log: %s) and its gradient", async (log) => {
      const memory = new TestMemory();
      const view = dense(dtype, 3, 5, 29);
      const a = testTensor(view, 1);
      const gradient = testTensor(view, 2);
      const [x, y, dy, dx] = [
        memory.input(a),
        memory.input(zeros(view)),
        memory.input(gradient),
        memory.input(zeros(view)),
      ];
      await memory.runSteps(engine, [
        { kind: "softmax", label: "t", axis: 2, log, source: x, target: y },
        { kind: "softmaxBackward", label: "t", axis: 2, log, result: y, targetGradient: dy, sourceGradient: dx },
      ]);
      const result = memory.read(y);
      const [expected, slope]: [number[], number[]] = [[], []];
      for (let row = 0; row < 15; row++) {
        const part = (of: readonly number[]): readonly number[] => of.slice(row * 29, row * 29 + 29);
        const total = part(a.values).reduce((sum, v) => sum + Math.exp(v), 0);
        expected.push(...part(a.values).map((v) => (log ? v - Math.log(total) : Math.exp(v) / total)));
        const [p, g] = [part(result), part(gradient.values)];
        const sum = log ? g.reduce((s, v) => s + v, 0) : g.reduce((s, v, i) => s + v * p[i]!, 0);
        slope.push(...p.map((v, i) => (log ? g[i]! - Math.exp(v) * sum : v * (g[i]! - sum))));
      }
      // Exponentials are kept in the target's dtype before they are divided: two roundings.
      expect(worstError(result, expected, 0.05)).toBeLessThan(Math.max(2 * limit, 2e-5));
      expect(worstError(memory.read(dx), slope, 0.05)).toBeLessThan(Math.max(2 * limit, 2e-5));
    });

    // Catches flags of the other major (gain and shift ignored), and gradients of gain and shift exchanged.
    it("layerNorm and its gradients", async () => {
      const memory = new TestMemory();
      const [rows, width, epsilon] = [7, 45, 1e-5];
      const view = dense(dtype, rows, width);
      const a = testTensor(view, 1);
      const gradient = testTensor(view, 2);
      const [gain, shift] = [testTensor(dense("f32", width), 3), testTensor(dense("f32", width), 4)];
      const stat = dense("f32", rows);
      const [x, y, mean, variance] = [
        memory.input(a),
        memory.input(zeros(view)),
        memory.input(zeros(stat)),
        memory.input(zeros(stat)),
      ];
      const [g, b, dy, dx] = [
        memory.input(gain),
        memory.input(shift),
        memory.input(gradient),
        memory.input(zeros(view)),
      ];
      const [dg, db] = [memory.input(zeros(dense("f32", width))), memory.input(zeros(dense("f32", width)))];
      await memory.runSteps(engine, [
        { kind: "layerNorm", label: "t", epsilon, source: x, target: y, mean, variance, gain: g, shift: b },
        {
          kind: "layerNormBackward",
          label: "t",
          epsilon,
          source: x,
          mean,
          variance,
          targetGradient: dy,
          sourceGradient: dx,
          gain: g,
          gainGradient: dg,
          shiftGradient: db,
        },
      ]);
      const expected: number[] = [];
      const slope: number[] = [];
      const gainSlope = new Array<number>(width).fill(0);
      const shiftSlope = new Array<number>(width).fill(0);
      for (let row = 0; row < rows; row++) {
        const part = a.values.slice(row * width, row * width + width);
        const average = part.reduce((s, v) => s + v, 0) / width;
        const spread = part.reduce((s, v) => s + (v - average) ** 2, 0) / width;
        const scale = 1 / Math.sqrt(spread + epsilon);
        const normal = part.map((v) => (v - average) * scale);
        const upper = gradient.values.slice(row * width, row * width + width);
        const weighted = upper.map((v, i) => v * gain.values[i]!);
        const sum = weighted.reduce((s, v) => s + v, 0) / width;
        const dot = weighted.reduce((s, v, i) => s + v * normal[i]!, 0) / width;
        normal.forEach((n, i) => {
          expected.push(n * gain.values[i]! + shift.values[i]!);
          slope.push(scale * (weighted[i]! - sum - n * dot));
          gainSlope[i]! += upper[i]! * n;
          shiftSlope[i]! += upper[i]!;
        });
        expect(memory.read(mean)[row]).toBeCloseTo(average, 5);
        expect(memory.read(variance)[row]).toBeCloseTo(spread, 5);
      }
      expect(worstError(memory.read(y), expected, 1)).toBeLessThan(Math.max(limit, 1e-5));
      expect(worstError(memory.read(dx), slope, 1)).toBeLessThan(Math.max(limit, 1e-5));
      expect(worstError(memory.read(dg), gainSlope, 1)).toBeLessThan(1e-5);
      expect(worstError(memory.read(db), shiftSlope, 1)).toBeLessThan(1e-5);
    });

    it("layerNorm without statistics, gain and shift", async () => {
      const memory = new TestMemory();
      const view = dense(dtype, 3, 2, 32);
      const a = testTensor(view, 1);
      const [x, y] = [memory.input(a), memory.input(zeros(view))];
      await memory.runSteps(engine, [{ kind: "layerNorm", label: "t", epsilon: 1e-12, source: x, target: y }]);
      const expected = indices([6]).flatMap(([row]) => {
        const part = a.values.slice(row! * 32, row! * 32 + 32);
        const mean = part.reduce((s, v) => s + v, 0) / 32;
        const deviation = Math.sqrt(part.reduce((s, v) => s + (v - mean) ** 2, 0) / 32);
        return part.map((v) => (v - mean) / deviation);
      });
      expect(worstError(memory.read(y), expected, 1)).toBeLessThan(Math.max(limit, 1e-5));
    });

    // Catches descriptors joined at the wrong size (major 2 takes an array of structs).
    it("sum and concat of three", async () => {
      const memory = new TestMemory();
      const view = dense(dtype, 4, 11);
      const tensors = [1, 2, 3].map((seed) => testTensor(view, seed));
      const sources = tensors.map((tensor) => memory.input(tensor));
      const [y, z] = [memory.input(zeros(view)), memory.input(zeros(dense(dtype, 4, 33)))];
      await memory.runSteps(engine, [
        { kind: "sum", label: "t", sources, scales: [1, -2, 0.5], target: y },
        { kind: "concat", label: "t", axis: 1, sources, target: z },
      ]);
      const [a, b, c] = tensors.map(({ values }) => values) as [number[], number[], number[]];
      const expected = a.map((value, i) => value - 2 * b[i]! + 0.5 * c[i]!);
      expect(worstError(memory.read(y), expected, 1)).toBeLessThan(limit);
      const rows = [0, 1, 2, 3].flatMap((row) => [a, b, c].flatMap((of) => of.slice(row * 11, row * 11 + 11)));
      expect(memory.read(z)).toEqual(rows);
    });
  });
});
