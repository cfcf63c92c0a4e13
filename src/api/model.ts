import { writeFolderAtomic } from "../formats/atomic.ts";
import type { ModelState } from "../models/family.ts";
import type { ClassificationModel, PretrainingModel } from "../models/model.ts";
import type { Module } from "../nn/module.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";

/** A model together with the tokenizer it reads text with. */
export interface TextModel<M extends Module> extends ModelState<M> {
  readonly tokenizer: Tokenizer;
}

/** A model with a task's head and its class names. */
export interface TextClassifier extends TextModel<ClassificationModel> {
  readonly labels: readonly string[];
  /** Longest input in tokens that it was fine-tuned with. */
  readonly maxSeqLength: number;
}

export type PretrainedModel = TextModel<PretrainingModel>;

/**
 * Writes a Hugging Face model directory: `config.json`, `model.safetensors`, `tokenizer.json` and its companions,
 * and `files` beside them. A model with an adapter is written as the adapter alone, `adapter_config.json` and
 * `adapter_model.safetensors`; it is loaded like any other. The folder appears whole or not at all; an old one is replaced.
 * @throws {CheckpointError} DISK_FULL, NOT_WRITABLE
 */
export async function saveModel(
  folder: string,
  model: TextModel<Module> & { readonly labels?: readonly string[] },
  write: (temporary: string) => Promise<void> = async () => undefined,
): Promise<void> {
  const { family, config, module, weights, preserved, adapter, tokenizer, labels } = model;
  await writeFolderAtomic(folder, async (temporary) => {
    const state = { config, module, weights, preserved, adapter };
    await family.save(temporary, state, labels === undefined ? {} : { labels });
    await tokenizer.save(temporary);
    await write(temporary);
  });
}
