import { expect, it } from "vitest";
import type { EvaluationEvent, StepEvent } from "../../train/event.ts";
import { Screen } from "./testing.ts";
import { trainProgress } from "./train-progress.ts";

function step(number: number, change: Partial<StepEvent> = {}): StepEvent {
  return {
    kind: "step",
    step: number,
    maxSteps: 2000,
    loss: 8 - number / 500,
    means: {},
    learningRate: 5e-4,
    gradientNorm: 1.25,
    numTokens: 4000,
    fillRatio: 0.99,
    usefulWork: 0.98,
    stepSeconds: 0.2,
    tokensPerSecond: 18_342,
    secondsLeft: 185,
    ...change,
  };
}
const evaluation: EvaluationEvent = {
  kind: "evaluation",
  step: 1000,
  loss: 5.5,
  means: { loss: 5.5, accuracy: 0.25 },
  seconds: 2.13,
  best: true,
};

it("shows two lines in place below the lines that stay", () => {
  const screen = new Screen(true, 100);
  let time = 0;
  const { listen } = trainProgress({ stream: screen, now: () => time });
  listen({ kind: "start", step: 0, maxSteps: 2000, description: "pretrain bert-mini" });
  for (const number of [1, 500, 1000]) {
    time += 1000;
    listen(step(number));
  }
  listen(evaluation);
  expect(screen.lines).toEqual([
    "pretrain bert-mini: 2,000 steps",
    "step 1,000  evaluation  loss 5.500  accuracy 0.2500  2.1 s  (best)",
    "████████████░░░░░░░░░░░░  step 1,000/2,000  50 %  3 min 05 s left  18.3k tokens/s",
    "loss 6.000  █▅▁  eval 5.500 at 1,000 (best)  lr 5e-4  grad 1.250",
  ]);
  time += 1000;
  listen({ kind: "checkpoint", step: 1000, folder: "runs/a/step-1000", bytes: 44_000_000 });
  listen({ kind: "end", step: 1000, reason: "interrupted", seconds: 185 });
  expect(screen.lines.slice(1)).toEqual([
    "step 1,000  evaluation  loss 5.500  accuracy 0.2500  2.1 s  (best)",
    "interrupted at step 1,000 after 3 min 05 s",
  ]);
});

it("redraws at most ten times a second, yet shows the last step (a write per step slows training)", () => {
  const screen = new Screen(true);
  let time = 0;
  const { listen } = trainProgress({ stream: screen, now: () => time });
  for (let number = 1; number <= 2000; number++) {
    listen(step(number));
    time += 1;
  }
  expect(screen.writes.length).toBe(21);
  expect(screen.lines[0]).toContain("step 2,000/2,000  100 %");
});

it.each([1, 5, 20, 40, 60, 80, 120, 300])("never wraps in %d columns, whatever the figures", (columns) => {
  const screen = new Screen(true, columns);
  let time = 0;
  const display = trainProgress({ stream: screen, now: () => time });
  const huge = { maxSteps: 123_456_789, loss: 1e-12, secondsLeft: Number.POSITIVE_INFINITY, gradientNorm: Number.NaN };
  for (const number of [1, 70_000_000, 123_456_789]) {
    time += 1000;
    display.listen(step(number, huge));
  }
  expect(screen.rows).toHaveLength(2);
  display.close();
  expect(screen.lines).toEqual([]);
});

it("writes plain lines by share and by time elsewhere, without control characters", () => {
  const screen = new Screen(false);
  let time = 0;
  const { listen } = trainProgress({ stream: screen, now: () => time, everySeconds: 60, everyShare: 0.25 });
  for (let number = 1; number <= 1999; number++) {
    time += 10;
    if (number === 1200) time += 61_000;
    listen(step(number));
  }
  listen({ kind: "notice", message: "learning rate lowered" });
  listen({ kind: "checkpoint", step: 1999, folder: "runs/a/step-1999", bytes: 44_000_000 });
  listen({ kind: "end", step: 1999, reason: "early stopping", seconds: 81 });
  expect(screen.lines.map((line) => line.split("  ")[0])).toEqual([
    "step 1/2,000 (0 %)",
    "step 501/2,000 (25 %)",
    "step 1,001/2,000 (50 %)",
    "step 1,200/2,000 (60 %)",
    "step 1,700/2,000 (85 %)",
    "learning rate lowered",
    "step 1,999",
    "step 1,999/2,000 (99 %)",
    "early stopping at step 1,999 after 1 min 21 s",
  ]);
  expect(screen.lines[0]).toBe("step 1/2,000 (0 %)  loss 7.998  lr 5e-4  grad 1.250  18.3k tokens/s  3 min 05 s left");
  expect(screen.lines[6]).toBe("step 1,999  checkpoint  runs/a/step-1999  44 MB");
  expect(screen.writes.join("")).not.toMatch(/[^\n\P{Cc}]/u);
});

it("counts shares of a resumed run by what remains (a short rest of a long run would pass in silence)", () => {
  const screen = new Screen(false);
  let time = 0;
  const { listen } = trainProgress({ stream: screen, now: () => time });
  listen({ kind: "start", step: 1500, maxSteps: 2000, description: "pretrain" });
  for (let number = 1501; number <= 1600; number++) {
    time += 100;
    listen(step(number));
  }
  expect(screen.lines.map((line) => line.split("  ")[0])).toEqual([
    "pretrain: 2,000 steps from step 1,500",
    "step 1,501/2,000 (75 %)",
    "step 1,551/2,000 (77 %)",
  ]);
});
