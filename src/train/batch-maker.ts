/** @file The batches of each step, made while the engine works on the step before. */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Batch } from "../data/batch.ts";
import { endlessOrder } from "../data/order.ts";
import type { Module } from "../nn/module.ts";
import type { Drawn, Objective } from "../objectives/objective.ts";
import type { TrainOptions } from "./options.ts";

/** Examples by number; drawing one is a pure function of (seed, epoch, index). */
export interface Examples<E> {
  readonly numExamples: number;
  example(seed: number, epoch: number, index: number): E;
  /** Which of them a step takes; the next ones of a shuffled order over all when left out. */
  readonly order?: StepOrder | undefined;
}

/** An example by its number, and in which pass over its data. */
export type ExamplePlace = Pick<Drawn<unknown>, "epoch" | "item">;

/** An order of steps; each is a pure function of its number. */
export interface StepOrder {
  /** Steps of so many epochs, a part of one included. */
  stepsOf(numEpochs: number): number;
  /** The examples of a step, by the number of steps before it. */
  at(stepsDone: number): readonly ExamplePlace[];
}

/** A shuffled order over all examples. */
function plainOrder(
  numExamples: number,
  { batchSize, seed }: Pick<TrainOptions, "batchSize" | "seed">,
): Pick<StepOrder, "at"> {
  const order = endlessOrder(numExamples, seed);
  return { at: (stepsDone) => Array.from({ length: batchSize }, (_, i) => order(stepsDone * batchSize + i)) };
}

/** The same as an order of whole runs: an epoch may end in the middle of a step. */
export function labelledOrder(numExamples: number, options: Pick<TrainOptions, "batchSize" | "seed">): StepOrder {
  const stepsOf = (numEpochs: number): number => Math.max(1, Math.ceil((numEpochs * numExamples) / options.batchSize));
  return { ...plainOrder(numExamples, options), stepsOf };
}

/** Makes the batches of a step from its number alone: examples in seeded order, cut into accumulation parts. */
export function batchMaker<E, M extends Module>(
  objective: Objective<E, M>,
  examples: Examples<E>,
  options: Pick<TrainOptions, "batchSize" | "gradientAccumulationSteps" | "seed">,
): (stepsDone: number) => Batch[] {
  const { gradientAccumulationSteps, seed } = options;
  const order = examples.order ?? plainOrder(examples.numExamples, options);
  return (stepsDone) => {
    const drawn = order.at(stepsDone).map(({ epoch, item }): Drawn<E> => {
      return { example: examples.example(seed, epoch, item), epoch, item };
    });
    const partSize = Math.ceil(drawn.length / gradientAccumulationSteps);
    const parts: Batch[] = [];
    for (let at = 0; at < drawn.length; at += partSize)
      parts.push(objective.collate(drawn.slice(at, at + partSize), seed));
    return parts;
  };
}

/** The batches of a step, or why they could not be made. */
export type Made = { readonly batches: readonly Batch[] } | { readonly error: unknown };

/**
 * Makes batches in a later turn of the event loop: by then a step that was started before is the engine's, whose
 * threads work while this one makes the batches.
 * @returns never rejects, so it may be awaited after other things have failed
 */
export async function makeBehind(make: () => readonly Batch[]): Promise<Made> {
  await nextTurn();
  try {
    return { batches: make() };
  } catch (error) {
    return { error };
  }
}

/** The batches that were made. @throws what making them threw */
export function takeMade(made: Made): readonly Batch[] {
  if ("error" in made) throw made.error;
  return made.batches;
}
