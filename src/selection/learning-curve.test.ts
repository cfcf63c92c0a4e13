import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { crossValidate, crossValidationReport, crossValidationText, type FoldPlace } from "./cross-validate.ts";
import {
  type CurvePlace,
  learningCurve,
  learningCurveReport,
  learningCurveSvg,
  learningCurveText,
} from "./learning-curve.ts";

const folder = mkdtempSync(join(tmpdir(), "firth-curve-"));
afterAll(() => rmSync(folder, { recursive: true }));
const units = Array.from({ length: 200 }, (_, index) => ({ index, stratum: index % 4 === 0 ? "a" : "b" }));

describe("learning curves", () => {
  const base = { units, figure: "accuracy", higherIsBetter: true, shares: [1, 0.05, 0.2], seeds: [1, 2] } as const;
  const figuresOf = ({ units: own, start, seed }: CurvePlace) => ({
    accuracy: own.length / 400 + (start === "pre-trained" ? 0.3 : 0) + seed / 100,
  });

  test("run nested parts from both starts, and go on where they were killed (bug: parts drawn anew for each share)", async () => {
    const places: CurvePlace[] = [];
    let left = 5;
    const options = {
      ...base,
      outputDir: join(folder, "curve"),
      baseline: async () => ({ name: "commonest class", figures: { accuracy: 0.75 } }),
      run: async (place: CurvePlace) => {
        if (left-- === 0) throw new Error("killed");
        places.push(place);
        return figuresOf(place);
      },
    };
    await expect(learningCurve(options)).rejects.toThrow("killed");
    left = Number.POSITIVE_INFINITY;
    const curve = await learningCurve(options);
    expect(places).toHaveLength(3 * 2 * 2);
    expect(curve.runs.map(({ size }) => size)).toEqual([10, 40, 200].flatMap((size) => [size, size, size, size]));
    for (const [small, large] of [
      [places[0]!, places[4]!],
      [places[4]!, places[8]!],
    ] as const) {
      const inside = new Set(large.units.map(({ index }) => index));
      expect(small.units.every(({ index }) => inside.has(index))).toBe(true);
    }
    expect(places[0]!.units.filter(({ stratum }) => stratum === "a").length).toBeGreaterThanOrEqual(2);
    expect(new Set(places.slice(0, 4).map(({ units: own }) => JSON.stringify(own))).size).toBe(1);
    const lines = learningCurveText(curve).split("\n");
    expect(lines[1]).toMatch(/share +items +pre-trained +from scratch/);
    expect(lines[2]).toMatch(/5 % +10 +0\.3400 ± 0\.0071 \(2 runs\) +0\.0400 ± 0\.0071 \(2 runs\)/);
    expect(lines[5]).toBe("Without a model (commonest class): 0.7500");
    const svg = learningCurveSvg(curve);
    expect(svg).toContain('data-x="10 200"');
    expect(svg).toContain("commonest class");
    // Three means and six runs for each start.
    expect(svg.match(/<circle/g)).toHaveLength(2 * (3 + 6));
    expect(learningCurveReport(curve)).toContain("Without a model (commonest class): 0.7500");
  });

  test("faults are told together; an interruption keeps what there is", async () => {
    const run = async (place: CurvePlace) => figuresOf(place);
    const wrong = learningCurve({ ...base, shares: [0.001, 0.002], seeds: [1, 1], run });
    await expect(wrong).rejects.toMatchObject({ issues: [{ path: "shares" }, { path: "seeds" }] });
    await expect(learningCurve({ ...base, shares: [0, 2], run })).rejects.toMatchObject({ code: "CONFIG_RANGE" });
    let count = 0;
    const part = await learningCurve({ ...base, run: async (place) => (count++ < 2 ? figuresOf(place) : undefined) });
    expect(part).toMatchObject({ end: "interrupted", runs: [{}, {}] });
    expect(learningCurveText(part)).toContain("the same command goes on");
  });
});

describe("cross-validation", () => {
  test("tests every item once for each seed, resumes, and tells mean and deviation (bug: a deviation by n)", async () => {
    const places: FoldPlace[] = [];
    let left = 3;
    const options = {
      ...{ units, folds: 4, seeds: [1, 2], devShare: 0.1, outputDir: join(folder, "folds"), facts: { rate: 1 } },
      run: async (place: FoldPlace) => {
        if (left-- === 0) return undefined;
        places.push(place);
        return { accuracy: place.fold / 10 };
      },
    };
    expect(await crossValidate(options)).toMatchObject({
      end: "interrupted",
      runs: [{ fold: 1 }, { fold: 2 }, { fold: 3 }],
    });
    left = Number.POSITIVE_INFINITY;
    const result = await crossValidate(options);
    expect(places).toHaveLength(8);
    expect(result.runs.map(({ fold, seed }) => [fold, seed])).toEqual(
      [1, 2].flatMap((seed) => [1, 2, 3, 4].map((fold) => [fold, seed])),
    );
    for (const { train, dev, test: tested } of places) {
      expect([train.length, dev.length, tested.length]).toEqual([135, 15, 50]);
      expect(tested.filter(({ stratum }) => stratum === "a").length).toBeGreaterThanOrEqual(12);
    }
    const deviation = Math.sqrt((2 * (0.15 ** 2 + 0.05 ** 2) * 2) / 7);
    expect(result.figures.accuracy).toEqual({
      mean: expect.closeTo(0.25),
      deviation: expect.closeTo(deviation),
      count: 8,
    });
    expect(crossValidationText(result)).toContain("accuracy 0.2500 ± 0.1195 (8 runs)");
    expect(result.division).toContain("weights were chosen on 10 % of each fold's training part");
    expect(crossValidationReport(result)).toContain("every class spread evenly");
    await expect(crossValidate({ ...options, facts: { rate: 2 } })).rejects.toMatchObject({ code: "RUN_MISMATCH" });
  });
});
