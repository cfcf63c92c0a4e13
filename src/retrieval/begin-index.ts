/** @file The beginning and the end of making an index: what a folder must be for it, and what a failure leaves there. */
import { mkdir, readdir, rmdir } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { CheckpointError } from "../base/errors.ts";
import { writeFailure } from "../formats/file-failure.ts";
import { committedEntries, removeStore } from "./entry-store.ts";
import { type IndexLock, isLockFile, lockIndex } from "./index-lock.ts";
import {
  type IndexManifest,
  isIndex,
  isManifestLeftover,
  readIndexManifest,
  removeIndexManifest,
  sameSource,
  writeIndexManifest,
} from "./index-manifest.ts";

/** What an index is begun with. */
export type IndexBeginning = Pick<IndexManifest, "model" | "idColumn" | "textColumn">;

/** An index that is being made; end it when done, whether that went well or not. */
export interface BegunIndex {
  readonly lock: IndexLock;
  /** Frees the lock. An index without entries is removed first: nothing could go on with it. */
  end(): Promise<void>;
}

/** Makes a folder and those above it. @returns the uppermost that was made; undefined where it was there */
async function makeFolder(folder: string): Promise<string | undefined> {
  try {
    return await mkdir(folder, { recursive: true });
  } catch (cause) {
    throw await writeFailure(cause, folder);
  }
}

/** Removes a folder and those above it up to one, as far as they are empty. */
async function removeEmpty(folder: string, uppermost: string): Promise<void> {
  const last = resolve(uppermost);
  for (let path = resolve(folder); path.startsWith(last); path = dirname(path)) {
    try {
      await rmdir(path);
    } catch {
      // Somebody has put something there.
      return;
    }
  }
}

/** What a folder holds: nothing, or an index whose making was broken off. @throws {CheckpointError} INDEX_EXISTS, OUTPUT_EXISTS */
async function lookInto(folder: string): Promise<"nothing" | "begun"> {
  if (isIndex(folder)) {
    if ((await readIndexManifest(folder)).building !== null) return "begun";
    throw new CheckpointError("holds an index already. Add to it (firth index add), or remove the folder.", {
      code: "INDEX_EXISTS",
      path: folder,
    });
  }
  const names = (await readdir(folder)).filter((name) => !isLockFile(name) && !isManifestLeftover(name));
  if (names.length === 0) return "nothing";
  const shown = names.slice(0, 3).join(", ");
  throw new CheckpointError(`exists already and holds no index (${shown}). Choose another folder.`, {
    code: "OUTPUT_EXISTS",
    path: folder,
  });
}

/** A broken-off index that has entries goes on with the same source, model and columns only. */
function requireSame(
  folder: string,
  there: IndexManifest,
  { source, numEntries, wanted }: { source: string; numEntries: number; wanted: IndexBeginning },
): void {
  const fail = (rule: string, fix: string, code: string): never => {
    const message = `was begun with ${rule}, and broken off after ${numEntries} entries. ${fix}, or remove the folder and begin anew.`;
    throw new CheckpointError(message, { code, path: folder, details: { numEntries } });
  };
  const { building, model } = there;
  if (!sameSource(building!, source)) {
    fail(`${building}; got ${source}`, `Build it of ${building}, which goes on with it`, "INDEX_EXISTS");
  }
  if (model.fingerprint !== wanted.model.fingerprint) {
    const rule = `another model (${model.folder ?? "in memory"}, ${model.fingerprint}; now ${wanted.model.fingerprint})`;
    fail(rule, "Go on with that one", "INDEX_MODEL_MISMATCH");
  }
  const keys = ["textColumn", "idColumn"] as const;
  const differing = keys.filter((key) => there[key] !== wanted[key]);
  if (differing.length === 0) return;
  const shown = differing.map((key) => `${key} ${there[key] ?? "line"} there and ${wanted[key] ?? "line"} now`);
  fail(`other columns (${shown.join(", ")})`, "Go on with the same", "INDEX_SETTINGS_MISMATCH");
}

/** Removes what was made in the folder of an index that has no entries. */
async function clear(folder: string): Promise<void> {
  await removeStore(folder);
  await removeIndexManifest(folder);
}

/** Ends the making: see {@link BegunIndex.end}. */
async function end(folder: string, lock: IndexLock, uppermost: string | undefined): Promise<void> {
  const isOwn = await lock.check().then(
    () => true,
    () => false,
  );
  let isEmpty = false;
  try {
    if (isOwn && isIndex(folder)) {
      const { building, model } = await readIndexManifest(folder);
      isEmpty = building !== null && (await committedEntries(folder, model.dimension)) === 0;
    }
    if (isEmpty) await clear(folder);
  } finally {
    await lock.release();
  }
  if (isEmpty && uppermost !== undefined) await removeEmpty(folder, uppermost);
}

/**
 * Takes a folder for the index of a source: a new or empty one, or one whose making was broken off. There the same source goes
 * on with what was written; where nothing was, any source begins anew.
 * @throws {CheckpointError} INDEX_EXISTS, OUTPUT_EXISTS, INDEX_LOCKED, INDEX_SETTINGS_MISMATCH, INDEX_MODEL_MISMATCH,
 * NOT_WRITABLE, DISK_FULL
 */
export async function beginIndex(folder: string, source: string, wanted: IndexBeginning): Promise<BegunIndex> {
  const made = await makeFolder(folder);
  let lock: IndexLock | undefined;
  try {
    await lookInto(folder);
    lock = await lockIndex(folder);
    // Somebody may have been quicker.
    const isBegun = (await lookInto(folder)) === "begun";
    // Nobody but the making of an index has left a folder with one that has no entries.
    const uppermost = isBegun ? (made ?? folder) : made;
    const begun: BegunIndex = { lock, end: () => end(folder, lock!, uppermost) };
    if (isBegun) {
      const there = await readIndexManifest(folder);
      const numEntries = await committedEntries(folder, there.model.dimension);
      if (numEntries > 0) {
        requireSame(folder, there, { source, numEntries, wanted });
        return begun;
      }
    }
    await clear(folder);
    await writeIndexManifest(folder, { ...wanted, building: source, pending: [], neighbours: null, threshold: null });
    return begun;
  } catch (error) {
    await lock?.release();
    if (made !== undefined) await removeEmpty(folder, made);
    throw error;
  }
}
