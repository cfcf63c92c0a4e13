import { copyFile, readdir } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { writeFolderAtomic } from "../formats/atomic.ts";
import { readFailure } from "../formats/file-failure.ts";
import { openWeights, writeWeights } from "../formats/model-weights.ts";
import { defaultMetadata } from "../formats/safetensors-writer.ts";
import { elementCount } from "../formats/stored-dtype.ts";
import { type FetchModelOptions, fetchModel } from "../hub/fetch-model.ts";
import { isHubName, parseHubName } from "../hub/hub-name.ts";
import { companionFileNames, configFileName } from "../hub/model-file.ts";
import { familyOf } from "../models/families.ts";
import { loadTokenizer } from "../tokenizers/load.ts";

export interface ImportModelOptions extends Omit<FetchModelOptions, "accept"> {
  /** New folder for the model; by default `models/` and the model's own name. */
  readonly outputDir?: string | undefined;
}

export interface ImportedModel {
  readonly folder: string;
  /** Of a model from the hub: the commit it was taken from. */
  readonly commit: string | undefined;
  readonly family: string;
  readonly parameters: number;
  readonly numTensors: number;
  /** Parameters that the model did not have: a head that it was not trained with. */
  readonly newParameters: readonly string[];
  readonly notices: readonly string[];
}

/** Bytes of a shard of a large model. */
const maxShardBytes = 5e9;

/** Loads the model as whoever uses it would: names and shapes of all tensors must fit. */
async function check(
  folder: string,
  finalFolder: string,
): Promise<Pick<ImportedModel, "family" | "newParameters" | "notices">> {
  const { family, newParameters, notices } = await (await familyOf(folder)).loadAny(folder, 0);
  await loadTokenizer(folder);
  // The folder has its hidden name still.
  const named = notices.map((notice) => notice.replaceAll(folder, finalFolder));
  return { family: family.name, newParameters, notices: named };
}

/**
 * Makes a model directory of Firth out of one of the Hugging Face hub (`hub:OWNER/NAME[@REVISION]`) or of a local folder:
 * configuration and tokenizer as they are, weights as safetensors with the same bits, tied ones once. The model is loaded once as a check,
 * and the folder appears whole or not at all.
 *
 * @throws {CheckpointError} OUTPUT_EXISTS; MODEL_TYPE for a family that Firth does not know; as `fetchModel` and `loadPretrained`
 */
export async function importModel(source: string, options: ImportModelOptions = {}): Promise<ImportedModel> {
  const { outputDir, ...hub } = options;
  const model = isHubName(source) ? parseHubName(source) : undefined;
  const fetched = model === undefined ? undefined : await fetchModel(model, { ...hub, accept: familyOf });
  const from = fetched?.folder ?? source;
  const target = outputDir ?? join("models", basename(model?.name ?? resolve(source)));
  const names = await readdir(from).catch((cause: unknown) => {
    throw readFailure(cause, from);
  });
  await familyOf(from);
  const weights = await openWeights(from);
  try {
    // As Hugging Face's own conversion: the first name keeps what others are tied to, and the metadata names the others.
    const tied = weights.tied ?? new Map<string, string>();
    const facts = weights.names.filter((name) => !tied.has(name)).map((name) => weights.info(name));
    const metadata = { ...Object.fromEntries(tied), ...defaultMetadata };
    const checked = await writeFolderAtomic(
      target,
      async (temporary) => {
        const kept = new Set<string>([configFileName, ...companionFileNames]);
        for (const name of names) if (kept.has(name)) await copyFile(join(from, name), join(temporary, name));
        const tensors = facts.map((tensor) => ({
          ...tensor,
          data: async () => (await weights.readStored(tensor.name)).data,
        }));
        await writeWeights(temporary, tensors, { maxShardBytes, metadata });
        return check(temporary, target);
      },
      { existing: "fail" },
    );
    const parameters = facts.reduce((sum, { shape }) => sum + elementCount(shape), 0);
    return { folder: target, commit: fetched?.commit, parameters, numTensors: facts.length, ...checked };
  } finally {
    await weights.close();
  }
}
