import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { CheckpointError } from "../base/errors.ts";
import { writeFileAtomic } from "./atomic.ts";
import { readFailure } from "./file-failure.ts";
import { formatJson, readJsonObject } from "./json-file.ts";
import { isJsonObject } from "./json-text.ts";
import { openSafetensors } from "./safetensors-reader.ts";
import { defaultMetadata, type TensorToWrite, writeSafetensors } from "./safetensors-writer.ts";
import { elementCount, storedDtypes } from "./stored-dtype.ts";
import { missingTensor, type TensorFile } from "./tensor-file.ts";
import { openTorchFile } from "./torch-reader.ts";

/** The weights file of a model directory. */
export const weightsFileName = "model.safetensors";
/** Says which shard holds which tensor. */
export const weightsIndexName = "model.safetensors.index.json";
/** The same as PyTorch's own files, which are read where there is no safetensors. */
export const torchWeightsFileName = "pytorch_model.bin";
export const torchWeightsIndexName = "pytorch_model.bin.index.json";

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (facts) => facts.isFile(),
    () => false,
  );
}

type OpenFile = (path: string) => Promise<TensorFile>;

/** Whole file, index and reader of each format, the first that is there counts. */
const weightFormats: readonly (readonly [file: string, index: string, open: OpenFile])[] = [
  [weightsFileName, weightsIndexName, openSafetensors],
  [torchWeightsFileName, torchWeightsIndexName, openTorchFile],
];

/**
 * Opens the weights of a model directory, one file or shards: safetensors, or else what PyTorch saved.
 *
 * @throws {CheckpointError} MISSING_FILE; WEIGHTS_INDEX listing every missing shard and every tensor that its shard lacks
 */
export async function openWeights(folder: string): Promise<TensorFile> {
  for (const [file, index, open] of weightFormats) {
    const [filePath, indexPath] = [join(folder, file), join(folder, index)];
    if (await isFile(filePath)) return open(filePath);
    if (await isFile(indexPath)) return openShards(folder, indexPath, open);
  }
  const names = await readdir(folder).catch((cause: unknown) => {
    throw readFailure(cause, folder);
  });
  const other = names.filter((name) => /\.(bin|pt|pth|ckpt|h5|msgpack|safetensors)$/.test(name));
  const found = other.length === 0 ? "" : ` It holds ${other.join(", ")}: convert them to safetensors first.`;
  const sought = weightFormats.map(([file, index]) => `${file} nor ${index}`).join(", nor ");
  throw new CheckpointError(`has neither ${sought}.${found}`, {
    code: "MISSING_FILE",
    path: folder,
  });
}

/** Which tensor an index says is in which file. @throws {CheckpointError} WEIGHTS_INDEX */
export async function readWeightMap(indexPath: string): Promise<Map<string, string>> {
  const { weight_map: map } = await readJsonObject(indexPath);
  const refuse = (message: string): never => {
    throw new CheckpointError(`${message} Fetch the file again.`, { code: "WEIGHTS_INDEX", path: indexPath });
  };
  if (!isJsonObject(map)) return refuse("weight_map must be an object of tensor name → shard file.");
  const result = new Map<string, string>();
  for (const [name, file] of Object.entries(map)) {
    // A shard lies beside its index: nothing in a downloaded file may point elsewhere.
    if (typeof file !== "string" || /[/\\]/.test(file) || file === "" || file.startsWith(".")) {
      return refuse(`weight_map.${name} must be the name of a file in the same folder; got ${JSON.stringify(file)}.`);
    }
    if (file.endsWith(".json")) {
      return refuse(`weight_map.${name} must be in a file of tensors, not in the index ${JSON.stringify(file)}.`);
    }
    result.set(name, file);
  }
  return result;
}

