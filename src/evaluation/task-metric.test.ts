import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { cohenKappa } from "./agreement.ts";
import { brierScore, calibration } from "./calibration.ts";
import { approximateRandomization, pairedBootstrap } from "./compare-systems.ts";
import { confusionMatrix } from "./confusion.ts";
import {
  averagePrecisionOfRanking,
  ndcgAt,
  ndcgOfScores,
  precisionAt,
  rankingReport,
  recallAt,
  reciprocalRank,
} from "./ranking.ts";
import { averagePrecision, rocAuc } from "./threshold.ts";

type Maybe = number | "NaN";
type Depths<T> = Readonly<Record<string, T>>;
interface Golden {
  threshold: Record<string, { labels: number[]; scores: number[]; rocAuc: Maybe; averagePrecision: Maybe }>;
  kappa: Record<
    string,
    { first: number[]; second: number[]; classes: number } & Record<"none" | "linear" | "quadratic", Maybe>
  >;
  calibration: Record<
    string,
    {
      labels: number[];
      probabilities: number[][];
      numBins: number;
      brier: number;
      error: number;
      largestError: number;
      counts: number[];
    }
  >;
  ranking: Record<
    string,
    {
      ranked: number[];
      judged: number[];
      reciprocalRank: number;
      averagePrecision: number;
      ndcg: number;
      at: Depths<{ recall: number; precision: number; ndcg: number }>;
    }
  >;
  ndcgOfScores: Record<string, { relevance: number[]; scores: number[]; whole: number; at: Depths<number> }>;
  comparison: Record<
    string,
    { first: number[]; second: number[]; difference: number; pValue: number; interval: [number, number] }
  >;
}
const golden = JSON.parse(
  readFileSync(new URL("../../tests/fixtures/task_metrics.json", import.meta.url), "utf8"),
) as Golden;

/** Equal to twelve digits, NaN to NaN. */
function expectClose(actual: number, expected: Maybe): void {
  if (expected === "NaN") expect(actual).toBeNaN();
  else expect(Math.abs(actual - expected)).toBeLessThanOrEqual(1e-12 * Math.max(1, Math.abs(expected)));
}
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

describe.each(Object.entries(golden.threshold))("thresholds %s", (_, its) => {
  it("equals scikit-learn (ties by order of rows; AP interpolated; one class as 0.5)", () => {
    expectClose(rocAuc(its.labels, its.scores), its.rocAuc);
    expectClose(averagePrecision(its.labels, its.scores), its.averagePrecision);
  });
});

describe.each(Object.entries(golden.kappa))("Cohen's kappa %s", (_, its) => {
  it("equals scikit-learn with every kind of weights (margins swapped; 0/0 as 1)", () => {
    const matrix = confusionMatrix(its.first, its.second, its.classes);
    for (const weights of ["none", "linear", "quadratic"] as const)
      expectClose(cohenKappa(matrix, weights), its[weights]);
  });
});

describe.each(Object.entries(golden.calibration))("calibration %s", (_, its) => {
  it("equals scikit-learn (two classes counted twice; edges in the upper bin; mean over bins, not rows)", () => {
    expectClose(brierScore(its.labels, its.probabilities), its.brier);
    const { error, largestError, bins } = calibration(its.labels, its.probabilities, its.numBins);
    expectClose(error, its.error);
    expectClose(largestError, its.largestError);
    expect(bins.map(({ count }) => count)).toEqual(its.counts);
  });
});

describe.each(Object.entries(golden.ranking))("ranking %s", (_, its) => {
  it("equals trec_eval (recall over what was found; precision over what was returned; exponential gain)", () => {
    expectClose(reciprocalRank(its), its.reciprocalRank);
    expectClose(averagePrecisionOfRanking(its), its.averagePrecision);
    expectClose(ndcgAt(its), its.ndcg);
    for (const [depth, own] of Object.entries(its.at)) {
      const k = Number(depth);
      expectClose(recallAt(its, k), own.recall);
      expectClose(precisionAt(its, k), own.precision);
      expectClose(ndcgAt(its, k), own.ndcg);
    }
  });
});

