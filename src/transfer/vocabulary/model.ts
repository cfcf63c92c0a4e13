/** @file What a change of vocabulary takes and gives. */
import { CheckpointError } from "../../base/errors.ts";
import type { ModelState } from "../../models/family.ts";
import type { Module } from "../../nn/module.ts";
import type { Tokenizer } from "../../tokenizers/tokenizer.ts";

/** A model with its tokenizer, whatever it is for. */
export interface VocabularyModel<M extends Module = Module> extends ModelState<M> {
  readonly tokenizer: Tokenizer;
}

/** What new rows of the tables of words are: the mean of other rows, or drawn from the seed. */
export type NewRows = "pieces" | "mean" | "random";

/**
 * Small networks inside the layers belong to their model as it is.
 * @throws {CheckpointError} ADAPTER_UNSUPPORTED
 */
export function requirePlain({ adapter }: ModelState): void {
  if (adapter === undefined) return;
  throw new CheckpointError(
    `an adapter (${adapter.options.kind}) belongs to its model's vocabulary and positions. Change the model that it was trained with, and train the adapter anew.`,
    { code: "ADAPTER_UNSUPPORTED", path: "model" },
  );
}
