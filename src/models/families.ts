import { join } from "node:path";
import { CheckpointError } from "../base/errors.ts";
import { readJsonObject } from "../formats/json-file.ts";
import { bertFamily } from "./bert/family.ts";
import type { ModelFamily } from "./family.ts";

/** The families a model directory may belong to. */
const families: readonly ModelFamily<never>[] = [bertFamily as ModelFamily<never>];

/**
 * The family of a model directory, by the `model_type` of its config.json.
 * @throws {CheckpointError} MODEL_TYPE, listing the families there are
 */
export async function familyOf(folder: string): Promise<ModelFamily> {
  const path = join(folder, "config.json");
  const { model_type: type } = await readJsonObject(path);
  const family = families.find(({ name }) => name === type);
  if (family !== undefined) return family as unknown as ModelFamily;
  throw new CheckpointError(
    `model_type must be one of ${families.map(({ name }) => name).join(", ")}; got ${JSON.stringify(type)}.`,
    { code: "MODEL_TYPE", path },
  );
}
