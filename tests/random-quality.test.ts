/**
 * @file Statistics of the random bits that graphs draw. Seeds are fixed, so the outcome never changes; bounds lie
 * five standard deviations out, so that a defect and not bad luck is what fails.
 */
import { describe, expect, it } from "vitest";
import { evaluateGraph } from "../src/backend/reference/evaluate.ts";
import { tensorType } from "../src/ir/shape.ts";
import { decompose } from "../src/tensor/decompose/decompose.ts";
import { dropoutMask, foldIn } from "../src/tensor/fused.ts";
import { randomBits, randomNormal, randomUniform } from "../src/tensor/random.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { trace } from "../src/tensor/trace.ts";

const count = 1 << 17;
type Key = readonly [number, number];

function draw(key: Key, run: (key: Tensor) => Tensor): Float64Array {
  const type = tensorType("u32", [2]);
  const graph = decompose(trace("draw", { key: type }, ({ key }) => ({ y: run(key) })));
  return Float64Array.from(evaluateGraph(graph, [{ ...type, data: Uint32Array.from(key) }])[0]!.data);
}

const bitsOf = (key: Key): Float64Array => draw(key, (k) => randomBits(k, [count]));
/** The bits as a program draws them: of a key folded with what they are for. */
const foldedBits = (key: Key, data: number): Float64Array => draw(key, (k) => randomBits(foldIn(k, data), [count]));

/** Numbers of variance 1 around 0. */
const centred = (bits: Float64Array): Float64Array => bits.map((x) => ((x + 0.5) / 2 ** 32 - 0.5) * Math.sqrt(12));
const mean = (x: Float64Array): number => x.reduce((sum, value) => sum + value, 0) / x.length;

/** Correlation of two sequences in standard deviations, the second moved by `lag`. */
function correlation(a: Float64Array, b: Float64Array, lag: number): number {
  let sum = 0;
  const from = Math.max(0, -lag);
  const to = Math.min(a.length, b.length - lag);
  for (let i = from; i < to; i++) sum += a[i]! * b[i + lag]!;
  return sum / Math.sqrt(to - from);
}

/** Distance of a χ² statistic of equally likely classes from its mean, in standard deviations. */
function chiSquare(classes: Iterable<number>, numClasses: number): number {
  const counts = new Float64Array(numClasses);
  let total = 0;
  for (const one of classes) {
    counts[one]! += 1;
    total++;
  }
  const expected = total / numClasses;
  const statistic = counts.reduce((sum, seen) => sum + (seen - expected) ** 2 / expected, 0);
  return (statistic - (numClasses - 1)) / Math.sqrt(2 * (numClasses - 1));
}

const keys: readonly Key[] = [
  [0, 0],
  [0, 1],
  [1, 0],
  [42, 0],
  [0xdeadbeef, 0x12345678],
  [0xffffffff, 0xffffffff],
];

describe.each(keys)("bits of key (%i, %i)", (...key) => {
  const bits = bitsOf(key);

  it("have every bit set half of the time", () => {
    for (let bit = 0; bit < 32; bit++) {
      const set = bits.reduce((sum, x) => sum + (Math.floor(x / 2 ** bit) % 2), 0);
      expect(Math.abs(set - count / 2) / Math.sqrt(count / 4)).toBeLessThan(5);
    }
  });

  it("have the mean of a uniform number and no correlation with their followers", () => {
    const x = centred(bits);
    expect(Math.abs(mean(x)) * Math.sqrt(count)).toBeLessThan(5);
    for (const lag of [1, 2, 3, 7, 64, 768, 1024, 4096]) expect(Math.abs(correlation(x, x, lag))).toBeLessThan(5);
  });

  it("fill the classes of every byte, and of pairs of neighbours, evenly", () => {
    for (let byte = 0; byte < 4; byte++) {
      expect(
        Math.abs(
          chiSquare(
            bits.map((x) => Math.floor(x / 256 ** byte) % 256),
            256,
          ),
        ),
      ).toBeLessThan(5);
    }
    const top = bits.map((x) => Math.floor(x / 2 ** 28));
    const pairs = top.map((x, i) => 16 * x + top[(i + 1) % count]!);
    expect(Math.abs(chiSquare(pairs, 256))).toBeLessThan(5);
    // Neighbours in a matrix of the usual widths stand one above the other.
    for (const width of [64, 768]) {
      const above = top.map((x, i) => 16 * x + top[(i + width) % count]!);
      expect(Math.abs(chiSquare(above, 256))).toBeLessThan(5);
    }
  });
});

describe("different keys", () => {
  const root: Key = [7, 9];
  const neighbours: readonly (readonly [string, Float64Array])[] = [
    ["data + 1", foldedBits(root, 1)],
    ["data + 2", foldedBits(root, 2)],
    ["data of one bit", foldedBits(root, 2 ** 31)],
    ["first word + 1", foldedBits([8, 9], 0)],
    ["second word + 1", foldedBits([7, 10], 0)],
    ["words exchanged", foldedBits([9, 7], 0)],
  ];
  const base = foldedBits(root, 0);

  it.each(neighbours)("give unrelated numbers: %s (also moved by a few places)", (_, other) => {
    for (let lag = -4; lag <= 4; lag++) {
      expect(Math.abs(correlation(centred(base), centred(other), lag))).toBeLessThan(5);
    }
  });

  it.each(neighbours)("differ in half of their bits: %s", (_, other) => {
    for (let bit = 0; bit < 32; bit++) {
      const at = (x: number) => Math.floor(x / 2 ** bit) % 2;
      const differing = base.reduce((sum, x, i) => sum + (at(x) === at(other[i]!) ? 0 : 1), 0);
      expect(Math.abs(differing - count / 2) / Math.sqrt(count / 4)).toBeLessThan(5);
    }
  });

  it("of a long sequence are all different", () => {
    const seen = new Set(Array.from({ length: 500 }, (_, i) => draw(root, (k) => foldIn(k, i)).join()));
    expect(seen.size).toBe(500);
  });
});

describe("distributions", () => {
  it("drop at the rate, and keep the expectation", () => {
    for (const rate of [0.1, 0.5, 0.9]) {
      const mask = draw([3, 5], (key) => dropoutMask(key, [count], rate));
      const dropped = mask.reduce((sum, x) => sum + (x === 0 ? 1 : 0), 0);
      expect(Math.abs(dropped - count * rate) / Math.sqrt(count * rate * (1 - rate))).toBeLessThan(5);
      expect(new Set(mask).size).toBe(2);
      expect(Math.max(...new Set(mask)) * (1 - rate)).toBeCloseTo(1, 6);
    }
  });

  it("are uniform in [0, 1) and normal with the moments of the standard one", () => {
    const uniform = draw([1, 1], (key) => randomUniform(key, [count]));
    expect(uniform.every((x) => x >= 0 && x < 1)).toBe(true);
    expect(
      Math.abs(
        chiSquare(
          uniform.map((x) => Math.floor(x * 1000)),
          1000,
        ),
      ),
    ).toBeLessThan(5);
    const x = draw([1, 2], (key) => randomNormal(key, [count]));
    expect(x.every(Number.isFinite)).toBe(true);
    const moments = [1, 2, 3, 4].map((power) => mean(x.map((value) => value ** power)));
    // Variances of the k-th powers of a standard normal number: 1, 2, 15, 96.
    [0, 1, 0, 3].forEach((wanted, k) => {
      expect(Math.abs(moments[k]! - wanted) * Math.sqrt(count / [1, 2, 15, 96][k]!)).toBeLessThan(5);
    });
  });
});
