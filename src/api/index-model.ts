/** @file The model of an index: how its vectors are made, and by what it is known. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { CheckpointError } from "../base/errors.ts";
import { readJsonObject } from "../formats/json-file.ts";
import { isCarried } from "../models/model.ts";
import type { IndexManifest } from "../retrieval/index-manifest.ts";
import type { Pooling } from "../tasks/pooling.ts";
import type { EmbeddingModel } from "./embed.ts";
import { fingerprintOf, weightsHash } from "./fingerprint.ts";
import { loadPretrained } from "./load.ts";

/** How an index's vectors are made. */
export interface VectorSettings {
  readonly pooling: Pooling;
  readonly layer: number;
  readonly maxSeqLength: number;
}

/** Settings with the model's own where nothing is said. */
export function vectorSettings(
  { family, config, sentence }: EmbeddingModel,
  { pooling, layer = -1, maxSeqLength }: { readonly [K in keyof VectorSettings]?: VectorSettings[K] | undefined },
): VectorSettings {
  const { maxPositionEmbeddings: room, numHiddenLayers } = family.facts(config);
  return {
    pooling: pooling ?? sentence?.pooling ?? "mean",
    layer: layer < 0 ? numHiddenLayers + 1 + layer : layer,
    maxSeqLength: maxSeqLength ?? Math.min(room, sentence?.maxSeqLength ?? room),
  };
}

/** The column of the texts that a model learnt to find, where its folder says it. */
export async function learntTextColumn(folder: string): Promise<string | undefined> {
  const path = join(folder, "task.json");
  if (!existsSync(path)) return undefined;
  const { task, passageColumn } = await readJsonObject(path);
  return task === "retrieval" && typeof passageColumn === "string" ? passageColumn : undefined;
}

/** Names a model by what decides its vectors. */
export function modelFingerprint(
  { family, config, weights, tokenizer }: EmbeddingModel,
  settings: VectorSettings,
): string {
  const carried = new Map([...weights].filter(([name]) => isCarried(name)));
  return fingerprintOf({
    family: family.name,
    config,
    weights: weightsHash(carried),
    tokenizer: tokenizer.hash,
    ...settings,
  });
}

/**
 * The model of an index: that given, or that of its folder.
 * @throws {CheckpointError} MODEL_MISSING, INDEX_MODEL_MISMATCH
 */
export async function indexModel(
  folder: string,
  { model: made }: IndexManifest,
  given: EmbeddingModel | undefined,
): Promise<{ readonly model: EmbeddingModel; readonly settings: VectorSettings }> {
  const { layer, maxSeqLength, fingerprint: there } = made;
  const settings = { pooling: made.pooling as Pooling, layer, maxSeqLength };
  if (given === undefined && (made.folder === null || !existsSync(made.folder))) {
    const where = made.folder === null ? "has no folder" : `is not at ${made.folder} any more`;
    const message = `the model that the index was made with ${where}. Name it (--model).`;
    throw new CheckpointError(message, { code: "MODEL_MISSING", path: folder });
  }
  const model = given ?? (await loadPretrained(made.folder!));
  const here = modelFingerprint(model, settings);
  if (here === there) return { model, settings };
  const origin = made.folder === null ? "" : ` (${made.folder})`;
  const isChanged = given === undefined ? ", which has changed since then" : "";
  throw new CheckpointError(
    `was made with another model${origin}${isChanged}: ${there} there and ${here} here. Use that model, or build the index again.`,
    { code: "INDEX_MODEL_MISMATCH", path: folder, details: { there, here } },
  );
}
