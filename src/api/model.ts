import { join } from "node:path";
import { writeFileAtomic, writeFolderAtomic } from "../formats/atomic.ts";
import { formatJson, readJsonObject } from "../formats/json-file.ts";
import type { JsonValue } from "../formats/json-text.ts";
import type { ModelState } from "../models/family.ts";
import type { ClassificationModel, PretrainingModel } from "../models/model.ts";
import { CarriedPart } from "../models/multi-task.ts";
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

/** What is written of a model. */
export interface SavedModel extends TextModel<Module> {
  readonly labels?: readonly string[] | undefined;
  /** Parameters that are left out: those that nothing was learnt with. */
  readonly omitted?: readonly string[] | undefined;
}

/**
 * Writes a Hugging Face model directory: `config.json`, `model.safetensors`, `tokenizer.json` and its companions,
 * and `files` beside them. A model with an adapter is written as the adapter alone, `adapter_config.json` and
 * `adapter_model.safetensors`; it is loaded like any other. The folder appears whole or not at all; an old one is replaced.
 * @throws {CheckpointError} DISK_FULL, NOT_WRITABLE
 */
export async function saveModel(
  folder: string,
  model: SavedModel,
  write: (temporary: string) => Promise<void> = async () => undefined,
): Promise<void> {
  const { family, config, module, weights, preserved, adapter, tokenizer, labels, omitted } = model;
  await writeFolderAtomic(folder, async (temporary) => {
    const state = { config, module, weights, preserved, adapter };
    await family.save(temporary, state, { omitted, ...(labels === undefined ? {} : { labels }) });
    await tokenizer.save(temporary);
    await write(temporary);
  });
}

/** The class of a family's bare encoder, from that of a network with heads. */
function bareArchitecture(name: JsonValue | undefined): string[] {
  return typeof name === "string" ? [name.replace(/(For[A-Z]\w*|LMHeadModel)$/, "Model")] : [];
}

/**
 * The same of what is carried from task to task alone, without any head: as a family's bare encoder.
 * @throws {CheckpointError} DISK_FULL, NOT_WRITABLE
 */
export async function saveCarried(
  folder: string,
  { labels: _none, ...model }: SavedModel,
  write: (temporary: string) => Promise<void> = async () => undefined,
): Promise<void> {
  await saveModel(folder, { ...model, module: new CarriedPart(model.module) }, async (temporary) => {
    const path = join(temporary, "config.json");
    const json = await readJsonObject(path);
    const [first] = Array.isArray(json.architectures) ? (json.architectures as readonly JsonValue[]) : [];
    await writeFileAtomic(path, formatJson({ ...json, architectures: bareArchitecture(first) }));
    await write(temporary);
  });
}
