import { readdir } from "node:fs/promises";
import { CheckpointError } from "../base/errors.ts";
import { HubCache } from "./hub-cache.ts";
import { HubClient, type HubClientOptions, type HubFile } from "./hub-client.ts";
import type { HubModel } from "./hub-name.ts";
import { companionFileNames, configFileName, shardNames, weightsEntry } from "./model-file.ts";

/** How far the download of a file is. */
export interface DownloadProgress {
  readonly file: string;
  readonly bytes: number;
  readonly totalBytes: number;
}

export interface FetchModelOptions extends HubClientOptions {
  /** The cache; by default the one of Hugging Face's libraries (`HF_HOME`, `HF_HUB_CACHE`). */
  readonly cacheFolder?: string | undefined;
  /** Take what the cache holds, without asking the hub. */
  readonly offline?: boolean | undefined;
  /** Looks at the folder once config.json is there, before anything large comes; throws to refuse the model. */
  readonly accept?: ((folder: string) => Promise<unknown>) | undefined;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
}

/** A model in the cache. */
export interface FetchedModel {
  /** A folder with config.json, tokenizer and weights. */
  readonly folder: string;
  readonly commit: string;
}

/** Whoever asks for a file by name that is not there gets this. */
function missingFile(model: HubModel, file: string, where: string): CheckpointError {
  return new CheckpointError(`has no ${file} ${where}. Choose a model that was saved for transformers.`, {
    code: "HUB_FILE_MISSING",
    path: `hub:${model.name}@${model.revision}`,
  });
}

async function cachedModel(cache: HubCache, model: HubModel, options: FetchModelOptions): Promise<FetchedModel> {
  const refuse = (what: string): never => {
    throw new CheckpointError(`${what} is not in the cache. Run the same once without --offline.`, {
      code: "HUB_NOT_CACHED",
      path: `hub:${model.name}@${model.revision}`,
    });
  };
  const commit = (await cache.commit()) ?? refuse(`revision ${model.revision}`);
  const folder = cache.snapshot(commit);
  const names = await readdir(folder).catch(() => refuse(`commit ${commit}`));
  if (!names.includes(configFileName)) refuse(configFileName);
  await options.accept?.(folder);
  const missing = (await shardNames(folder, weightsEntry(names, folder))).find((shard) => !names.includes(shard));
  if (missing !== undefined) refuse(missing);
  return { folder, commit };
}

/**
 * Brings a model of the Hugging Face hub into the cache: its configuration, tokenizer and weights, nothing else. Files that the
 * cache has are not fetched again; every file is checked against the hub's size and hash before it counts as there.
 *
 * @throws {CheckpointError} HUB_MODEL_MISSING, HUB_REVISION_MISSING, HUB_GATED, HUB_UNREACHABLE, HUB_NOT_CACHED, HUB_NO_WEIGHTS,
 * HUB_FILE_MISSING, HUB_DAMAGED, HUB_FAILED; the reason of `signal` where it stopped the download
 */
export async function fetchModel(model: HubModel, options: FetchModelOptions = {}): Promise<FetchedModel> {
  const cacheFolder = options.cacheFolder ?? (await import("@huggingface/hub")).getHFHubCachePath();
  const cache = new HubCache(cacheFolder, model);
  if (options.offline === true) return cachedModel(cache, model, options);
  try {
    return await downloadedModel(cache, model, options);
  } catch (cause) {
    // A hub that was not waited for is none that cannot be reached.
    options.signal?.throwIfAborted();
    throw cause;
  }
}

async function downloadedModel(cache: HubCache, model: HubModel, options: FetchModelOptions): Promise<FetchedModel> {
  const client = new HubClient(model, options);
  const commit = await client.commit();
  const folder = cache.snapshot(commit);
  const files = new Map((await client.files(commit)).map((file) => [file.path, file]));
  const bring = async (file: HubFile): Promise<void> => {
    if (await cache.has(file, commit)) return;
    let bytes = 0;
    await cache.add(file, commit, (target) =>
      client.download(file, commit, target, (count) => {
        bytes += count;
        options.onProgress?.({ file: file.path, bytes, totalBytes: file.size });
      }),
    );
  };
  const bringNamed = async (name: string, named: string): Promise<void> => {
    const file = files.get(name);
    if (file === undefined) throw missingFile(model, name, named);
    await bring(file);
  };
  await bringNamed(configFileName, "at its top");
  await options.accept?.(folder);
  const weights = weightsEntry(files.keys(), `hub:${model.name}@${model.revision}`);
  for (const name of companionFileNames) if (files.has(name)) await bringNamed(name, "");
  await bringNamed(weights, "");
  for (const shard of await shardNames(folder, weights)) await bringNamed(shard, `that its ${weights} names`);
  await cache.remember(commit);
  return { folder, commit };
}
