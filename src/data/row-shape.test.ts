import { describe, expect, test } from "vitest";
import { Random } from "../base/random.ts";
import { fillRows } from "./fill-rows.ts";
import { packSequences } from "./packing.ts";
import { type PlannedBatch, planRows } from "./row-plan.ts";
import { bucketWidth, fitRows, packedWidth } from "./row-shape.ts";

/** Lengths like those of sentences: most near the mean, a few twice as long. */
function sentences(count: number, mean: number, longest: number, seed: number): number[] {
  const random = new Random(seed, "lengths");
  return Array.from({ length: count }, () =>
    Math.max(3, Math.min(longest, Math.round(mean * (1 + 0.4 * random.nextNormal())))),
  );
}

/** Every sequence stands in one row, and no row is overfull. */
function check(rows: PlannedBatch["rows"], width: number, lengths: readonly number[], items: number[] = []): number[] {
  for (const row of rows) {
    expect(row.reduce((sum, item) => sum + lengths[item]!, 0)).toBeLessThanOrEqual(width);
    items.push(...row);
  }
  return items;
}
const all = (lengths: readonly number[]): number[] => lengths.map((_, i) => i);
const sorted = (items: readonly number[]): number[] => items.toSorted((a, b) => a - b);
const totalOf = (lengths: readonly number[]): number => lengths.reduce((sum, length) => sum + length, 0);

describe("fillRows", () => {
  test("finds the full rows that best fit misses (would catch a search that takes a sequence twice)", () => {
    // Best fit decreasing puts 6 + 2 and 5 + 2 together; 6 + 4 and 5 + 3 + 2 fill both rows.
    const lengths = [6, 5, 4, 3, 2, 10];
    const { rows, fillRatio } = fillRows(lengths, 10);
    expect(rows.length).toBe(3);
    expect(fillRatio).toBeCloseTo(1, 12);
    expect(sorted(check(rows, 10, lengths))).toEqual(all(lengths));
  });

  test("holds every sequence once for any lengths, and needs no more rows than sequences", () => {
    for (let seed = 0; seed < 40; seed++) {
      const random = new Random(seed, "fill");
      const width = 8 + random.nextInt(60);
      const lengths = Array.from({ length: 1 + random.nextInt(40) }, () => 1 + random.nextInt(width));
      const { rows } = fillRows(lengths, width);
      expect(sorted(check(rows, width, lengths))).toEqual(all(lengths));
      expect(rows.length).toBeLessThanOrEqual(packSequences(lengths, width).rows.length + 1);
    }
  });
});

test("widths never fall below what is needed, and differ by one step at most (would catch a ladder that repeats)", () => {
  for (let least = 1; least <= 1200; least++) {
    expect(packedWidth(least)).toBeGreaterThanOrEqual(least);
    if (least >= 48) expect(packedWidth(least)).toBeLessThan(least * 1.08);
    expect(bucketWidth(least)).toBeGreaterThanOrEqual(least);
    expect(bucketWidth(least) - least).toBeLessThan(Math.max(8, least / 8));
  }
  expect([bucketWidth(100, 100), bucketWidth(97, 100), bucketWidth(128, 128)]).toEqual([100, 100, 128]);
});

