import { expect, test } from "vitest";
import { EngineClock } from "./timed-backend.ts";

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

// Bug: work in two executables at once is counted twice, so that the share outside the engine becomes negative.
test("overlapping work counts once, gaps do not count", async () => {
  const clock = new EngineClock();
  const began = performance.now();
  await Promise.all([clock.during(() => pause(30)), clock.during(() => pause(40))]);
  const worked = performance.now() - began;
  await pause(50);
  expect(clock.milliseconds).toBeGreaterThan(35);
  expect(clock.milliseconds).toBeLessThanOrEqual(worked);
});

// Bug: a run that fails leaves the clock running for ever.
test("a failure stops the clock and is passed on", async () => {
  const clock = new EngineClock();
  await expect(clock.during(() => Promise.reject(new Error("no")))).rejects.toThrow("no");
  const stopped = clock.milliseconds;
  await pause(10);
  expect(clock.milliseconds).toBe(stopped);
});
