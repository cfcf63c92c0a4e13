import fc from "fast-check";
import { expect, it } from "vitest";
import { Course, progressBar, sparkline } from "./drawing.ts";
import { formatBytes, formatCount, formatDuration, formatFigure, formatLearningRate, formatRate } from "./format.ts";
import { fitPieces, fitText, textWidth } from "./text-width.ts";

it.each([
  [0, "0 s"],
  [0.4213, "0.42 s"],
  [9.94, "9.9 s"],
  [9.96, "10 s"],
  [59.4, "59 s"],
  [59.6, "1 min 00 s"],
  [185, "3 min 05 s"],
  [3599.4, "59 min 59 s"],
  [3599.6, "1 h 00 min"],
  [7620, "2 h 07 min"],
  [86_399, "1 d 00 h"],
  [356_400, "4 d 03 h"],
  [Number.NaN, "–"],
  [Number.POSITIVE_INFINITY, "–"],
  [-1, "–"],
])("writes %d seconds as %s (no 60 s, no 60 min, no NaN)", (seconds, text) => {
  expect(formatDuration(seconds)).toBe(text);
});

it.each([
  [0, "0"],
  [9999, "9,999"],
  [9999.6, "10k"],
  [12_345, "12.3k"],
  [999_499, "999k"],
  [999_600, "1M"],
  [1_500_000_000, "1.5G"],
  [Number.NaN, "–"],
])("counts %d as %s (1,000k must be 1M)", (count, text) => {
  expect(formatCount(count)).toBe(text);
});

it("writes bytes in decimal units, rates with theirs", () => {
  expect([0, 812, 999.9, 1500, 3_420_000_000].map(formatBytes)).toEqual(["0 B", "812 B", "1 kB", "1.5 kB", "3.42 GB"]);
  expect(formatRate(18_342, "tokens")).toBe("18.3k tokens/s");
  expect(formatRate(0.25, "steps")).toBe("0.25 steps/s");
  expect(formatRate(1_200_000, "bytes")).toBe("1.2 MB/s");
  expect(formatRate(Number.POSITIVE_INFINITY, "tokens")).toBe("–");
});

it("keeps losses legible at every size, and rates short", () => {
  expect([3.41234, 0.012345, 0.00000012, 12_345.6, 0, -2.5, Number.NaN].map(formatFigure)).toEqual([
    "3.412",
    "0.01235",
    "1.20e-7",
    "12,346",
    "0",
    "-2.500",
    "–",
  ]);
  expect([5e-4, 4.831e-4, 1e-10, 0].map(formatLearningRate)).toEqual(["5e-4", "4.83e-4", "1e-10", "0"]);
});

it("measures and cuts what a terminal shows (code units are not columns)", () => {
  expect(["abc", "日本", "e\u0301", "🙂"].map(textWidth)).toEqual([3, 4, 1, 2]);
  expect(fitText("日本語", 5)).toBe("日本…");
  expect(fitText("日本語", 6)).toBe("日本語");
  expect(fitText("a\nb\u001B[2J", 20)).toBe("a b [2J");
});

it("never exceeds the columns, and drops the least important first", () => {
  const pieces = [
    { text: "one", rank: 2 },
    { text: "two", rank: 1 },
    { text: "three", rank: 3 },
  ];
  expect(fitPieces(pieces, 15)).toBe("one  two  three");
  expect(fitPieces(pieces, 14)).toBe("one  three");
  expect(fitPieces(pieces, 9)).toBe("three");
  expect(fitPieces(pieces, 4)).toBe("thr…");
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.integer({ min: 0, max: 30 }), (text, columns) => {
      expect(textWidth(fitText(text, columns))).toBeLessThanOrEqual(columns);
    }),
  );
});

it("fills the bar only when all is done, and survives nonsense", () => {
  expect(progressBar(0.999, 4)).toBe("███░");
  expect(progressBar(1, 4)).toBe("████");
  expect(progressBar(0.3, 10)).toBe("███░░░░░░░");
  expect(progressBar(Number.NaN, 2)).toBe("░░");
  expect(progressBar(7, 2)).toBe("██");
});

it("draws extremes at the ends of the scale; constants and gaps too", () => {
  expect(sparkline([8, 1, 4.5, Number.NaN])).toBe("█▁▅ ");
  expect(sparkline([2, 2])).toBe("▁▁");
  expect(sparkline([])).toBe("");
});

it("keeps the whole course in fixed memory, each place the mean of equally many values", () => {
  const course = new Course(4);
  for (let value = 1; value <= 8; value++) course.add(value);
  expect(course.values).toEqual([2.5, 6.5]);
  course.add(9);
  expect(course.values).toEqual([2.5, 6.5, 9]);
  for (let value = 0; value < 100_000; value++) course.add(1);
  expect(course.values.length).toBeLessThanOrEqual(4);
});
