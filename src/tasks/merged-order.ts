/** @file The batches of several tasks as one shuffled order of steps. */
import { foldSeed } from "../base/random.ts";
import { endlessOrder, epochOrder, type OrderPosition } from "../data/order.ts";
import type { ExamplePlace, StepOrder } from "../train/batch-maker.ts";

/** How many batches of each task an epoch has. */
export interface Mixing {
  /**
   * Batches are in proportion to (examples of the task) ^ exponent: 1 takes all examples of every task once, 0 as many
   * batches of each; between them 1 / temperature.
   */
  readonly exponent: number;
  /** The exponent of the last epoch, where it changes from epoch to epoch in equal steps; null: it stays. */
  readonly finalExponent: number | null;
  /** A task counts as having at most so many examples; null: no limit. All of them are learnt in the course of epochs. */
  readonly maxExamples: number | null;
}

/** The examples of a task. */
export interface MergedTask {
  readonly name: string;
  readonly numExamples: number;
}

/** An order of steps, each of one task; items are numbered through all tasks in their order. */
export interface MergedOrder extends StepOrder {
  /** Number of the task of a step. */
  taskAt(stepsDone: number): number;
  /** Steps of a task among the first so many. */
  stepsOfTask(task: number, numSteps: number): number;
}

/** Examples of a step: a task with fewer than a batch gives all it has. */
const sizeOfBatch = (numExamples: number, batchSize: number): number => Math.min(numExamples, batchSize);

/**
 * Batches of each task in an epoch, one at least. All together are as many as with exponent 1, up to rounding.
 * @source exponents below 1 as in Stickland & Murray 2019 §4.1, arXiv:1902.02671
 */
export function batchesPerEpoch(
  sizes: readonly number[],
  { batchSize, exponent, maxExamples }: Pick<Mixing, "exponent" | "maxExamples"> & { readonly batchSize: number },
): number[] {
  const counted = sizes.map((size) => Math.min(size, maxExamples ?? size));
  const whole = counted.map((size, i) => Math.ceil(size / sizeOfBatch(sizes[i]!, batchSize)));
  if (exponent === 1) return whole;
  const total = whole.reduce((sum, count) => sum + count, 0);
  const weights = counted.map((size) => size ** exponent);
  const all = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => Math.max(1, Math.round((total * weight) / all)));
}

/** Where an epoch begins. */
interface EpochStart {
  readonly firstStep: number;
  /** Batches of each task in the epochs before. */
  readonly before: readonly number[];
  /** Batches of each task in this one. */
  readonly counts: readonly number[];
  readonly numSteps: number;
}

/** An epoch's steps: their tasks, and the how many-th batch of its task in the epoch each is, from 0. */
interface EpochPlan {
  readonly epoch: number;
  readonly tasks: Uint16Array;
  readonly ordinals: Uint32Array;
}

/**
 * The merged order of several tasks: every epoch has a fixed number of batches of each task, in an order that is a pure
 * function of seed and epoch. A task's own examples are in a shuffled order that goes on from batch to batch and from epoch
 * to epoch, so that all come equally often; it hangs on the task's name, not on the other tasks.
 * @param options.numEpochs of the run; needed where the exponent changes
 * @source Liu et al. 2019, Algorithm 1, arXiv:1901.11504
 */
export function mergedOrder(
  tasks: readonly MergedTask[],
  options: {
    readonly batchSize: number;
    readonly seed: number;
    readonly mixing: Mixing;
    readonly numEpochs: number | null;
  },
): MergedOrder {
  const { batchSize, seed, mixing, numEpochs } = options;
  const sizes = tasks.map(({ numExamples }) => numExamples);
  const offsets = sizes.map((_, i) => sizes.slice(0, i).reduce((sum, size) => sum + size, 0));
  const orders = tasks.map(({ name, numExamples }) => endlessOrder(numExamples, foldSeed(seed, `task.${name}`)));
  const exponentOf = (epoch: number): number => {
    const { exponent, finalExponent } = mixing;
    const last = (numEpochs ?? 1) - 1;
    if (finalExponent === null || last <= 0) return exponent;
    return exponent + (finalExponent - exponent) * Math.min(1, epoch / last);
  };
  const starts: EpochStart[] = [];
  const startOf = (epoch: number): EpochStart => {
    while (starts.length <= epoch) {
      const previous = starts.at(-1);
      const counts = batchesPerEpoch(sizes, { ...mixing, batchSize, exponent: exponentOf(starts.length) });
      starts.push({
        firstStep: previous === undefined ? 0 : previous.firstStep + previous.numSteps,
        before: sizes.map((_, i) => (previous === undefined ? 0 : previous.before[i]! + previous.counts[i]!)),
        counts,
        numSteps: counts.reduce((sum, count) => sum + count, 0),
      });
    }
    return starts[epoch]!;
  };
  let plan: EpochPlan | undefined;
  const planOf = (epoch: number): EpochPlan => {
    if (plan?.epoch === epoch) return plan;
    const { counts, numSteps } = startOf(epoch);
    const sorted = Uint16Array.from(counts.flatMap((count, task) => new Array<number>(count).fill(task)));
    const order = epochOrder(numSteps, foldSeed(seed, "merged"), epoch);
    const seen = counts.map(() => 0);
    const made = { epoch, tasks: new Uint16Array(numSteps), ordinals: new Uint32Array(numSteps) };
    for (let place = 0; place < numSteps; place++) {
      const task = sorted[order.at(place)]!;
      made.tasks[place] = task;
      made.ordinals[place] = seen[task]!++;
    }
    plan = made;
    return made;
  };
  const locate = (stepsDone: number) => {
    let epoch = 0;
    while (startOf(epoch).firstStep + startOf(epoch).numSteps <= stepsDone) epoch++;
    return { start: startOf(epoch), plan: planOf(epoch), place: stepsDone - startOf(epoch).firstStep };
  };
  return {
    stepsOf: (epochs) => {
      const whole = Math.floor(epochs);
      const { firstStep, numSteps } = startOf(whole);
      return firstStep + Math.ceil((epochs - whole) * numSteps);
    },
    taskAt: (stepsDone) => {
      const { plan: own, place } = locate(stepsDone);
      return own.tasks[place]!;
    },
    stepsOfTask: (task, numSteps) => {
      if (numSteps === 0) return 0;
      const { start, plan: own, place } = locate(numSteps - 1);
      let at = place;
      while (at >= 0 && own.tasks[at] !== task) at--;
      return start.before[task]! + (at < 0 ? 0 : own.ordinals[at]! + 1);
    },
    at: (stepsDone) => {
      const { start, plan: own, place } = locate(stepsDone);
      const task = own.tasks[place]!;
      const size = sizeOfBatch(sizes[task]!, batchSize);
      const first = (start.before[task]! + own.ordinals[place]!) * size;
      return Array.from({ length: size }, (_, i): ExamplePlace => {
        const { epoch, item }: OrderPosition = orders[task]!(first + i);
        return { epoch, item: offsets[task]! + item };
      });
    },
  };
}
