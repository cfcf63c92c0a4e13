import { join } from "node:path";
import { CheckpointError } from "../base/errors.ts";
import {
  readWeightMap,
  torchWeightsFileName,
  torchWeightsIndexName,
  weightsFileName,
  weightsIndexName,
} from "../formats/model-weights.ts";

/** The file that says what a model is. */
export const configFileName = "config.json";

/** What a tokenizer may consist of, whatever its kind, and the settings of generation. */
export const companionFileNames = [
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
  "vocab.txt",
  "vocab.json",
  "merges.txt",
  "spiece.model",
  "sentencepiece.bpe.model",
  "tokenizer.model",
  "generation_config.json",
] as const;

/** The file of a model's weights, or their index: safetensors where there are such. */
export function weightsEntry(names: Iterable<string>, where: string): string {
  const given = new Set(names);
  const found = [weightsFileName, weightsIndexName, torchWeightsFileName, torchWeightsIndexName].find((name) =>
    given.has(name),
  );
  if (found !== undefined) return found;
  const other = [...given].filter((name) => /\.(h5|msgpack|onnx|gguf|pt|pth|ckpt|bin|safetensors)$/.test(name));
  const holds = other.length === 0 ? "no weights at all" : `only ${other.join(", ")}`;
  throw new CheckpointError(
    `has weights neither as safetensors nor as ${torchWeightsFileName}: ${holds}. Choose a model or revision that has them.`,
    { code: "HUB_NO_WEIGHTS", path: where },
  );
}

/** The files that an index of shards names; none for a whole file. */
export async function shardNames(folder: string, entry: string): Promise<string[]> {
  if (!entry.endsWith(".index.json")) return [];
  return [...new Set((await readWeightMap(join(folder, entry))).values())];
}
