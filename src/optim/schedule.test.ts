import { describe, expect, test } from "vitest";
import { slantedTriangularAt } from "./schedule.ts";

describe("slantedTriangularAt", () => {
  // Equation 3 of the paper as it stands, where cut·T is whole.
  const paper = (t: number, T: number, cutFraction: number, ratio: number, peak: number): number => {
    const cut = Math.floor(T * cutFraction);
    const p = t < cut ? t / cut : 1 - (t - cut) / (cut * (1 / cutFraction - 1));
    return (peak * (1 + p * (ratio - 1))) / ratio;
  };

  test("is equation 3 of Howard & Ruder at every step (bugs: ratio upside down, the fall as steep as the rise)", () => {
    for (const maxSteps of [10, 100, 2340]) {
      for (let step = 0; step < maxSteps; step++) {
        const rate = slantedTriangularAt(step, { learningRate: 0.01, maxSteps, cut: 0.1, ratio: 32 });
        expect(rate).toBeCloseTo(paper(step, maxSteps, 0.1, 32, 0.01), 14);
      }
    }
    const at = (step: number) => slantedTriangularAt(step, { learningRate: 0.032, maxSteps: 100, cut: 0.1, ratio: 32 });
    expect([at(0), at(5), at(10), at(55)].map((rate) => Number(rate.toPrecision(10)))).toEqual([
      0.001, 0.0165, 0.032, 0.0165,
    ]);
  });

  test("stays between peak/ratio and peak in runs of any length (bug: 0/0 with fewer than ten steps)", () => {
    for (let maxSteps = 1; maxSteps < 40; maxSteps++) {
      const rates = Array.from({ length: maxSteps }, (_, step) =>
        slantedTriangularAt(step, { learningRate: 1, maxSteps, cut: 0.1, ratio: 32 }),
      );
      expect(Math.min(...rates), `${maxSteps} steps`).toBeGreaterThanOrEqual(1 / 32);
      expect(Math.max(...rates), `${maxSteps} steps`).toBe(1);
    }
  });
});
