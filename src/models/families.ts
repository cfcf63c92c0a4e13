import { CheckpointError } from "../base/errors.ts";
import { readModelConfig } from "./adapter/folder.ts";
import { albertFamily } from "./albert/family.ts";
import { bartFamily } from "./bart/family.ts";
import { bertFamily } from "./bert/family.ts";
import { biLstmFamily } from "./bilstm/family.ts";
import { ernieFamily } from "./ernie/family.ts";
import type { ModelFamily } from "./family.ts";
import { gpt2Family } from "./gpt2/family.ts";
import { openAiGptFamily } from "./openai-gpt/family.ts";
import { robertaFamily } from "./roberta/family.ts";

/** The families that are pre-trained. */
export const families: readonly ModelFamily[] = [
  ...[bertFamily, robertaFamily, albertFamily, ernieFamily],
  ...[gpt2Family, openAiGptFamily, bartFamily],
].map((family) => family as unknown as ModelFamily);

/** The families a model directory may belong to: these, and the one that is learnt with its tasks. */
const known: readonly ModelFamily[] = [...families, biLstmFamily as unknown as ModelFamily];

/** @throws {CheckpointError} MODEL_TYPE, listing the families there are */
export function familyNamed(name: unknown, path = "family"): ModelFamily {
  const family = known.find((item) => item.name === name);
  if (family !== undefined) return family;
  throw new CheckpointError(
    `model_type must be one of ${known.map((item) => item.name).join(", ")}; got ${JSON.stringify(name)}.`,
    { code: "MODEL_TYPE", path },
  );
}

/**
 * The family of a model directory, or of an adapter, by the `model_type` of its config.json.
 * @param base the model of an adapter, if it is another than the adapter says
 * @throws {CheckpointError} MODEL_TYPE, listing the families there are
 */
export async function familyOf(folder: string, base?: string): Promise<ModelFamily> {
  const { json, path } = await readModelConfig(folder, base);
  return familyNamed(json.model_type, path);
}