async function openShards(folder: string, indexPath: string, open: OpenFile): Promise<TensorFile> {
  const map = await readWeightMap(indexPath);
  const shards = new Map<string, TensorFile>();
  const closeAll = async (): Promise<void> => {
    for (const shard of shards.values()) await shard.close();
  };
  try {
    const problems: string[] = [];
    for (const file of new Set(map.values())) {
      const path = join(folder, file);
      if (await isFile(path)) shards.set(file, await open(path));
      else problems.push(`shard ${file} is missing`);
    }
    for (const [name, file] of map) {
      if (shards.get(file)?.has(name) === false) problems.push(`tensor "${name}" is not in its shard ${file}`);
    }
    for (const [file, shard] of shards) {
      for (const name of shard.names) {
        if (map.get(name) !== file) problems.push(`tensor "${name}" of shard ${file} is not in the index`);
      }
    }
    if (problems.length > 0) {
      throw new CheckpointError(
        `the index and its shards disagree:\n  - ${problems.join("\n  - ")}\nFetch the model again.`,
        { code: "WEIGHTS_INDEX", path: indexPath, details: { problems } },
      );
    }
  } catch (cause) {
    await closeAll();
    throw cause;
  }
  const names = [...map.keys()];
  const shardOf = (name: string): TensorFile => {
    const shard = shards.get(map.get(name) ?? "");
    if (shard === undefined) throw missingTensor(name, names, indexPath);
    return shard;
  };
  return {
    path: indexPath,
    names,
    metadata: [...shards.values()][0]?.metadata ?? {},
    tied: new Map([...shards.values()].flatMap((shard) => [...(shard.tied ?? [])])),
    has: (name) => map.has(name),
    info: (name) => shardOf(name).info(name),
    read: async (name) => shardOf(name).read(name),
    readStored: async (name) => shardOf(name).readStored(name),
    readInto: async (name, target) => shardOf(name).readInto(name, target),
    close: closeAll,
  };
}

/** How to write the weights of a model directory. */
export interface WriteWeightsOptions {
  /** Tensor bytes a shard may hold before the next one begins; default: all in one file. */
  readonly maxShardBytes?: number;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Whether a file of this name holds weights of a model directory, or says where they are. */
export function isModelWeights(name: string): boolean {
  return /^model(-\d{5}-of-\d{5})?\.safetensors$|^model\.safetensors\.index\.json$/.test(name);
}

function splitShards(
  tensors: Iterable<TensorToWrite>,
  maxShardBytes: number,
): { shards: TensorToWrite[][]; total: number } {
  const shards: TensorToWrite[][] = [[]];
  let filled = 0;
  let total = 0;
  for (const tensor of tensors) {
    const bytes = elementCount(tensor.shape) * storedDtypes[tensor.dtype].size;
    if (filled > 0 && filled + bytes > maxShardBytes) {
      shards.push([]);
      filled = 0;
    }
    shards.at(-1)!.push(tensor);
    filled += bytes;
    total += bytes;
  }
  return { shards, total };
}

/**
 * Writes `model.safetensors`, or shards of at most `maxShardBytes` with their index; a single larger tensor gets a shard of
 * its own. Weights files of an earlier save that no longer belong are removed.
 *
 * @returns the names of the files written
 * @throws {CheckpointError} as writeSafetensors
 */
export async function writeWeights(
  folder: string,
  tensors: Iterable<TensorToWrite>,
  options: WriteWeightsOptions = {},
): Promise<string[]> {
  const metadata = options.metadata ?? defaultMetadata;
  const { shards, total } = splitShards(tensors, options.maxShardBytes ?? Number.POSITIVE_INFINITY);
  const count = String(shards.length).padStart(5, "0");
  const written: string[] = [];
  const weightMap: Record<string, string> = {};
  for (const [i, shard] of shards.entries()) {
    const name =
      shards.length === 1 ? weightsFileName : `model-${String(i + 1).padStart(5, "0")}-of-${count}.safetensors`;
    await writeSafetensors(join(folder, name), shard, metadata);
    for (const tensor of shard) weightMap[tensor.name] = name;
    written.push(name);
  }
  if (shards.length > 1) {
    const index = formatJson({ metadata: { total_size: total }, weight_map: weightMap });
    await writeFileAtomic(join(folder, weightsIndexName), index);
    written.push(weightsIndexName);
  }
  for (const name of await readdir(folder)) {
    if (isModelWeights(name) && !written.includes(name)) await rm(join(folder, name));
  }
  return written;
}
