/** @file Models whose vectors are for search. */

import type { Encoder } from "../models/model.ts";
import type { Module } from "../nn/module.ts";
import { Module as NetworkModule, namedParameters } from "../nn/module.ts";
import type { Pooling } from "../tasks/pooling.ts";
import type { EmbeddingModel } from "./embed.ts";
import { saveModel } from "./model.ts";
import { writeSentenceFiles } from "./sentence-files.ts";

/** A model that gives a text one vector, made for search. */
export type RetrievalModel = EmbeddingModel & {
  readonly sentence: { readonly pooling: Pooling; readonly maxSeqLength: number; readonly normalize: boolean };
};

/** An encoder without any head. */
class BareEncoder extends NetworkModule {
  readonly encoder: Encoder;

  constructor(encoder: Encoder) {
    super();
    this.encoder = encoder;
  }
}

/** A network without the heads that are not used any more, where its family stores the encoder by itself. */
function withoutHeads(module: Module & { readonly encoder: Encoder }): Module {
  const own = new Set(namedParameters(module).values());
  const bare = new BareEncoder(module.encoder);
  const isAlike = [...namedParameters(bare)].every(([name, parameter]) => {
    return name.startsWith("encoder.") && own.has(parameter) && namedParameters(module).get(name) === parameter;
  });
  return isAlike ? bare : module;
}

/**
 * Writes a model directory that Firth's `embed`, transformers and sentence-transformers open.
 * @throws {CheckpointError} DISK_FULL, NOT_WRITABLE
 */
export async function saveRetrievalModel(
  folder: string,
  model: RetrievalModel,
  write: (temporary: string) => Promise<void> = async () => undefined,
): Promise<void> {
  const { family, config, module, weights, tokenizer, sentence, preserved, adapter } = model;
  // An adapter is saved without any weights of the model.
  const bare = adapter === undefined ? withoutHeads(module) : module;
  const facts = { ...(preserved === undefined ? {} : { preserved }), ...(adapter === undefined ? {} : { adapter }) };
  const plain = { family, config, module: bare, weights, tokenizer, ...facts };
  await saveModel(folder, plain, async (temporary) => {
    await writeSentenceFiles(temporary, { ...sentence, size: module.encoder.hiddenSize });
    await write(temporary);
  });
}
