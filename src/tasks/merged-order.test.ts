import { describe, expect, it } from "vitest";
import { batchesPerEpoch, type MergedTask, type Mixing, mergedOrder } from "./merged-order.ts";

const plain: Mixing = { exponent: 1, finalExponent: null, maxExamples: null };
const tasks: readonly MergedTask[] = [
  { name: "large", numExamples: 4_000 },
  { name: "middle", numExamples: 800 },
  { name: "small", numExamples: 100 },
  { name: "tiny", numExamples: 3 },
];
const batchSize = 8;
const open = (mixing: Partial<Mixing> = {}, seed = 1, own = tasks, numEpochs: number | null = 4) =>
  mergedOrder(own, { batchSize, seed, mixing: { ...plain, ...mixing }, numEpochs });

describe("batchesPerEpoch", () => {
  const sizes = tasks.map(({ numExamples }) => numExamples);

  it("passes every example once with exponent 1, and evens out below, with as many batches in all", () => {
    const whole = batchesPerEpoch(sizes, { batchSize, exponent: 1, maxExamples: null });
    expect(whole).toEqual([500, 100, 13, 1]);
    expect(batchesPerEpoch(sizes, { batchSize, exponent: 0, maxExamples: null })).toEqual([154, 154, 154, 154]);
    const half = batchesPerEpoch(sizes, { batchSize, exponent: 0.5, maxExamples: null });
    const roots = sizes.map(Math.sqrt);
    const total = roots.reduce((sum, root) => sum + root, 0);
    half.forEach((count, i) => {
      expect(Math.abs(count - (614 * roots[i]!) / total)).toBeLessThanOrEqual(0.5);
    });
    // A limit holds for the large tasks only; no task is left out.
    expect(batchesPerEpoch(sizes, { batchSize, exponent: 1, maxExamples: 200 })).toEqual([25, 25, 13, 1]);
  });
});

describe("mergedOrder", () => {
  it("has its tasks' batches evenly mixed in every part of an epoch (bug: tasks one after the other, or in a fixed turn)", () => {
    const order = open();
    const numSteps = order.stepsOf(1);
    expect(numSteps).toBe(614);
    const drawn = Array.from({ length: numSteps }, (_, step) => order.taskAt(step));
    for (const [task, count] of [500, 100, 13, 1].entries()) {
      expect(drawn.filter((own) => own === task)).toHaveLength(count);
      // Of the first half: drawn without return, so no wider than binomial; five deviations.
      const share = count / numSteps;
      const half = drawn.slice(0, numSteps / 2).filter((own) => own === task).length;
      const deviation = Math.sqrt((numSteps / 2) * share * (1 - share));
      expect(Math.abs(half - count / 2), `task ${task}`).toBeLessThanOrEqual(5 * deviation);
    }
    // Neighbours are independent: 0.68 of them are of the same task, against 0.99 in blocks and 0.64 in a strict turn.
    const same = drawn.filter((task, i) => i > 0 && task === drawn[i - 1]).length / (numSteps - 1);
    const expected = [500, 100, 13, 1].reduce((sum, count) => sum + (count / numSteps) ** 2, 0);
    expect(Math.abs(same - expected)).toBeLessThan(5 * Math.sqrt((expected * (1 - expected)) / numSteps));
  });

  it("is a function of seed and step alone, in whatever order it is asked (bug: a cursor that a resume does not have)", () => {
    const [once, again] = [open(), open()];
    const steps = Array.from({ length: 1_500 }, (_, step) => step);
    const forward = steps.map((step) => once.at(step));
    for (const step of [1_499, 0, 613, 614, 1_228, 7, 615]) expect(again.at(step)).toEqual(forward[step]);
    expect(steps.map((step) => open({}, 2).taskAt(step))).not.toEqual(steps.map((step) => once.taskAt(step)));
    const epochs = [0, 614].map((first) => steps.slice(0, 614).map((step) => once.taskAt(first + step)));
    expect(epochs[0]).not.toEqual(epochs[1]);
  });

  it("gives every batch examples of its own task, every example equally often (bug: offsets, batches drawn twice)", () => {
    const order = open();
    const seen = new Map<number, number>();
    const offsets = [0, 4_000, 4_800, 4_900, 4_903];
    for (let step = 0; step < order.stepsOf(4); step++) {
      const task = order.taskAt(step);
      const items = order.at(step).map(({ item }) => item);
      expect(items).toHaveLength(task === 3 ? 3 : batchSize);
      for (const item of items) {
        expect(item >= offsets[task]! && item < offsets[task + 1]!).toBe(true);
        seen.set(item, (seen.get(item) ?? 0) + 1);
      }
    }
    const counts = (first: number, end: number): number[] =>
      Array.from({ length: end - first }, (_, i) => seen.get(first + i) ?? 0);
    expect(new Set(counts(0, 4_800))).toEqual(new Set([4]));
    // 4 epochs of 13 batches of 8 are 416: every one of 100 four times, 16 of them once more.
    expect(counts(4_800, 4_900).toSorted((a, b) => a - b)).toEqual([
      ...new Array(84).fill(4),
      ...new Array(16).fill(5),
    ]);
    expect(counts(4_900, 4_903)).toEqual([4, 4, 4]);
  });

  it("gives a task the same batches whoever else is there (bug: a seed by position)", () => {
    const alone = open({}, 1, [tasks[2]!]);
    const order = open();
    const steps = Array.from({ length: 614 }, (_, step) => step).filter((step) => order.taskAt(step) === 2);
    const own = steps.map((step) => order.at(step).map(({ epoch, item }) => ({ epoch, item: item - 4_800 })));
    expect(own).toEqual(Array.from({ length: 13 }, (_, step) => alone.at(step)));
  });

  it("counts the steps of each task (bug: off by one, or only in the first epoch)", () => {
    const order = open({ exponent: 0.5 });
    const counted = tasks.map(() => 0);
    for (let step = 0; step < 1_300; step++) {
      counted[order.taskAt(step)]!++;
      if (step % 97 === 0 || step > 1_290) {
        expect(tasks.map((_, task) => order.stepsOfTask(task, step + 1))).toEqual(counted);
      }
    }
    expect(tasks.map((_, task) => order.stepsOfTask(task, 0))).toEqual([0, 0, 0, 0]);
  });

  it("changes the exponent from epoch to epoch to its final value, and stays there (bug: all epochs alike)", () => {
    const order = open({ exponent: 1, finalExponent: 0 });
    const shares = [0, 1, 2, 3, 4].map((epoch) => {
      const [first, end] = [order.stepsOf(epoch), order.stepsOf(epoch + 1)];
      return (order.stepsOfTask(0, end) - order.stepsOfTask(0, first)) / (end - first);
    });
    expect(shares[0]).toBeCloseTo(500 / 614, 12);
    expect(shares[3]).toBeCloseTo(0.25, 12);
    expect(shares[4]).toBe(shares[3]);
    for (let epoch = 1; epoch < 4; epoch++) expect(shares[epoch]).toBeLessThan(shares[epoch - 1]!);
    expect(order.stepsOf(1.5)).toBe(order.stepsOf(1) + Math.ceil((order.stepsOf(2) - order.stepsOf(1)) / 2));
  });
});
