/** @file Labelled and unlabelled batches in turn. */
import { foldSeed } from "../../base/random.ts";
import { endlessOrder } from "../../data/order.ts";
import type { ExamplePlace, StepOrder } from "../../train/batch-maker.ts";

/** An order of steps in which unlabelled batches come between those of the tasks. */
export interface AlternatingOrder extends StepOrder {
  /** Labelled steps among the first so many. */
  labelledSteps(numSteps: number): number;
}

export interface AlternatingOptions {
  /** Examples of the tasks; the unlabelled ones are numbered behind them. */
  readonly numLabelled: number;
  readonly numUnlabelled: number;
  /** Unlabelled texts a step. */
  readonly batchSize: number;
  /** Unlabelled steps after each labelled one. */
  readonly unlabelledSteps: number;
  readonly seed: number;
}

/**
 * An order that takes a labelled step and then some unlabelled ones, and so on. An epoch is one of the labelled data, with the
 * unlabelled steps between; the unlabelled texts are in a shuffled order of their own, which goes on from epoch to epoch.
 * @param labelled the order of the labelled steps alone
 * @source Clark et al. 2018 §3, arXiv:1809.08370: one of each in turn
 */
export function alternatingOrder(
  labelled: StepOrder,
  { numLabelled, numUnlabelled, batchSize, unlabelledSteps, seed }: AlternatingOptions,
): AlternatingOrder {
  const group = 1 + unlabelledSteps;
  const size = Math.min(batchSize, numUnlabelled);
  const order = endlessOrder(numUnlabelled, foldSeed(seed, "crossView"));
  const labelledSteps = (numSteps: number): number => Math.ceil(numSteps / group);
  return {
    labelledSteps,
    stepsOf: (numEpochs) => labelled.stepsOf(numEpochs) * group,
    at: (stepsDone) => {
      if (stepsDone % group === 0) return labelled.at(stepsDone / group);
      const first = (stepsDone - labelledSteps(stepsDone)) * size;
      return Array.from({ length: size }, (_, i): ExamplePlace => {
        const { epoch, item } = order(first + i);
        return { epoch, item: numLabelled + item };
      });
    },
  };
}