describe("fitRows", () => {
  test("padding of shuffled batches of 32 stays below 3 % in few shapes (would catch rows rounded up twice)", () => {
    for (const [mean, longest] of [
      [23, 64],
      [53, 128],
      [171, 384],
    ] as const) {
      let tokens = 0;
      let places = 0;
      const shapes = new Set<string>();
      for (let batch = 0; batch < 60; batch++) {
        const lengths = sentences(32, mean, longest, 1000 * mean + batch);
        const { rows, width, numRows } = fitRows(lengths, { packed: true, maxSeqLength: longest });
        expect(rows.length).toBeLessThanOrEqual(numRows);
        expect(sorted(check(rows, width, lengths))).toEqual(all(lengths));
        tokens += totalOf(lengths);
        places += numRows * width;
        shapes.add(`${numRows} ${width}`);
      }
      expect(1 - tokens / places, `mean ${mean}`).toBeLessThan(0.03);
      expect(shapes.size, `mean ${mean}`).toBeLessThanOrEqual(14);
    }
  });

  test("sequences that are as long as allowed get rows of their own (would catch rows of three, where attention costs most)", () => {
    const layout = fitRows(new Array<number>(32).fill(128), { packed: true, maxSeqLength: 128 });
    expect([layout.numRows, layout.width]).toEqual([32, 128]);
  });

  test("one long sequence among short ones fits, and unpacked rows hold one each", () => {
    const lengths = [...new Array<number>(31).fill(10), 500];
    const { rows, width } = fitRows(lengths, { packed: true, maxSeqLength: 512 });
    expect(sorted(check(rows, width, lengths))).toEqual(all(lengths));
    const single = fitRows(lengths, { packed: false, maxSeqLength: 512 });
    expect([single.numRows, single.width]).toEqual([32, 512]);
    expect(single.rows.every((row) => row.length === 1)).toBe(true);
  });
});

describe("planRows", () => {
  const options = { packed: true, maxSeqLength: 512, maxPlaces: 4096, attentionWidth: 1280 };

  test("holds every sequence once, with less than 3 % padding for a few hundred (would catch a lost tail)", () => {
    for (const [count, mean, longest] of [
      [872, 23, 67],
      [408, 53, 103],
      [2000, 171, 384],
    ] as const) {
      const lengths = sentences(count, mean, longest, mean);
      const plan = planRows(lengths, { ...options, maxSeqLength: longest });
      const items: number[] = [];
      for (const { rows, width, numRows } of plan) {
        expect(rows.length).toBeLessThanOrEqual(numRows);
        expect(numRows * width).toBeLessThanOrEqual(Math.max(4096, width));
        check(rows, width, lengths, items);
      }
      expect(sorted(items)).toEqual(all(lengths));
      const places = plan.reduce((sum, { numRows, width }) => sum + numRows * width, 0);
      expect(1 - totalOf(lengths) / places, `mean ${mean}`).toBeLessThan(0.035);
      expect(new Set(plan.map(({ numRows, width }) => `${numRows} ${width}`)).size).toBeLessThanOrEqual(8);
    }
  });

  test("rows that fill one batch and a bit are shared out evenly (would catch a second batch that is mostly padding)", () => {
    const lengths = new Array<number>(36).fill(64);
    const plan = planRows(lengths, { ...options, maxSeqLength: 64, maxPlaces: 2048 });
    expect(plan.map(({ numRows, width }) => [numRows, width])).toEqual([
      [18, 64],
      [18, 64],
    ]);
  });

  test("a few long texts do not make rows of the many short ones wide", () => {
    const lengths = [...sentences(2700, 23, 60, 1), ...new Array<number>(30).fill(512)];
    const plan = planRows(lengths, options);
    const wide = plan.filter(({ width }) => width > 128).reduce((sum, { numRows }) => sum + numRows, 0);
    expect(wide).toBe(30);
  });

  test("without packing, buckets by length: a text alone in each row, none more than an eighth too wide", () => {
    const lengths = sentences(3000, 180, 512, 3);
    const plan = planRows(lengths, { ...options, packed: false });
    const items: number[] = [];
    for (const { rows, width } of plan) {
      for (const row of rows) expect(row).toHaveLength(1);
      check(rows, width, lengths, items);
    }
    expect(sorted(items)).toEqual(all(lengths));
    const places = plan.reduce((sum, { numRows, width }) => sum + numRows * width, 0);
    expect(1 - totalOf(lengths) / places).toBeLessThan(0.12);
  });

  test("one text gets one narrow row; none get none", () => {
    expect(planRows([30], options)).toEqual([{ width: 32, numRows: 1, rows: [[0]] }]);
    expect(planRows([], options)).toEqual([]);
  });
});
