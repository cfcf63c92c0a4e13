/** @file The files by which sentence-transformers knows how a model's token vectors become one. */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { CheckpointError } from "../base/errors.ts";
import { writeFileAtomic } from "../formats/atomic.ts";
import { formatJson, readJsonFile, readJsonObject } from "../formats/json-file.ts";
import type { Pooling } from "../tasks/pooling.ts";

/** How a model turns a text into one vector. */
export interface SentenceSettings {
  readonly pooling: Pooling;
  /** Longest text in tokens; undefined where the files do not say. */
  readonly maxSeqLength: number | undefined;
  /** Whether vectors are scaled to length 1. */
  readonly normalize: boolean;
}

const MODULES = "modules.json";
const POOLING = "1_Pooling";
const NORMALIZE = "2_Normalize";
const LENGTH = "sentence_bert_config.json";

const poolingKeys: Readonly<Record<Pooling, string>> = {
  cls: "pooling_mode_cls_token",
  mean: "pooling_mode_mean_tokens",
  max: "pooling_mode_max_tokens",
};

/** Other ways that sentence-transformers has. */
const otherKeys = [
  "pooling_mode_mean_sqrt_len_tokens",
  "pooling_mode_weightedmean_tokens",
  "pooling_mode_lasttoken",
] as const;

/**
 * What a directory says about its sentence vectors.
 * @returns undefined where it is no model of sentence-transformers
 * @throws {CheckpointError} POOLING_UNSUPPORTED, and for damaged files
 */
export async function readSentenceSettings(folder: string): Promise<SentenceSettings | undefined> {
  const path = join(folder, MODULES);
  if (!existsSync(path)) return undefined;
  const modules = await readJsonFile(path);
  const types = (Array.isArray(modules) ? modules : []).map((module) => {
    const fields = module as { readonly type?: unknown; readonly path?: unknown };
    return { type: String(fields.type).split(".").at(-1), path: String(fields.path ?? "") };
  });
  const unknown = types.find(({ type }) => !["Transformer", "Pooling", "Normalize"].includes(type ?? ""));
  const refuse = (what: string, where: string): never => {
    throw new CheckpointError(`${what}, which Firth has not. Use a model with cls, mean or max pooling alone.`, {
      code: "POOLING_UNSUPPORTED",
      path: where,
    });
  };
  if (unknown !== undefined) refuse(`has a module ${unknown.type}`, path);
  const pooler = types.find(({ type }) => type === "Pooling");
  if (pooler === undefined) refuse("has no module for pooling", path);
  const configPath = join(folder, pooler!.path, "config.json");
  const config = await readJsonObject(configPath);
  const given = Object.entries(poolingKeys).filter(([, key]) => config[key] === true);
  const others = otherKeys.filter((key) => config[key] === true);
  if (given.length !== 1 || others.length > 0) {
    refuse(`pools by ${[...given.map(([name]) => name), ...others].join(" and ") || "nothing"}`, configPath);
  }
  const lengthPath = join(folder, LENGTH);
  const { max_seq_length: length } = existsSync(lengthPath) ? await readJsonObject(lengthPath) : {};
  return {
    pooling: given[0]![0] as Pooling,
    maxSeqLength: typeof length === "number" && length >= 1 ? length : undefined,
    normalize: types.some(({ type }) => type === "Normalize"),
  };
}

/** Writes the files beside a model, so that sentence-transformers and {@link readSentenceSettings} read it alike. */
export async function writeSentenceFiles(
  folder: string,
  { pooling, maxSeqLength, normalize, size }: SentenceSettings & { readonly size: number },
): Promise<void> {
  const module = (idx: number, path: string, type: string) => ({
    idx,
    name: String(idx),
    path,
    type: `sentence_transformers.models.${type}`,
  });
  const modules = [
    module(0, "", "Transformer"),
    module(1, POOLING, "Pooling"),
    ...(normalize ? [module(2, NORMALIZE, "Normalize")] : []),
  ];
  await writeFileAtomic(join(folder, MODULES), formatJson(modules));
  const modes = Object.entries(poolingKeys).map(([name, key]) => [key, name === pooling] as const);
  const config = {
    word_embedding_dimension: size,
    ...Object.fromEntries([...modes, ...otherKeys.map((key) => [key, false] as const)]),
  };
  await writeFileAtomic(join(folder, POOLING, "config.json"), formatJson(config));
  if (normalize) await mkdir(join(folder, NORMALIZE), { recursive: true });
  await writeFileAtomic(
    join(folder, LENGTH),
    formatJson({ max_seq_length: maxSeqLength ?? null, do_lower_case: false }),
  );
}
