/** @file An index in its folder: what it says of itself, its entries, and one writer at a time. */
import { CheckpointError } from "../base/errors.ts";
import { chunksOf } from "../data/chunk.ts";
import type { TableSource } from "../data/table.ts";
import { type ExistingRule, entriesOf, missingEntries, sourceChanged } from "./entry-row.ts";
import { type Entry, EntryStore, type FoundEntry } from "./entry-store.ts";
import { type IndexLock, lockIndex } from "./index-lock.ts";
import {
  type IndexManifest,
  type IndexThreshold,
  readIndexManifest,
  sameSource,
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
  /** Ends the work after the part in progress; the same call goes on from there. Its reason is thrown where there is none yet. */
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

/** How rows are put in, and how far that is. */
interface Putting extends AddOptions {
  readonly rule: ExistingRule;
  readonly lock: IndexLock;
  readonly progress: { added: number; kept: number };
}

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

  /** Of some ids those that are not there. */
  async missing(ids: readonly string[]): Promise<string[]> {
    const there = await this.store.find(ids);
    return ids.filter((id) => !there.has(id));
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
   * Adds the rows of a table. All of them are looked at before the first is put in (those of a stream as they come), in memory
   * for their ids. What was written stays when the program is killed; the same call then passes over what is there.
   * @throws {DataError} ID_TAKEN, ID_TWICE, ID_EMPTY, ID_INVALID, TEXT_EMPTY, COLUMN_UNKNOWN, naming file and line
   * @throws {CheckpointError} INDEX_UNFINISHED, INDEX_LOCKED, INDEX_LOCK_LOST, DISK_FULL, NOT_WRITABLE
   */
  add(source: TableSource, embed: EmbedTexts, options: AddOptions = {}): Promise<Added> {
    return this.writing(async (lock) => {
      const { building, pending } = this.manifest;
      if (building !== null) {
        const message = `is still being made of ${building}: that was broken off. Build it of ${building}, which goes on, or remove the folder.`;
        throw new CheckpointError(message, { code: "INDEX_UNFINISHED", path: this.folder });
      }
      const others = pending.filter((name) => !sameSource(name, source.name));
      const goesOn = others.length < pending.length;
      if (!goesOn) await this.change({ pending: [...pending, source.name] });
      const progress = { added: 0, kept: 0 };
      try {
        const rule = { ...this.rule(options), goesOn, isBuilding: false };
        const isWhole = await this.putRows(source, embed, { ...options, rule, lock, progress });
        if (isWhole) await this.change({ pending: others });
        return { ...progress, isWhole };
      } catch (error) {
        // Nothing was put in: there is nothing to go on with. The reason of the failure is what must be told.
        if (progress.added === 0 && !goesOn) await this.change({ pending }).catch(() => undefined);
        throw error;
      }
    });
  }

  /**
   * Puts in the rows that the index is made of, or what is missing of them where that was broken off, as {@link add} does.
   * @param lock the lock of the making, which the caller has
   * @throws as {@link add}; {CheckpointError} INDEX_SOURCE_CHANGED where the rows are others than those it was begun with
   */
  build(source: TableSource, embed: EmbedTexts, options: AddOptions, lock: IndexLock): Promise<Added> {
    return this.writing(async () => {
      const goesOn = (await this.store.count()) > 0;
      const progress = { added: 0, kept: 0 };
      const rule = { ...this.rule({}), goesOn, isBuilding: true };
      const isWhole = await this.putRows(source, embed, { ...options, rule, lock, progress });
      if (isWhole) await this.change({ building: null });
      return { ...progress, isWhole };
    }, lock);
  }

  close(): void {
    this.store.close();
  }

  private rule({ existing = "error" }: AddOptions): Pick<ExistingRule, "isByLine" | "isReplacing"> {
    return { isByLine: this.manifest.idColumn === null, isReplacing: existing === "replace" };
  }

  /** Puts rows in that are not there yet. @returns false where it was ended early */
  private async putRows(source: TableSource, embed: EmbedTexts, putting: Putting): Promise<boolean> {
    const { neighbours = "auto", onProgress, signal, rule, lock, progress } = putting;
    const { store } = this;
    if (!source.isReadOnce) await this.checkRows(source, rule, signal);
    for await (const rows of chunksOf(source.rows(), CHUNK)) {
      if (signal?.aborted === true) {
        if (progress.added + progress.kept === 0) signal.throwIfAborted();
        return false;
      }
      const all = entriesOf(rows, this.manifest, source.name);
      const there = await store.find(all.map(({ entry }) => entry.id));
      const entries = missingEntries(all, there, source.name, rule);
      if (entries.length > 0) {
        const vectors = await embed(entries.map(({ text }) => text));
        const whole = entries.map((entry, i) => ({ ...entry, vector: vectors[i]! }));
        await lock.check();
        await (rule.isReplacing ? store.put(whole) : store.add(whole));
      }
      progress.added += entries.length;
      progress.kept += rows.length - entries.length;
      onProgress?.({ done: progress.added + progress.kept });
    }
    await this.checkBuilt(source.name, rule, progress.added + progress.kept);
    await store.optimize();
    await this.change({ neighbours: await this.neighboursFor(neighbours) });
    return true;
  }

  /** Looks at rows before any of them is put in: what is wrong with the last one must not be found after an hour. */
  private async checkRows(source: TableSource, rule: ExistingRule, signal: AbortSignal | undefined): Promise<void> {
    const lines = new Map<string, number>();
    const isEmpty = (await this.store.count()) === 0;
    let kept = 0;
    for await (const rows of chunksOf(source.rows(), CHUNK)) {
      signal?.throwIfAborted();
      const all = entriesOf(rows, this.manifest, source.name, lines);
      if (isEmpty) continue;
      const there = await this.store.find(all.map(({ entry }) => entry.id));
      kept += rows.length - missingEntries(all, there, source.name, rule).length;
    }
    if (rule.goesOn) await this.checkBuilt(source.name, rule, kept);
  }

  /** An index that is made of rows must have no others. @throws {CheckpointError} INDEX_SOURCE_CHANGED */
  private async checkBuilt(file: string, { isBuilding }: ExistingRule, numRows: number): Promise<void> {
    const others = isBuilding ? (await this.store.count()) - numRows : 0;
    if (others > 0) throw sourceChanged(`${others} entries of the index are not in it any more`, file, { others });
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
