import { expect, it } from "vitest";
import { taskProgress } from "./task-progress.ts";
import { Screen } from "./testing.ts";

it("shows rate and time left of work of known size, then one line that stays", () => {
  const screen = new Screen(true);
  let time = 5000;
  const task = taskProgress({ stream: screen, now: () => time, label: "Tokenizing", unit: "documents", total: 40_000 });
  time += 10_000;
  task.update(10_000);
  expect(screen.lines).toEqual(["Tokenizing  ███░░░░░░░░░  10k/40k documents  25 %  1k documents/s  30 s left"]);
  time += 30_000;
  task.update(40_000);
  task.finish();
  expect(screen.lines).toEqual(["Tokenizing: 40k documents in 40 s (1k documents/s)"]);
});

it("shows work of unknown size without inventing a share, until the size is known", () => {
  const screen = new Screen(true, 100);
  let time = 0;
  const task = taskProgress({ stream: screen, now: () => time, label: "Counting words", unit: "bytes" });
  time = 2000;
  task.update(3_000_000);
  expect(screen.lines).toEqual(["Counting words  3 MB  1.5 MB/s"]);
  time = 4000;
  task.update(6_000_000, 12_000_000);
  expect(screen.lines).toEqual(["Counting words  ██████░░░░░░  6 MB/12 MB  50 %  1.5 MB/s  4 s left"]);
  task.close();
  expect(screen.lines).toEqual([]);
});

it("writes few plain lines elsewhere, and divides nothing by zero at the start", () => {
  const screen = new Screen(false);
  let time = 0;
  const task = taskProgress({ stream: screen, now: () => time, label: "Learning merges", unit: "tokens", total: 1000 });
  for (let done = 0; done <= 1000; done++) {
    task.update(done);
    time += 20;
  }
  task.finish();
  expect(screen.lines).toHaveLength(12);
  expect(screen.lines[0]).toBe("Learning merges  0/1,000 tokens  0 %");
  expect(screen.lines[5]).toBe("Learning merges  500/1,000 tokens  50 %  50 tokens/s  10 s left");
  expect(screen.lines.at(-1)).toBe("Learning merges: 1,000 tokens in 20 s (50 tokens/s)");
});
