import { existsSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomic } from "../formats/atomic.ts";
import { formatJson, readJsonObject } from "../formats/json-file.ts";
import { familyOf } from "../models/families.ts";
import type { LoadedState } from "../models/family.ts";
import type { ClassificationModel, PretrainingModel } from "../models/model.ts";
import type { Module } from "../nn/module.ts";
import { loadTokenizer } from "../tokenizers/load.ts";
import { saveModel, type TextClassifier, type TextModel } from "./model.ts";
import { readSentenceSettings, type SentenceSettings } from "./sentence-files.ts";

/** A pre-trained model of a directory. */
export interface LoadedPretrained extends TextModel<PretrainingModel>, LoadedState<PretrainingModel> {
  /** How it was made to turn texts into vectors, where the directory says so. */
  readonly sentence: SentenceSettings | undefined;
}

/** A classifier of a directory. */
export interface LoadedClassifier extends TextClassifier, Omit<LoadedState<ClassificationModel>, "labels"> {}

/** Where Hugging Face directories keep the longest input. */
const TOKENIZER_SETTINGS = "tokenizer_config.json";

/** The longest input that a directory says; infinite where it says none. */
export async function maxLengthIn(folder: string): Promise<number> {
  const path = join(folder, TOKENIZER_SETTINGS);
  const length = existsSync(path) ? (await readJsonObject(path)).model_max_length : undefined;
  return typeof length === "number" && length >= 1 ? length : Number.POSITIVE_INFINITY;
}

/** Says the longest input in a directory. */
export async function writeMaxLength(folder: string, length: number): Promise<void> {
  const path = join(folder, TOKENIZER_SETTINGS);
  const settings = existsSync(path) ? await readJsonObject(path) : {};
  await writeFileAtomic(path, formatJson({ ...settings, model_max_length: length }));
}

/**
 * Loads a model directory with the heads it was pre-trained with.
 * @param options `seed` of heads that the directory lacks, named in `newParameters`
 * @throws {CheckpointError} for a missing or damaged file, or tensors that do not fit, all listed
 */
export async function loadPretrained(
  folder: string,
  options: { readonly seed?: number } = {},
): Promise<LoadedPretrained> {
  const family = await familyOf(folder);
  const state = await family.loadPretraining(folder, options.seed ?? 0);
  return { ...state, tokenizer: await loadTokenizer(folder), sentence: await readSentenceSettings(folder) };
}

/**
 * Loads the directory of a fine-tuned classifier.
 * @throws {CheckpointError} NOT_A_CLASSIFIER, and for missing or damaged files or tensors that do not fit, all listed
 */
export async function loadClassifier(folder: string): Promise<LoadedClassifier> {
  const family = await familyOf(folder);
  const { labels, ...state } = await family.loadClassification(folder, 0);
  const { maxPositionEmbeddings } = family.facts(state.config);
  return {
    ...state,
    tokenizer: await loadTokenizer(folder),
    labels: labels ?? Array.from({ length: state.module.numLabels }, (_, i) => `LABEL_${i}`),
    maxSeqLength: Math.min(maxPositionEmbeddings, await maxLengthIn(folder)),
  };
}

/**
 * Writes a model with a head for texts or words as a Hugging Face model directory that {@link loadClassifier} and the like read
 * back: class names in `config.json`, the longest input as `model_max_length` in `tokenizer_config.json`.
 * @param write adds files of one's own; all appear together or not at all
 * @throws {CheckpointError} DISK_FULL, NOT_WRITABLE
 */
export async function saveClassifier(
  folder: string,
  classifier: TextModel<Module> & Partial<Pick<TextClassifier, "labels">> & Pick<TextClassifier, "maxSeqLength">,
  write: (temporary: string) => Promise<void> = async () => undefined,
): Promise<void> {
  await saveModel(folder, classifier, async (temporary) => {
    await writeMaxLength(temporary, classifier.maxSeqLength);
    await write(temporary);
  });
}
