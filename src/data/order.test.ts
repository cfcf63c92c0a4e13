import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { endlessOrder, epochOrder } from "./order.ts";

const all = (n: number, seed: number, epoch: number) => {
  const order = epochOrder(n, seed, epoch);
  return Array.from({ length: n }, (_, i) => order.at(i));
};

describe("epochOrder", () => {
  it("visits every item once (bug: cycle walking leaves the domain, or two places share an item)", () => {
    for (const n of [1, 2, 3, 4095, 4096, 4097, 5000, 10_007, 65_536]) {
      expect(new Set(all(n, 3, 1)).size).toBe(n);
      expect(Math.max(...all(n, 3, 1).slice(0, 5000))).toBeLessThan(n);
    }
  });

  it("is a permutation for any length above the stored ones (bug: width · height below length)", () => {
    fc.assert(
      fc.property(fc.integer({ min: 4097, max: 9000 }), fc.integer(), (n, seed) => {
        expect(new Set(all(n, seed, 0)).size).toBe(n);
      }),
      { numRuns: 20 },
    );
  });

  it("gives one place in constant time for lengths no array could hold (bug: builds the permutation)", () => {
    const order = epochOrder(3_000_000_000_000, 1, 0);
    expect(order.at(2_999_999_999_999)).toBeLessThan(3_000_000_000_000);
    expect(order.at(7)).not.toBe(order.at(8));
  });

  it("differs by epoch and seed, and not by call (bug: epoch ignored)", () => {
    for (const n of [100, 6000]) {
      const first = all(n, 1, 0);
      expect(all(n, 1, 0)).toEqual(first);
      // Two independent permutations agree in 1 place on average; P(≥ 8) < 1e-5.
      for (const other of [all(n, 1, 1), all(n, 2, 0)]) {
        expect(other.filter((item, i) => item === first[i]).length).toBeLessThan(8);
      }
    }
  });

  it("puts every item into every tenth equally often (bug: too few rounds, or a biased round function)", () => {
    // χ² over 10 × 10 cells of (item tenth, place tenth); 81 degrees of freedom; 0.999 quantile 126.1, 0.001 quantile 46.5.
    for (const [n, seed] of [
      [5000, 11],
      [10_000, 12],
      [20_011, 13],
    ] as const) {
      const cells = new Float64Array(100);
      all(n, seed, 4).forEach((item, place) => {
        cells[Math.floor((10 * item) / n) * 10 + Math.floor((10 * place) / n)]!++;
      });
      const chi = cells.reduce((sum, cell) => sum + (cell - n / 100) ** 2 / (n / 100), 0);
      expect(chi).toBeLessThan(126.1);
      expect(chi).toBeGreaterThan(46.5);
    }
  });

  it("leaves neighbours unrelated (bug: successive places give successive items)", () => {
    const n = 20_011;
    const order = all(n, 5, 0);
    const mean = (n - 1) / 2;
    let covariance = 0;
    for (let i = 0; i + 1 < n; i++) covariance += (order[i]! - mean) * (order[i + 1]! - mean);
    const correlation = covariance / ((n - 1) * (n * n - 1)) / (1 / 12);
    // Standard error 1/√n = 0.007.
    expect(Math.abs(correlation)).toBeLessThan(0.025);
  });

  it("spreads one place evenly over seeds (bug: place 0 always near the same item)", () => {
    const n = 10_000;
    const counts = new Float64Array(10);
    for (let seed = 0; seed < 2000; seed++) counts[Math.floor(epochOrder(n, seed, 0).at(0) / 1000)]!++;
    const chi = counts.reduce((sum, count) => sum + (count - 200) ** 2 / 200, 0);
    expect(chi).toBeLessThan(27.9);
  });

  it("refuses an empty data set and places outside", () => {
    expect(() => epochOrder(0, 1, 1)).toThrow(/length must be a positive integer; got 0/);
    expect(() => epochOrder(5, 1, 1).at(5)).toThrow(RangeError);
  });
});

describe("endlessOrder", () => {
  it("seeks to any count (bug: off by one at the end of an epoch)", () => {
    const at = endlessOrder(7, 9);
    expect(at(6)).toEqual({ epoch: 0, place: 6, item: epochOrder(7, 9, 0).at(6) });
    expect(at(7)).toEqual({ epoch: 1, place: 0, item: epochOrder(7, 9, 1).at(0) });
    expect(at(3).epoch).toBe(0);
  });
});
