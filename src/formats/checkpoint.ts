import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { CheckpointError, FirthError } from "../base/errors.ts";
import { removeLeftovers, writeFileAtomic, writeFolderAtomic } from "./atomic.ts";
import type { FileDigest } from "./byte-sink.ts";
import { checkpointFormatVersion, manifestName, readManifest, verifyFiles } from "./checkpoint-manifest.ts";
import { readFailure, systemCode, writeFailure } from "./file-failure.ts";
import { formatJson, readJsonObject } from "./json-file.ts";
import { isJsonObject, type JsonObject } from "./json-text.ts";
import { openSafetensors } from "./safetensors-reader.ts";
import { defaultMetadata, planSafetensors, type TensorToWrite } from "./safetensors-writer.ts";
import type { TensorFile } from "./tensor-file.ts";

const stateFile = "state.json";
const modelFile = "model.safetensors";
const optimizerFile = "optimizer.safetensors";
const checkpointName = /^checkpoint-(\d+)$/;

/** What a training run puts into a checkpoint. */
export interface CheckpointContent {
  /** Optimizer steps done. */
  readonly step: number;
  /** Everything else the run needs to go on: data position, seeds, schedule, accumulated metrics. Finite numbers only. */
  readonly state: JsonObject;
  /** The float32 master weights. */
  readonly model: Iterable<TensorToWrite>;
  /** Optimizer state under section names such as `m/<parameter>`, `v/<parameter>`. */
  readonly optimizer: Iterable<TensorToWrite>;
  /** Further small files to lie beside them, e.g. `config.json`. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
}

/** Which checkpoints of a run to keep. */
export interface SaveCheckpointOptions {
  /** Newest checkpoints to keep, this one included; default: all. */
  readonly keepLast?: number;
  /** Steps whose checkpoints stay in any case, e.g. the best one. */
  readonly keepSteps?: readonly number[];
}

/** A checkpoint that was written. */
export interface SavedCheckpoint {
  readonly folder: string;
  readonly bytes: number;
  /** Folders of older checkpoints that were removed. */
  readonly removed: readonly string[];
}

/** Folder of a step's checkpoint. */
export function checkpointFolder(runFolder: string, step: number): string {
  return join(runFolder, `checkpoint-${step}`);
}

/** Refuses what JSON would change in silence: NaN and infinities become null, -0 becomes 0. */
function checkState(value: unknown, path: string): void {
  if (typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0))) {
    throw new CheckpointError(`must be a number that JSON can hold; got ${Object.is(value, -0) ? "-0" : value}.`, {
      code: "STATE_NOT_JSON",
      path,
    });
  }
  if (typeof value === "object" && value !== null) {
    const isPlain = Array.isArray(value) || [Object.prototype, null].includes(Object.getPrototypeOf(value));
    if (isPlain) {
      for (const [key, item] of Object.entries(value)) checkState(item, `${path}.${key}`);
      return;
    }
  } else if (["string", "boolean", "number"].includes(typeof value) || value === null || value === undefined) {
    return;
  }
  throw new CheckpointError(`must be plain JSON data; got a ${typeof value}. Convert it first.`, {
    code: "STATE_NOT_JSON",
    path,
  });
}

/**
 * Writes `checkpoint-<step>` atomically: either the whole of it appears or nothing, and an older one of the same step stays
 * until then.
 *
 * @throws {CheckpointError} STATE_NOT_JSON, TENSOR_NAME, TENSOR_MISMATCH, DISK_FULL, NOT_WRITABLE, WRITE_FAILED
 */
export async function saveCheckpoint(
  runFolder: string,
  content: CheckpointContent,
  options: SaveCheckpointOptions = {},
): Promise<SavedCheckpoint> {
  checkState(content.state, "state");
  const folder = checkpointFolder(runFolder, content.step);
  const model = planSafetensors(content.model, defaultMetadata, join(folder, modelFile));
  const optimizer = planSafetensors(content.optimizer, defaultMetadata, join(folder, optimizerFile));
  const expectedBytes = model.totalBytes + optimizer.totalBytes;
  await makeRunFolder(runFolder);
  await removeLeftovers(runFolder, checkpointName);
  const bytes = await writeFolderAtomic(
    folder,
    async (temporary) => {
      const files: Record<string, FileDigest> = {};
      for (const [name, plan] of [[modelFile, model] as const, [optimizerFile, optimizer] as const]) {
        files[name] = await writeFileAtomic(join(temporary, name), (sink) => plan.writeTo(sink), { expectedBytes });
      }
      const state = formatJson({ formatVersion: checkpointFormatVersion, step: content.step, state: content.state });
      for (const [name, text] of Object.entries({ ...content.files, [stateFile]: state })) {
        files[name] = await writeFileAtomic(join(temporary, name), text);
      }
      const manifest = { formatVersion: checkpointFormatVersion, step: content.step, files };
      await writeFileAtomic(join(temporary, manifestName), JSON.stringify(manifest, null, 2));
      return Object.values(files).reduce((sum, file) => sum + file.bytes, 0);
    },
    { expectedBytes },
  );
  return { folder, bytes, removed: await retire(runFolder, content.step, options) };
}

