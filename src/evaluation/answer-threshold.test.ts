import { describe, expect, it } from "vitest";
import { Random } from "../base/random.ts";
import { chooseAnswerThreshold, type ScoredAnswer } from "./answer-threshold.ts";

const answers: ScoredAnswer[] = [
  { score: 0.9, isRight: true },
  { score: 0.8, isRight: true },
  { score: 0.7, isRight: false },
  { score: 0.6, isRight: true },
  { score: 0.5, isRight: false, isAnswerable: false },
  { score: 0.4, isRight: false, isAnswerable: false },
];

describe("chooseAnswerThreshold", () => {
  it("takes the best F1, worked out by hand (catches recall over all questions instead of the answerable ones)", () => {
    // At 0.6: 3 of 4 given are right, 3 of 4 answerable questions are answered.
    const chosen = chooseAnswerThreshold(answers);
    expect(chosen).toMatchObject({ threshold: 0.6, precision: 0.75, recall: 0.75, f1: 0.75, answered: 4 / 6 });
  });

  it("keeps a wished precision with as many answers as that allows (catches the first threshold that keeps it)", () => {
    expect(chooseAnswerThreshold(answers, { precision: 1 })).toMatchObject({ threshold: 0.8, recall: 0.5 });
    expect(chooseAnswerThreshold(answers, { precision: 0.75 })).toMatchObject({ threshold: 0.6, isReached: true });
    const wrong = answers.map((answer) => ({ ...answer, isRight: answer.score === 0.6 }));
    expect(chooseAnswerThreshold(wrong, { precision: 0.9 })).toMatchObject({ threshold: 0.6, isReached: false });
  });

  it("equals a search over all thresholds on random answers with ties (catches ties that are cut apart)", () => {
    const random = new Random(5, "threshold");
    for (let round = 0; round < 200; round++) {
      const rows = Array.from({ length: 1 + random.nextInt(12) }, (): ScoredAnswer => {
        const isAnswerable = random.next() < 0.7;
        return { score: random.nextInt(5) / 4, isRight: isAnswerable && random.next() < 0.6, isAnswerable };
      });
      const f1 = (threshold: number): number => {
        const given = rows.filter(({ score }) => score >= threshold);
        const right = given.filter(({ isRight }) => isRight).length;
        const wanted = rows.filter(({ isAnswerable }) => isAnswerable).length;
        return given.length + wanted === 0 ? 0 : (2 * right) / (given.length + wanted);
      };
      const best = Math.max(0, ...rows.map(({ score }) => f1(score)));
      expect(chooseAnswerThreshold(rows).f1).toBeCloseTo(best, 12);
    }
  });

  it("answers nothing where nothing is right, and refuses what is no development set", () => {
    const none = chooseAnswerThreshold([{ score: 0.3, isRight: false }]);
    expect(none).toMatchObject({ threshold: Number.POSITIVE_INFINITY, precision: 0, answered: 0 });
    expect(() => chooseAnswerThreshold([])).toThrow("no questions");
    expect(() => chooseAnswerThreshold(answers, { precision: 1.5 })).toThrow("got 1.5");
  });
});
