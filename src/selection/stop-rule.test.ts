import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { halvingRungs, medianStops, stopRuleIssues } from "./stop-rule.ts";
import { bestUntil, isBetter, rankTrials, type TrialEvaluation, type TrialRun, trialOf } from "./trial.ts";

const rule = { figure: "accuracy", higherIsBetter: true };
const curve = (...values: readonly number[]): TrialEvaluation[] =>
  values.map((accuracy, i) => ({ step: 10 * (i + 1), share: (i + 1) / 4, figures: { accuracy, loss: 1 - accuracy } }));

describe("the median rule", () => {
  const others = [curve(0.5, 0.6, 0.7, 0.8), curve(0.6, 0.7, 0.8, 0.9), curve(0.7, 0.8, 0.9, 1)];
  test("compares bests at the same share of steps (bug: the others' last figures)", () => {
    expect(medianStops(curve(0.61), others, rule)).toBe(false);
    expect(medianStops(curve(0.6), others, rule)).toBe(false);
    expect(medianStops(curve(0.59), others, rule)).toBe(true);
    expect(medianStops(curve(0.9, 0.1), others, rule)).toBe(false);
  });
  test("waits for enough trials that came as far, and leaves the last step alone", () => {
    expect(medianStops(curve(0.1), others.slice(1), rule)).toBe(false);
    expect(medianStops(curve(0.1, 0.1), [...others.slice(1), curve(0.9)], rule)).toBe(false);
    expect(medianStops(curve(0.1, 0.1, 0.1, 0.1), others, rule)).toBe(false);
    expect(medianStops(curve(0.1), others.slice(1), rule, 2)).toBe(true);
  });
  test("turns round where lower is better, and lets no NaN win (bug: NaN comparisons that are all false)", () => {
    const loss = { figure: "loss", higherIsBetter: false };
    expect(medianStops(curve(0.59), others, loss)).toBe(true);
    expect(medianStops(curve(0.61), others, loss)).toBe(false);
    expect(medianStops(curve(Number.NaN), others, rule)).toBe(true);
    expect(isBetter(Number.NaN, 0, rule)).toBe(false);
    expect(isBetter(0, Number.NaN, loss)).toBe(true);
    expect(bestUntil(curve(0.2, Number.NaN, 0.1), 1, rule)).toBe(0.2);
  });
});

describe("successive halving", () => {
  test("ends with whole runs, fewer and longer from stage to stage (bug: a last stage that is no whole run)", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 200 }),
        fc.double({ min: 1.5, max: 5, noNaN: true }),
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        (numTrials, factor, minShare) => {
          const rungs = halvingRungs(numTrials, { factor, minShare });
          expect(rungs[0]!.count).toBe(numTrials);
          expect(rungs.at(-1)!.share).toBe(1);
          rungs.slice(1).forEach(({ count, share }, i) => {
            expect(count).toBeLessThanOrEqual(rungs[i]!.count);
            expect(share).toBeGreaterThan(rungs[i]!.share);
          });
        },
      ),
    );
    expect(halvingRungs(9)).toEqual([
      { count: 9, share: expect.closeTo(1 / 9) },
      { count: 3, share: expect.closeTo(1 / 3) },
      { count: 1, share: 1 },
    ]);
  });
});

test("faults of rules are told", () => {
  expect(stopRuleIssues({ kind: "halving", factor: 1, minShare: 2 })).toHaveLength(2);
  expect(stopRuleIssues({ kind: "median", minTrials: 0 })).toHaveLength(1);
  expect(stopRuleIssues({ kind: "none" })).toEqual([]);
});

test("a trial counts when all its runs are there; the best mean is first, the earlier of equals (bug: a lucky half)", () => {
  const run = (seed: number, accuracy: number, state: TrialRun["state"] = "finished"): TrialRun => ({
    ...{ seed, fold: null, state, figures: { accuracy }, steps: 1, selectedStep: 1, evaluations: [], seconds: 1 },
    note: undefined,
  });
  const trial = (number: number, runs: TrialRun[]) => trialOf({ number, settings: {} }, runs, 2, rule);
  const trials = [
    trial(1, [run(1, 0.5), run(2, 0.7)]),
    trial(2, [run(1, 0.99)]),
    trial(3, [run(1, 0.6), run(2, 0.6)]),
    trial(4, [run(1, 0.9), run(2, 0.9, "stopped")]),
    trial(5, [run(1, Number.NaN), run(2, 0.9)]),
    trial(6, [run(1, 0.9), run(2, 0.8)]),
  ];
  expect(trials.map(({ state }) => state)).toEqual(["finished", "open", "finished", "stopped", "finished", "finished"]);
  expect(rankTrials(trials, rule).map(({ number }) => number)).toEqual([6, 1, 3, 5]);
  expect(trials[0]!.score).toEqual({ mean: 0.6, deviation: expect.closeTo(0.1414, 4), count: 2 });
});
