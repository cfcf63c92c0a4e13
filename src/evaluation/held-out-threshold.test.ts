import { describe, expect, it } from "vitest";
import { Random } from "../base/random.ts";
import { chooseAnswerThreshold, type ScoredAnswer } from "./answer-threshold.ts";
import { heldOutThreshold } from "./held-out-threshold.ts";

/** Answers that are the more often right the higher their score; some questions have none. */
function answersOf(count: number, seed: number): ScoredAnswer[] {
  const random = new Random(seed, "answers");
  return Array.from({ length: count }, () => {
    const score = random.next();
    const isAnswerable = random.next() < 0.8;
    return { score, isRight: isAnswerable && random.next() < score, isAnswerable };
  });
}

describe("heldOutThreshold", () => {
  it("is not better than what the threshold promises on its own questions (catches questions judged by their own threshold)", () => {
    const aim = { precision: 0.9 } as const;
    let [promised, kept] = [0, 0];
    for (let seed = 0; seed < 40; seed++) {
      const answers = answersOf(60, seed);
      promised += chooseAnswerThreshold(answers, aim).precision / 40;
      kept += heldOutThreshold(answers, aim)!.precision / 40;
    }
    expect(promised).toBeGreaterThan(0.89);
    expect(kept).toBeLessThan(promised - 0.02);
    expect(kept).toBeGreaterThan(0.6);
  });

  it("nears it where there are many questions, and counts all of them once", () => {
    const answers = answersOf(4_000, 7);
    const chosen = chooseAnswerThreshold(answers);
    const held = heldOutThreshold(answers)!;
    for (const key of ["precision", "recall", "f1", "answered"] as const) {
      expect(Math.abs(held[key] - chosen[key])).toBeLessThan(0.04);
    }
    const [lowest, highest] = held.thresholds;
    expect(lowest).toBeLessThanOrEqual(chosen.threshold + 0.05);
    expect(highest).toBeGreaterThanOrEqual(chosen.threshold - 0.05);
    expect(heldOutThreshold(answers)).toEqual(held);
  });

  it("says nothing on a handful of questions, and answers nothing where nothing is right", () => {
    expect(heldOutThreshold(answersOf(9, 1))).toBeUndefined();
    const wrong = answersOf(20, 1).map((answer) => ({ ...answer, isRight: false }));
    expect(heldOutThreshold(wrong)).toMatchObject({ precision: 0, recall: 0, answered: 0 });
  });
});
