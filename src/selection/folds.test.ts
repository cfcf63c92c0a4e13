import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { assignFolds, type DataUnit, foldParts, holdOut, nestedOrder, shareSize } from "./folds.ts";

const classes = fc.array(fc.constantFrom("a", "b", "c"), { minLength: 6, maxLength: 60 });
const unitsOf = (strata: readonly string[]): DataUnit[] => strata.map((stratum, index) => ({ index, stratum }));

function counts(values: Iterable<number>, size: number): number[] {
  const found = new Array<number>(size).fill(0);
  for (const value of values) found[value]!++;
  return found;
}
const spreadOf = (values: readonly number[]): number => Math.max(...values) - Math.min(...values);

describe("folds", () => {
  test("share every class and all items evenly (bug: classes dealt by their place in the file)", () => {
    fc.assert(
      fc.property(classes, fc.integer({ min: 2, max: 6 }), fc.nat(50), (strata, numFolds, seed) => {
        const units = unitsOf(strata);
        const folds = assignFolds(units, numFolds, seed);
        expect(spreadOf(counts(folds, numFolds))).toBeLessThanOrEqual(1);
        for (const name of new Set(strata)) {
          const own = [...folds].filter((_, i) => strata[i] === name);
          expect(spreadOf(counts(own, numFolds))).toBeLessThanOrEqual(1);
        }
        expect(assignFolds(units, numFolds, seed)).toEqual(folds);
      }),
    );
  });

  test("another seed deals otherwise (bug: a seed that is not used)", () => {
    const units = unitsOf(Array.from({ length: 40 }, (_, i) => "ab"[i % 2]!));
    expect(assignFolds(units, 4, 1)).not.toEqual(assignFolds(units, 4, 2));
  });

  test("keep groups together (bug: a text whose questions are in training and test)", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(9), { minLength: 30, maxLength: 60 }), fc.nat(9), (groups, seed) => {
        const units = groups.map((group, index) => ({ index, group: String(group) }));
        const numFolds = Math.min(3, new Set(groups).size);
        fc.pre(numFolds >= 2);
        const folds = assignFolds(units, numFolds, seed);
        for (const group of new Set(groups)) {
          expect(new Set([...folds].filter((_, i) => groups[i] === group)).size).toBe(1);
        }
        expect(new Set(folds).size).toBe(numFolds);
        const { held, rest } = holdOut(units, 0.2, seed);
        const heldGroups = new Set(held.map(({ group }) => group));
        expect(rest.some(({ group }) => heldGroups.has(group))).toBe(false);
      }),
    );
  });

  test("no unit is in two parts, every unit is tested once (bug: a test fold that chooses weights)", () => {
    fc.assert(
      fc.property(classes, fc.integer({ min: 2, max: 5 }), fc.constantFrom(0, 0.1, 0.3), (strata, folds, devShare) => {
        const units = unitsOf(strata);
        const parts = foldParts(units, { folds, seed: 3, devShare });
        for (const { train, dev, test: tested } of parts) {
          const all = [...train, ...dev, ...tested].map(({ index }) => index);
          expect(all.toSorted((a, b) => a - b)).toEqual(units.map(({ index }) => index));
          expect(dev.length > 0).toBe(devShare > 0);
        }
        const tests = parts.flatMap(({ test: tested }) => tested.map(({ index }) => index));
        expect(tests.toSorted((a, b) => a - b)).toEqual(units.map(({ index }) => index));
      }),
    );
  });

  test("more folds than items are refused, and one", () => {
    const units = unitsOf(["a", "b"]);
    expect(() => assignFolds(units, 3, 1)).toThrow(expect.objectContaining({ code: "FOLDS_TOO_MANY" }));
    expect(() => assignFolds(units, 1, 1)).toThrow(expect.objectContaining({ code: "CONFIG_RANGE" }));
  });
});

test("every beginning has the classes in their shares, and smaller ones lie in larger (bug: subsets drawn anew)", () => {
  fc.assert(
    fc.property(classes, fc.nat(50), fc.double({ min: 0.01, max: 1, noNaN: true }), (strata, seed, share) => {
      const units = unitsOf(strata);
      const order = nestedOrder(units, seed);
      expect(order.map(({ index }) => index).toSorted((a, b) => a - b)).toEqual(units.map(({ index }) => index));
      const size = shareSize(share, units.length);
      expect(size).toBeGreaterThanOrEqual(1);
      for (const name of new Set(strata)) {
        const whole = strata.filter((own) => own === name).length;
        const own = order.slice(0, size).filter(({ stratum }) => stratum === name).length;
        expect(Math.abs(own - (whole * size) / units.length)).toBeLessThanOrEqual(2);
      }
    }),
  );
});
