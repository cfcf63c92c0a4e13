/** @file An index in its folder: what it says of itself, its entries, and one writer at a time. */
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { CheckpointError } from "../base/errors.ts";
import { chunksOf } from "../data/chunk.ts";
import type { TableSource } from "../data/table.ts";
import { entriesOf, missingEntries } from "./entry-row.ts";
import { type Entry, EntryStore, type FoundEntry, storeFolder } from "./entry-store.ts";
import { type IndexLock, isLockFile, lockIndex } from "./index-lock.ts";
import {
  type IndexManifest,
  type IndexThreshold,
  isIndex,
  readIndexManifest,
  writeIndexManifest,
} from "./index-manifest.ts";
import { measuredNeighbours } from "./neighbours.ts";

/** Rows that are embedded and written together: what a broken-off run loses at most. */
const CHUNK = 4_096;
/** From so many entries on a search goes through an index of nearest neighbours, unless told otherwise. */
const NEIGHBOURS_FROM = 20_000;

export interface AddOptions {
  /** What to do with ids that are there: refuse them (the default), or put the new entry in their place. */
  readonly existing?: "error" | "replace" | undefined;
  /** `auto` (the default): an index of nearest neighbours from 20,000 entries on. */
  readonly neighbours?: "auto" | "always" | "never" | undefined;
  readonly onProgress?: ((progress: IndexProgress) => void) | undefined;
  /** Ends the work after the part in progress; the same call goes on from there. */
  readonly signal?: AbortSignal | undefined;
}

/** How far adding is. */
export interface IndexProgress {
  /** Rows of the source that are in the index. */
  readonly done: number;
}

/** What adding a source came to. */
export interface Added {
  /** Entries that were put in now. */
  readonly added: number;
  /** Entries that a broken-off run had put in. */
  readonly kept: number;
  /** False where it was ended early; the same call goes on. */
  readonly isWhole: boolean;
}

/** What an index says of itself. */
export interface IndexInfo extends IndexManifest {
  readonly folder: string;
  readonly numEntries: number;
}

/** Vectors of texts, in their order. */
export type EmbedTexts = (texts: readonly string[]) => Promise<readonly Float32Array[]>;

/** An index that knows no model; close it when done. */
export class EntryIndex {
  readonly folder: string;
  private readonly store: EntryStore;
  private manifest: IndexManifest;

  private constructor(folder: string, manifest: IndexManifest, store: EntryStore) {
    this.folder = folder;
    this.manifest = manifest;
    this.store = store;
  }

  /**
   * Opens the index of a folder.
   * @throws {CheckpointError} INDEX_MISSING, INDEX_TOO_NEW, INDEX_DAMAGED, DIMENSION_MISMATCH
   * @throws {BackendError} VECTOR_STORE_MISSING
   */
  static async open(folder: string): Promise<EntryIndex> {
    const manifest = await readIndexManifest(folder);
    return new EntryIndex(folder, manifest, await EntryStore.open(folder, manifest.model.dimension));
  }

  async info(): Promise<IndexInfo> {
    return { folder: this.folder, numEntries: await this.store.count(), ...this.manifest };
  }

  /** The entries nearest to a vector, best first. */
  search(vector: Float32Array, count: number, isExact: boolean): Promise<FoundEntry[]> {
    const numProbes = isExact ? undefined : this.manifest.neighbours?.numProbes;
    return this.store.search(vector, { count, numProbes });
  }

  entries(): AsyncGenerator<Entry> {
    return this.store.entries();
  }

  setThreshold(threshold: IndexThreshold | null): Promise<void> {
    return this.writing(() => this.change({ threshold }));
  }

  /** Takes entries away. @returns how many were there */
  remove(ids: readonly string[]): Promise<number> {
    return this.writing(async () => {
      const removed = await this.store.remove(ids);
      if (removed > 0) await this.store.optimize();
      return removed;
    });
  }

  /**
   * Adds the rows of a table, in constant memory. What was written stays when the program is killed; the same call then
   * passes over what is there.
   * @param given the lock, where the caller has it
   * @throws {DataError} ID_TAKEN, ID_TWICE, ID_EMPTY, TEXT_EMPTY, COLUMN_UNKNOWN, naming file and line
   * @throws {CheckpointError} INDEX_LOCKED, INDEX_LOCK_LOST
   */
  add(source: TableSource, embed: EmbedTexts, options: AddOptions = {}, given?: IndexLock): Promise<Added> {
    return this.writing((lock) => this.addRows(source, embed, options, lock), given);
  }

  close(): void {
    this.store.close();
  }

