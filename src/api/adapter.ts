import { CheckpointError } from "../base/errors.ts";
import { writeFolderAtomic } from "../formats/atomic.ts";
import { adapterConfigName, adapterWeightsName } from "../models/adapter/file.ts";
import { isAdapterFolder, openAdapterFolder } from "../models/adapter/folder.ts";
import { familyOf } from "../models/families.ts";
import { hasTokenizer, loadTokenizer } from "../tokenizers/load.ts";
import { copyEntries, isCompanion } from "./companion-file.ts";

export interface MergeAdapterOptions {
  /** New folder for the model; it appears whole or not at all. */
  readonly outputDir: string;
  /** Folder of the model that the adapter belongs to, if it is another than the adapter says. */
  readonly base?: string | undefined;
}

/** A model that an adapter has become part of. */
export interface MergedAdapter {
  readonly folder: string;
  readonly family: string;
  /** The model's folder before. */
  readonly base: string;
  readonly parameters: number;
}

/** Files of tokenizers that are no JSON. */
const vocabularyFile = /^(vocab|merges|spiece)\./;
/** What is written for the merged model, or no longer holds. */
const ownFile = /^(config|adapter_config|.*\.index)\.json$/;

/** Entries of an adapter's folder that go along: the tokenizer's, and what is said of the task. */
const goesAlong = (name: string): boolean => vocabularyFile.test(name) || (isCompanion(name) && !ownFile.test(name));

/**
 * Merges the adapter of a folder into the weights of its model: an ordinary model directory that computes the same.
 * @param adapter a folder that fine-tuning with `adapter` wrote, or one of peft's LoRA
 * @throws {CheckpointError} NOT_AN_ADAPTER, ADAPTER_NOT_MERGEABLE for small networks inside the layers,
 *   ADAPTER_BASE_MISSING, ADAPTER_BASE_MISMATCH for another model than it was trained with, ADAPTER_UNSUPPORTED,
 *   OUTPUT_EXISTS
 */
export async function mergeAdapter(adapter: string, options: MergeAdapterOptions): Promise<MergedAdapter> {
  const { outputDir, base } = options;
  if (!(await isAdapterFolder(adapter))) {
    throw new CheckpointError(
      `holds no adapter (${adapterConfigName} and ${adapterWeightsName}). Name the folder that fine-tuning with an adapter wrote.`,
      { code: "NOT_AN_ADAPTER", path: adapter },
    );
  }
  const { base: found } = (await openAdapterFolder(adapter, base))!;
  const family = await familyOf(adapter, base);
  const { labels, newParameters: omitted, notices: _notices, ...state } = await family.loadAny(adapter, 0, { base });
  if (state.adapter !== undefined) {
    const message = `small networks inside the layers (${state.adapter.options.kind}) are no change of the weights: they cannot be merged. Use the adapter's folder as it is.`;
    throw new CheckpointError(message, { code: "ADAPTER_NOT_MERGEABLE", path: adapter });
  }
  return writeFolderAtomic(
    outputDir,
    async (temporary) => {
      await family.save(temporary, state, { labels, omitted });
      if (!hasTokenizer(adapter) && hasTokenizer(found)) await (await loadTokenizer(found)).save(temporary);
      await copyEntries(adapter, temporary, goesAlong);
      const parameters = [...state.weights.values()].reduce((sum, { length }) => sum + length, 0);
      return { folder: outputDir, family: family.name, base: found, parameters };
    },
    { existing: "fail" },
  );
}
