import type { Batch } from "../data/batch.ts";
import type { PlannedBatch } from "../data/row-plan.ts";
import type { ForwardContext, Module } from "../nn/module.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** A scalar summed over a batch, and the name of the count that turns sums into means. */
export interface SummedFigure {
  /** float scalar. */
  readonly sum: Tensor;
  readonly count: string;
}

export interface LossTerm extends SummedFigure {
  /** Factor of the term's mean in the whole loss. */
  readonly weight: number;
}

/** What a model makes of a batch. The loss is Σ weight · sum / count, with counts of the whole optimizer step. */
export interface LossFigures {
  readonly terms: Readonly<Record<string, LossTerm>>;
  readonly metrics: Readonly<Record<string, SummedFigure>>;
}

/** An example and where it was drawn: the randomness of its corruption is a function of this. */
export interface Drawn<E> {
  readonly example: E;
  readonly epoch: number;
  /** Number of the example in its data set. */
  readonly item: number;
}

/**
 * What is learnt: how examples become batches, and what a model's answer costs.
 * @typeParam E what the data gives
 * @typeParam M the parts a model must have
 */
export interface Objective<E, M extends Module> {
  readonly name: string;
  /**
   * Builds a batch; the same examples and seed give the same batch.
   * @param layout which example stands where, by a plan for more than these; the cheapest shape when left out
   */
  collate(examples: readonly Drawn<E>[], seed: number, layout?: PlannedBatch): Batch;
  /** Traces the loss. `batch` holds the tensors of `collate` by name. */
  loss(model: M, context: ForwardContext, batch: Readonly<Record<string, Tensor>>): LossFigures;
}
