import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  choice,
  type Dimension,
  gridSettings,
  logUniform,
  parseDimension,
  randomSettings,
  type SearchSpace,
  spaceIssues,
  uniform,
  wholeNumber,
} from "./space.ts";

const dimension: fc.Arbitrary<Dimension> = fc.oneof(
  fc.uniqueArray(fc.integer(), { minLength: 1, maxLength: 4 }).map(choice),
  fc
    .tuple(fc.integer({ min: -50, max: 50 }), fc.integer({ min: 1, max: 40 }))
    .map(([low, size]) => wholeNumber(low, low + size, Math.min(3, size + 1))),
  fc
    .tuple(fc.double({ min: -9, max: 9, noNaN: true }), fc.double({ min: 0.01, max: 9, noNaN: true }))
    .map(([low, size]) => uniform(low, low + size, 3)),
  fc
    .tuple(fc.double({ min: -7, max: 0, noNaN: true }), fc.double({ min: 0.1, max: 4, noNaN: true }))
    .map(([low, size]) => logUniform(10 ** low, 10 ** (low + size), 4)),
);
const space: fc.Arbitrary<SearchSpace> = fc.dictionary(fc.constantFrom("a", "b", "c"), dimension, { minKeys: 1 });

function holds(own: Dimension, value: unknown): boolean {
  if (own.kind === "choice") return own.values.includes(value as number);
  const number = value as number;
  return number >= own.low && number <= own.high && (own.kind !== "wholeNumber" || Number.isInteger(number));
}

describe("draws", () => {
  test("lie in their space, differ, and begin alike for any length (bug: a resumed search that tries others)", () => {
    fc.assert(
      fc.property(space, fc.nat(99), fc.integer({ min: 1, max: 12 }), (own, seed, count) => {
        const settings = randomSettings(own, { seed, count });
        expect(settings.length).toBeGreaterThan(0);
        expect(new Set(settings.map((item) => JSON.stringify(item))).size).toBe(settings.length);
        for (const item of settings) {
          expect(Object.keys(item)).toEqual(Object.keys(own));
          for (const [name, value] of Object.entries(item)) expect(holds(own[name]!, value)).toBe(true);
        }
        expect(randomSettings(own, { seed, count: count + 3 }).slice(0, settings.length)).toEqual(settings);
      }),
    );
  });

  test("another seed draws others; another setting beside it changes no draw (bug: one stream for all)", () => {
    const rate = { rate: logUniform(1e-6, 1e-2) };
    const first = randomSettings(rate, { seed: 1, count: 5 });
    expect(randomSettings(rate, { seed: 2, count: 5 })).not.toEqual(first);
    const beside = randomSettings({ size: choice([8, 16, 32]), ...rate }, { seed: 1, count: 5 });
    expect(beside.map((item) => item.rate)).toEqual(first.map((item) => item.rate));
  });

  test("half of logUniform lies below the geometric mean (bug: uniform under another name)", () => {
    const values = randomSettings({ rate: logUniform(1e-6, 1e-2) }, { seed: 4, count: 1_000 }).map(({ rate }) => rate);
    const low = values.filter((rate) => (rate as number) < 1e-4).length;
    // Five standard deviations of a binomial of a half.
    expect(Math.abs(low - 500)).toBeLessThan(5 * Math.sqrt(250));
    const even = randomSettings({ rate: uniform(0, 1) }, { seed: 4, count: 1_000 }).map(({ rate }) => rate as number);
    expect(Math.abs(even.filter((rate) => rate < 0.5).length - 500)).toBeLessThan(5 * Math.sqrt(250));
  });

  test("a small space is drawn whole and no longer (bug: a loop without end)", () => {
    const small = { a: choice([1, 2]), b: wholeNumber(1, 3) };
    expect(randomSettings(small, { seed: 3, count: 100 })).toHaveLength(6);
  });
});

describe("grids", () => {
  test("have every combination once, ends included (bug: a last point left out)", () => {
    fc.assert(
      fc.property(space, (own) => {
        const settings = gridSettings(own);
        expect(new Set(settings.map((item) => JSON.stringify(item))).size).toBe(settings.length);
        for (const [name, dim] of Object.entries(own)) {
          const seen = new Set(settings.map((item) => item[name]));
          for (const value of seen) expect(holds(dim, value)).toBe(true);
          if (dim.kind !== "choice") expect(seen.has(dim.low) && seen.has(dim.high)).toBe(true);
        }
      }),
    );
    expect(gridSettings({ a: choice([1, 2]), b: logUniform(1, 100, 3) })).toEqual([
      ...[1, 10, 100].map((b) => ({ a: 1, b })),
      ...[1, 10, 100].map((b) => ({ a: 2, b })),
    ]);
  });

  test("need an end of values, and all faults are told together", () => {
    const wrong = {
      a: logUniform(1e-5, 1e-3),
      b: choice([]),
      c: uniform(3, 1),
      d: logUniform(0, 1),
      e: choice([1, 1]),
      f: wholeNumber(1, 1e12),
    };
    expect(spaceIssues(wrong, true).map(({ path }) => path)).toEqual(["a", "b", "c", "d", "e", "f"]);
    expect(spaceIssues(wrong, false).map(({ path }) => path)).toEqual(["b", "c", "d", "e"]);
    expect(() => gridSettings({})).toThrow(expect.objectContaining({ code: "SEARCH_SPACE" }));
  });
});

test("dimensions as recipes write them (bug: 1e-5 read as a text)", () => {
  expect(parseDimension("logUniform(1e-5, 1e-3)")).toEqual({
    kind: "logUniform",
    low: 1e-5,
    high: 1e-3,
    points: undefined,
  });
  expect(parseDimension("uniform(0,0.5,3)")).toEqual({ kind: "uniform", low: 0, high: 0.5, points: 3 });
  expect(parseDimension([16, 32])).toEqual({ kind: "choice", values: [16, 32] });
  for (const wrong of ["loguniform(1, 2)", "uniform(1)", "uniform(1, x)", "uniform(1,,2)", 3, null, { low: 1 }]) {
    expect(parseDimension(wrong)).toEqual({ rule: expect.stringContaining("must be a list of values") });
  }
});