describe("ranking", () => {
  it.each(Object.entries(golden.ndcgOfScores))("nDCG of %s scores equals scikit-learn (ties by order)", (_, its) => {
    expectClose(ndcgOfScores(its.relevance, its.scores), its.whole);
    for (const [k, own] of Object.entries(its.at)) expectClose(ndcgOfScores(its.relevance, its.scores, Number(k)), own);
  });
  it("counts queries without anything relevant, and says how many they are (left out in silence)", () => {
    const report = rankingReport([{ ranked: [0, 1] }, { ranked: [0, 0] }], [1, 2]);
    expect(report).toMatchObject({ numQueries: 2, numUnanswerable: 1, mrr: 0.25, map: 0.25 });
    expect(report.at.map(({ recall, precision }) => [recall, precision])).toEqual([
      [0, 0],
      [0.5, 0.25],
    ]);
    expect(rankingReport([]).mrr).toBeNaN();
  });
  it("refuses negative relevance in scores, as scikit-learn does", () => {
    expect(() => ndcgOfScores([1, -1], [0, 1])).toThrow(expect.objectContaining({ code: "RELEVANCE_NEGATIVE" }));
  });
});

describe.each(Object.entries(golden.comparison))("two systems, %s", (_, its) => {
  const options = { numResamples: 20_000, seed: 5 };
  it("has the p-value of all exchanges, within five deviations of chance (one-sided; > instead of ≥)", () => {
    const { pValue, difference } = approximateRandomization(its.first, its.second, mean, options);
    expectClose(difference, its.difference);
    const deviation = Math.sqrt((its.pValue * (1 - its.pValue)) / options.numResamples);
    expect(Math.abs(pValue - its.pValue)).toBeLessThanOrEqual(5 * deviation + 1 / options.numResamples);
  });
  it("has scipy's interval, but for chance (rows drawn for each system by itself: the interval is wider)", () => {
    const { interval } = pairedBootstrap(its.first, its.second, mean, options);
    const width = its.interval[1] - its.interval[0];
    for (const end of [0, 1] as const)
      expect(Math.abs(interval[end] - its.interval[end])).toBeLessThanOrEqual(0.05 * width);
  });
});

describe("two systems", () => {
  it("are the same with the same seed, and differ with another", () => {
    const { first, second } = golden.comparison.scores!;
    const run = (seed: number) => pairedBootstrap(first, second, mean, { seed, numResamples: 200 });
    expect(run(1)).toEqual(run(1));
    expect(run(1).interval).not.toEqual(run(2).interval);
  });
  it("says that a system does not differ from itself (rounding makes 0 ≠ 0)", () => {
    const scores = [0.1, 0.2, 0.3, 0.7];
    expect(approximateRandomization(scores, scores, mean, { numResamples: 99 })).toMatchObject({ pValue: 1 });
    expect(pairedBootstrap(scores, scores, mean, { numResamples: 99 }).pValue).toBe(1);
  });
  it("has no chance of a difference that is not defined (a bootstrap of nothing gave 1, an exchange a small number)", () => {
    // What all rows have in common has no correlation: 0/0.
    const figure = (rows: readonly number[]): number =>
      rows.every((row) => row === rows[0]) ? Number.NaN : mean(rows);
    const [constant, other] = [
      [1, 1, 1, 1],
      [0, 1, 0, 1],
    ];
    expect(pairedBootstrap(constant, other, figure, { numResamples: 50 }).pValue).toBeNaN();
    expect(approximateRandomization(constant, other, figure, { numResamples: 50 }).pValue).toBeNaN();
    // Of these exchanges half are not defined; among the others each is as far from 0 as the observed one.
    const exchanged = approximateRandomization([0, 1], [1, 0], (rows) => (rows[0] === rows[1] ? Number.NaN : rows[0]!));
    expect(exchanged).toMatchObject({ difference: 1, pValue: 1 });
  });
  it("refuses no rows and rows of different number", () => {
    expect(() => pairedBootstrap([], [], mean)).toThrow(expect.objectContaining({ code: "DATA_EMPTY" }));
    expect(() => approximateRandomization([1], [1, 2], mean)).toThrow(
      expect.objectContaining({ code: "LENGTH_MISMATCH" }),
    );
  });
});

describe("no rows", () => {
  it("is NaN, not 0 or 1", () => {
    expect(rocAuc([], [])).toBeNaN();
    expect(averagePrecision([], [])).toBeNaN();
    expect(brierScore([], [])).toBeNaN();
    expect(calibration([], []).error).toBeNaN();
    expect(cohenKappa([[0]])).toBeNaN();
    expect(ndcgOfScores([], [])).toBeNaN();
  });
  it("is NaN where a score is (sorting would give it some place)", () => {
    expect(rocAuc([0, 1, 1], [0.1, Number.NaN, 0.3])).toBeNaN();
    expect(averagePrecision([0, 1, 1], [0.1, Number.NaN, 0.3])).toBeNaN();
    expect(ndcgOfScores([0, 1, 1], [0.1, Number.NaN, 0.3])).toBeNaN();
  });
});