  private async addRows(source: TableSource, embed: EmbedTexts, options: AddOptions, lock: IndexLock): Promise<Added> {
    const { existing = "error", neighbours = "auto", onProgress, signal } = options;
    const { store } = this;
    const file = source.name;
    const { pending: before, idColumn } = this.manifest;
    // What is there of a broken-off run is passed over; a run that begins refuses every id that is there.
    const goesOn = before === file && (await store.count()) > 0;
    const rule = { isByLine: idColumn === null, isReplacing: existing === "replace", goesOn };
    if (before !== file) await this.change({ pending: file });
    let [added, kept] = [0, 0];
    try {
      for await (const rows of chunksOf(source.rows(), CHUNK)) {
        if (signal?.aborted === true) return { added, kept, isWhole: false };
        const all = entriesOf(rows, this.manifest, file);
        const there = await store.find(all.map(({ entry }) => entry.id));
        const entries = missingEntries(all, there, file, rule);
        if (entries.length > 0) {
          const vectors = await embed(entries.map(({ text }) => text));
          const whole = entries.map((entry, i) => ({ ...entry, vector: vectors[i]! }));
          await lock.check();
          await (rule.isReplacing ? store.put(whole) : store.add(whole));
        }
        added += entries.length;
        kept += rows.length - entries.length;
        onProgress?.({ done: added + kept });
      }
    } catch (error) {
      // Nothing was put in: there is nothing to go on with.
      if (added === 0 && before !== file) await this.change({ pending: before });
      throw error;
    }
    await store.optimize();
    const found = await this.neighboursFor(neighbours);
    await this.change({ pending: null, neighbours: found });
    return { added, kept, isWhole: true };
  }

  /** The index of neighbours that there should be now. */
  private async neighboursFor(wanted: NonNullable<AddOptions["neighbours"]>): Promise<IndexManifest["neighbours"]> {
    const { neighbours } = this.manifest;
    const count = await this.store.count();
    const isWanted = wanted === "always" || (wanted === "auto" && count >= NEIGHBOURS_FROM);
    // New entries join the partitions that there are; those are drawn anew when the index has doubled.
    const isFresh = neighbours !== null && count <= 2 * neighbours.numEntries;
    if (!isWanted || isFresh) return neighbours;
    return (await measuredNeighbours(this.store)) ?? null;
  }

  private async change(changes: Partial<IndexManifest>): Promise<void> {
    this.manifest = { ...this.manifest, ...changes };
    await writeIndexManifest(this.folder, this.manifest);
  }

  /** Runs what changes the index, alone, and upon what others have made of it meanwhile. */
  private async writing<T>(work: (lock: IndexLock) => Promise<T>, given?: IndexLock): Promise<T> {
    const lock = given ?? (await lockIndex(this.folder));
    try {
      this.manifest = await readIndexManifest(this.folder);
      await this.store.refresh();
      return await work(lock);
    } finally {
      if (given === undefined) await lock.release();
    }
  }
}

/** What an index is begun with. */
export type IndexBeginning = Omit<IndexManifest, "pending" | "neighbours" | "threshold">;

/** Whether a folder is free for a source's index, or holds its unfinished one. @throws {CheckpointError} INDEX_EXISTS, OUTPUT_EXISTS */
async function placeFor(folder: string, source: string): Promise<"new" | "pending"> {
  const fail = (message: string, code: string): never => {
    throw new CheckpointError(message, { code, path: folder });
  };
  if (isIndex(folder)) {
    const { pending } = await readIndexManifest(folder);
    if (pending === source) return "pending";
    if (pending !== null) {
      const message = `holds an index of ${pending} that was broken off, or failed; got ${source}. Build it of that file, which goes on with it, or remove the folder.`;
      return fail(message, "INDEX_EXISTS");
    }
    return fail("holds an index already. Add to it (firth index add), or remove the folder.", "INDEX_EXISTS");
  }
  await mkdir(folder, { recursive: true });
  const names = (await readdir(folder)).filter((name) => !isLockFile(name));
  if (names.length === 0) return "new";
  const shown = names.slice(0, 3).join(", ");
  return fail(`exists already and holds no index (${shown}). Choose another folder.`, "OUTPUT_EXISTS");
}

/** Settings that an unfinished index was begun with must be those of now. */
function requireSame(folder: string, there: IndexManifest, wanted: IndexBeginning): void {
  const keys = ["textColumn", "idColumn"] as const;
  const differing = keys.filter((key) => there[key] !== wanted[key]);
  if (differing.length === 0) return;
  const shown = differing.map((key) => `${key} ${there[key] ?? "line"} there and ${wanted[key] ?? "line"} now`);
  throw new CheckpointError(
    `was begun with other columns: ${shown.join(", ")}. Go on with the same, or remove the folder and begin anew.`,
    { code: "INDEX_SETTINGS_MISMATCH", path: folder },
  );
}

/**
 * Takes a folder for the index of a source: a new one, or the same source's unfinished one. One without any entries is
 * begun anew.
 * @returns the lock of the index, which is the caller's to free
 * @throws {CheckpointError} INDEX_EXISTS, OUTPUT_EXISTS, INDEX_LOCKED, INDEX_SETTINGS_MISMATCH
 */
export async function beginIndex(folder: string, source: string, wanted: IndexBeginning): Promise<IndexLock> {
  await placeFor(folder, source);
  const lock = await lockIndex(folder);
  try {
    // Somebody may have been quicker.
    if ((await placeFor(folder, source)) === "pending") {
      const there = await readIndexManifest(folder);
      const store = await EntryStore.open(folder, there.model.dimension);
      const numEntries = await store.count();
      store.close();
      if (numEntries > 0) {
        requireSame(folder, there, wanted);
        return lock;
      }
      await rm(join(folder, storeFolder), { recursive: true, force: true });
    }
    await writeIndexManifest(folder, { ...wanted, pending: source, neighbours: null, threshold: null });
    return lock;
  } catch (error) {
    await lock.release();
    throw error;
  }
}
