import { existsSync } from "node:fs";
import { copyFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { CheckpointError } from "../base/errors.ts";
import { writeFolderAtomic } from "../formats/atomic.ts";
import { adapterConfigName, adapterWeightsName } from "../models/adapter/file.ts";
import { isAdapterFolder, openAdapterFolder } from "../models/adapter/folder.ts";
import { familyOf } from "../models/families.ts";
import { hasTokenizer, loadTokenizer } from "../tokenizers/load.ts";

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

/** Files of an adapter's folder that go along: the tokenizer's, and what is said of the task. */
const companion =
  /^(tokenizer|special_tokens|added_tokens|vocab|merges|spiece|encoder\.json|task\.json|generation_config)/;

async function copyCompanions(from: string, to: string): Promise<void> {
  for (const entry of await readdir(from, { withFileTypes: true })) {
    if (entry.isFile() && companion.test(entry.name) && !existsSync(join(to, entry.name))) {
      await copyFile(join(from, entry.name), join(to, entry.name));
    }
  }
}

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
  const { labels, newParameters: _new, notices: _notices, ...state } = await family.loadAny(adapter, 0, { base });
  if (state.adapter !== undefined) {
    const message = `small networks inside the layers (${state.adapter.options.kind}) are no change of the weights: they cannot be merged. Use the adapter's folder as it is.`;
    throw new CheckpointError(message, { code: "ADAPTER_NOT_MERGEABLE", path: adapter });
  }
  return writeFolderAtomic(
    outputDir,
    async (temporary) => {
      await family.save(temporary, state, labels === undefined ? {} : { labels });
      if (!hasTokenizer(adapter) && hasTokenizer(found)) await (await loadTokenizer(found)).save(temporary);
      await copyCompanions(adapter, temporary);
      const parameters = [...state.weights.values()].reduce((sum, { length }) => sum + length, 0);
      return { folder: outputDir, family: family.name, base: found, parameters };
    },
    { existing: "fail" },
  );
}