async function retire(runFolder: string, saved: number, options: SaveCheckpointOptions): Promise<string[]> {
  const { keepLast, keepSteps = [] } = options;
  if (keepLast === undefined) return [];
  const steps = (await listCheckpoints(runFolder)).filter((step) => step !== saved);
  const surplus = steps.slice(Math.max(0, keepLast - 1)).filter((step) => !keepSteps.includes(step));
  const removed = surplus.map((step) => checkpointFolder(runFolder, step));
  for (const folder of removed) await rm(folder, { recursive: true, force: true });
  return removed;
}

/** Steps that have a checkpoint folder, newest first; whether they are complete is not looked at. */
export async function listCheckpoints(runFolder: string): Promise<number[]> {
  const entries = await readdir(runFolder, { withFileTypes: true }).catch((cause: unknown) => {
    if (systemCode(cause) === "ENOENT") return [];
    throw readFailure(cause, runFolder);
  });
  return entries
    .map((entry) => (entry.isDirectory() ? checkpointName.exec(entry.name) : null))
    .flatMap((match) => (match === null ? [] : [Number(match[1])]))
    .sort((a, b) => b - a);
}

/** A checkpoint that cannot be used, and why. */
export interface BrokenCheckpoint {
  readonly folder: string;
  readonly reason: string;
}

/** What a search for checkpoints found. */
export interface FoundCheckpoint {
  /** The newest whole one. */
  readonly latest: { readonly folder: string; readonly step: number } | undefined;
  /** Newer ones that were skipped. */
  readonly broken: readonly BrokenCheckpoint[];
}

/**
 * Finds the newest checkpoint whose every byte is as written; broken newer ones are named with the reason.
 *
 * @throws {CheckpointError} READ_FAILED and the like when the run folder itself cannot be read
 */
export async function findLatestCheckpoint(runFolder: string): Promise<FoundCheckpoint> {
  const broken: BrokenCheckpoint[] = [];
  for (const step of await listCheckpoints(runFolder)) {
    const folder = checkpointFolder(runFolder, step);
    try {
      await verifyFiles(folder, await readManifest(folder), "contents");
      return { latest: { folder, step }, broken };
    } catch (cause) {
      if (!(cause instanceof FirthError)) throw cause;
      broken.push({ folder, reason: cause.message });
    }
  }
  return { latest: undefined, broken };
}

/** An opened checkpoint; close it when its tensors have been read. */
export interface LoadedCheckpoint {
  readonly folder: string;
  readonly step: number;
  readonly state: JsonObject;
  readonly model: TensorFile;
  readonly optimizer: TensorFile;
  close(): Promise<void>;
}

/**
 * Opens a checkpoint.
 *
 * @param verify "sizes" after findLatestCheckpoint has read the contents already
 * @throws {CheckpointError} CHECKPOINT_BROKEN, CHECKPOINT_VERSION, SAFETENSORS_…
 */
export async function loadCheckpoint(
  folder: string,
  verify: "sizes" | "contents" = "contents",
): Promise<LoadedCheckpoint> {
  const manifest = await readManifest(folder);
  await verifyFiles(folder, manifest, verify);
  const { state } = await readJsonObject(join(folder, stateFile));
  if (!isJsonObject(state)) {
    throw new CheckpointError(`${stateFile} holds no state. Resume from another checkpoint.`, {
      code: "CHECKPOINT_BROKEN",
      path: folder,
    });
  }
  const model = await openSafetensors(join(folder, modelFile));
  try {
    const optimizer = await openSafetensors(join(folder, optimizerFile));
    const close = async (): Promise<void> => {
      await model.close();
      await optimizer.close();
    };
    return { folder, step: manifest.step, state, model, optimizer, close };
  } catch (cause) {
    await model.close();
    throw cause;
  }
}

/** Makes the folder of a run. @throws {CheckpointError} NOT_WRITABLE */
export async function makeRunFolder(runFolder: string): Promise<void> {
  await mkdir(runFolder, { recursive: true }).catch(async (cause: unknown) => {
    throw await writeFailure(cause, runFolder);
  });
}
