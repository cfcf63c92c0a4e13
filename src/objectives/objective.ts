import { type ConfigIssue, FirthError } from "../base/errors.ts";
import type { Batch } from "../data/batch.ts";
import type { PlannedBatch } from "../data/row-plan.ts";
import type { ExampleStream, PretrainingExample } from "../data/segment.ts";
import type { ShardedCorpus } from "../data/sharded-corpus.ts";
import type { PretrainingModel } from "../models/model.ts";
import type { ForwardContext, Module } from "../nn/module.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";

/** A scalar summed over a batch, and the name of the count that turns sums into means. */
export interface SummedFigure {
  /** float scalar. */
  readonly sum: Tensor;
  readonly count: string;
}

export interface LossTerm extends SummedFigure {
  /** Factor of the term's mean in the whole loss. */
  readonly weight: number;
  /** Name of a further factor, which changes from step to step: see `Objective.factorsAt`. */
  readonly factor?: string | undefined;
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
  /**
   * Traces the loss. `batch` holds the tensors of `collate` by name.
   * @param kind the batch's, where there are several
   */
  loss(model: M, context: ForwardContext, batch: Readonly<Record<string, Tensor>>, kind?: string): LossFigures;
  /** Factors of loss terms in a step of training, from 1, by name; the names are the same in all steps. */
  readonly factorsAt?: ((step: number) => Readonly<Record<string, number>>) | undefined;
}

/** An objective that learns from plain text: it also says how text is cut, and what it needs of a model. */
export interface PretrainingObjective extends Objective<PretrainingExample, PretrainingModel> {
  readonly tokenizer: Tokenizer;
  /** Longest sequence in tokens, special tokens included. */
  readonly maxSeqLength: number;
  /** Whether several short sequences are put into one row. */
  readonly packed: boolean;
  /** Its settings without the tokenizer: with the seed they decide its batches. */
  readonly settings: Readonly<Record<string, unknown>>;
  /**
   * The parts of a text it learns from.
   * @param shortSequenceProbability share of them that is cut short at random
   */
  examples(corpus: ShardedCorpus, shortSequenceProbability: number): ExampleStream;
  /** Tokens of an example in its row, special tokens included. */
  rowLength(example: PretrainingExample): number;
  /** What a model lacks for it, all of it; paths begin with `model.`. */
  modelIssues(model: PretrainingModel): readonly ConfigIssue[];
}

/** Parts of a model that an objective may need. */
export type ModelPart = "decoder" | "maskedLmLogits" | "causalLmLogits" | "sequencePairLogits";

/** The parts that a model lacks, as issues. */
export function lackingParts(model: PretrainingModel, parts: readonly ModelPart[], objective: string): ConfigIssue[] {
  return parts
    .filter((part) => model[part] === undefined)
    .map((part) => ({
      path: `model.${part}`,
      message: `the model has no such part, which ${objective} needs. Use a family that has it.`,
      code: "MODEL_LACKS_PART",
    }));
}

/** For losses that are traced without the check before. @throws {FirthError} MODEL_LACKS_PART */
export function requireParts(model: PretrainingModel, parts: readonly ModelPart[], objective: string): void {
  const [first] = lackingParts(model, parts, objective);
  if (first === undefined) return;
  throw new FirthError(first.message, { code: first.code, path: first.path });
}
