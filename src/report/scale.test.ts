import fc from "fast-check";
import { expect, it } from "vitest";
import { pathData, smoothed, thinned } from "./curve.ts";
import { formatNumber, formatTick } from "./number.ts";
import { linearScale, logScale, tickStep } from "./scale.ts";

const labels = (scale: { ticks: readonly { label: string }[] }): string[] => scale.ticks.map((tick) => tick.label);

it("steps by 1, 2 or 5 times a power of ten", () => {
  expect([1, 3, 7, 12, 40, 90, 0.03].map((span) => tickStep(span, 5))).toEqual([0.2, 0.5, 1, 2, 10, 20, 0.005]);
});

it("labels ticks without binary noise (0.30000000000000004) and without -0", () => {
  expect(labels(linearScale([0.05, 0.52], 5, true))).toEqual(["0", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6"]);
  expect(labels(linearScale([-0.2, 0.2], 4, true))).toEqual(["−0.2", "−0.1", "0", "0.1", "0.2"]);
  expect(labels(linearScale([0, 2400], 5, false))).toEqual(["0", "500", "1k", "1.5k", "2k"]);
  expect(labels(linearScale([1e-5, 3e-5], 2, true))).toEqual(["1e−5", "2e−5", "3e−5"]);
});

it("places values by the extended axis when it snaps, by the data's range otherwise", () => {
  const snapped = linearScale([3.3, 8.7], 5, true);
  expect(snapped.domain).toEqual([3, 9]);
  expect(snapped.place(6)).toBe(0.5);
  expect(linearScale([1, 3000], 6, false).place(3000)).toBe(1);
});

it("gives a constant an axis with the value in the middle (0/0 otherwise)", () => {
  expect(linearScale([5, 5], 4, false).place(5)).toBe(0.5);
  expect(linearScale([0, 0], 4, false).place(0)).toBe(0.5);
  expect(logScale([10, 10], 4).place(10)).toBeCloseTo(0.5, 12);
});

it("has powers of ten on a log axis, and 2 and 5 where there is room", () => {
  expect(labels(logScale([1, 20_000], 5))).toEqual(["1", "10", "100", "1k", "10k"]);
  expect(labels(logScale([10, 400], 6))).toEqual(["10", "20", "50", "100", "200"]);
  expect(labels(logScale([1, 1e12], 4))).toEqual(["1", "1k", "1M", "1G", "1T"]);
  expect(logScale([1, 10_000], 4).place(100)).toBeCloseTo(0.5, 12);
});

it("keeps ticks inside the axis, few and increasing, for any range", () => {
  const value = fc.double({ min: -1e6, max: 1e6, noNaN: true });
  fc.assert(
    fc.property(
      value,
      fc.double({ min: 1e-6, max: 1e6, noNaN: true }),
      fc.integer({ min: 2, max: 9 }),
      (low, span, count) => {
        const scale = linearScale([low, low + span], count, true);
        const values = scale.ticks.map((tick) => tick.value);
        expect(values.length).toBeGreaterThanOrEqual(2);
        expect(values.length).toBeLessThanOrEqual(2 * count + 3);
        for (let index = 1; index < values.length; index++) expect(values[index]!).toBeGreaterThan(values[index - 1]!);
        expect(scale.place(values[0]!)).toBeGreaterThan(-1e-6);
        expect(scale.place(values.at(-1)!)).toBeLessThan(1 + 1e-6);
      },
    ),
  );
});

it("writes numbers to four digits, whole ones in full", () => {
  expect([3.50123, 0.0123456, 12345.678, 18342, -2.5, 0, 0.00001234, Number.NaN, 1 / 0].map(formatNumber)).toEqual([
    "3.501",
    "0.01235",
    "12,346",
    "18,342",
    "−2.500",
    "0",
    "1.23e−5",
    "–",
    "∞",
  ]);
  expect(formatTick(1_000_000, 250_000)).toBe("1M");
  expect(formatTick(15_000, 5000)).toBe("15k");
});

it("smooths without pulling the start to zero, and steps over gaps", () => {
  const curve = smoothed(
    [
      [0, 8],
      [1, 4],
      [2, Number.NaN],
      [3, 2],
    ],
    0.5,
  );
  expect(curve[0]).toEqual([0, 8]);
  // (¼·8 + ½·4) / ¾, then (⅛·8 + ¼·4 + ½·2) / ⅞
  expect(curve[1]![1]).toBeCloseTo(16 / 3, 12);
  expect(curve[2]![1]).toBeNaN();
  expect(curve[3]![1]).toBeCloseTo(3 / (7 / 8), 12);
});

it("keeps both ends and every spike when it thins (every n-th point would lose them)", () => {
  const points = Array.from(
    { length: 10_001 },
    (_, x) => [x, x === 4321 ? 99 : x === 7000 ? -99 : Math.sin(x)] as const,
  );
  const thin = thinned(points, 100);
  expect(thin.length).toBeLessThanOrEqual(100);
  expect(thin[0]).toEqual([0, 0]);
  expect(thin.at(-1)).toEqual(points.at(-1));
  expect(thin).toContainEqual([4321, 99]);
  expect(thin).toContainEqual([7000, -99]);
  expect(thin.map(([x]) => x)).toEqual(thin.map(([x]) => x).toSorted((a, b) => a - b));
  expect(thinned(points.slice(0, 100), 100)).toHaveLength(100);
});

it("interrupts a path where a value is missing", () => {
  expect(
    pathData([
      [0, 1.26],
      [2, 3],
      [4, Number.NaN],
      [5, 6],
    ]),
  ).toBe("M0 1.3L2 3M5 6");
  expect(pathData([])).toBe("");
});
