import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { CheckpointError } from "../base/errors.ts";
import { writeFileAtomic, writeFolderAtomic } from "../formats/atomic.ts";
import { formatJson, readJsonObject } from "../formats/json-file.ts";
import { adapterConfigName } from "../models/adapter/file.ts";
import { familyOf } from "../models/families.ts";
import type { Module } from "../nn/module.ts";
import { loadTokenizer } from "../tokenizers/load.ts";
import type { VocabularyModel } from "../transfer/vocabulary/model.ts";
import { copyEntries, isCompanion } from "./companion-file.ts";

/** What goes along. */
const goesAlong = (name: string): boolean => isCompanion(name) && !isOwn(name);

/** Files that are written for the changed model, or that no longer hold. */
function isOwn(name: string): boolean {
  const written = ["config.json", "generation_config.json", "symbols.json", adapterConfigName];
  return (
    written.includes(name) ||
    /^(tokenizer|special_tokens|added_tokens|vocab|model\.safetensors|pytorch_model)/.test(name)
  );
}

const TOKENIZER_SETTINGS = "tokenizer_config.json";

/** Keeps the longest input that the tokenizer's settings say, which grows with the model's where it was that. */
async function keepLength(from: string, to: string, before: number, after: number): Promise<void> {
  const [source, target] = [join(from, TOKENIZER_SETTINGS), join(to, TOKENIZER_SETTINGS)];
  if (!existsSync(source) || !existsSync(target)) return;
  const { model_max_length: length } = await readJsonObject(source);
  if (typeof length !== "number" || !Number.isSafeInteger(length)) return;
  const settings = await readJsonObject(target);
  await writeFileAtomic(target, formatJson({ ...settings, model_max_length: length === before ? after : length }));
}

/**
 * Writes a changed copy of a model directory: whatever it is for, with its classes and what is said of its task. The folder
 * appears whole or not at all; the source stays as it is, and what its weights lack the copy's lack too.
 * @param change gives the model as it is to be, and what came of it
 * @param write adds files of one's own
 * @throws {CheckpointError} OUTPUT_EXISTS, and for a folder that cannot be read or written; and whatever `change` throws
 */
export async function changeModel<R>(
  folder: string,
  outputDir: string,
  change: (model: VocabularyModel) => Promise<{ readonly model: VocabularyModel<Module>; readonly result: R }>,
  write: (temporary: string, result: R) => Promise<void> = async () => undefined,
): Promise<R> {
  if (resolve(folder) === resolve(outputDir)) {
    throw new CheckpointError("is the model itself, which is not altered. Choose another folder.", {
      code: "OUTPUT_EXISTS",
      path: outputDir,
    });
  }
  const family = await familyOf(folder);
  const { labels, notices: _notices, newParameters: omitted, ...state } = await family.loadAny(folder, 0);
  const before = family.facts(state.config).maxPositionEmbeddings;
  const { model, result } = await change({ ...state, tokenizer: await loadTokenizer(folder) });
  const { config, module, weights, preserved, tokenizer } = model;
  const after = family.facts(config).maxPositionEmbeddings;
  await writeFolderAtomic(
    outputDir,
    async (temporary) => {
      const plain = { config, module, weights, preserved };
      await family.save(temporary, plain, { labels, omitted });
      await tokenizer.save(temporary);
      await keepLength(folder, temporary, before, after);
      await copyEntries(folder, temporary, goesAlong);
      await write(temporary, result);
    },
    { existing: "fail" },
  );
  return result;
}
