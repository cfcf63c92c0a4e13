/** @file An index of texts by their vectors: built once, added to, searched. */
import { resolve } from "node:path";
import { ConfigError, DataError } from "../base/errors.ts";
import { withFirstRow } from "../data/first-row.ts";
import type { ColumnRef, TableRow, TableSource } from "../data/table.ts";
import { type BegunIndex, beginIndex } from "../retrieval/begin-index.ts";
import { type Added, type AddOptions, EntryIndex, type IndexInfo } from "../retrieval/entry-index.ts";
import { type EntryColumns, entryOf } from "../retrieval/entry-row.ts";
import type { Entry, FoundEntry } from "../retrieval/entry-store.ts";
import type { IndexLock } from "../retrieval/index-lock.ts";
import { type IndexThreshold, readIndexManifest } from "../retrieval/index-manifest.ts";
import type { Pooling } from "../tasks/pooling.ts";
import { type EmbeddingModel, type EmbedOptions, openEmbedder } from "./embed.ts";
import { indexModel, learntTextColumn, modelFingerprint, vectorSettings } from "./index-model.ts";
import { loadPretrained } from "./load.ts";

export type { Added, AddOptions, IndexInfo, IndexProgress } from "../retrieval/entry-index.ts";

/** How the model of an index computes. */
export type IndexEngineOptions = Pick<EmbedOptions, "engine" | "dtype" | "batchSize" | "quantize" | "onNotice">;

export interface OpenIndexOptions extends IndexEngineOptions {
  /** The model that the index was made with; loaded from where it was then when left out. */
  readonly model?: EmbeddingModel | undefined;
}

export interface BuildIndexOptions extends IndexEngineOptions, AddOptions {
  /** A model, or its folder. */
  readonly model: EmbeddingModel | string;
  /**
   * Column of the text that is searched by. By default the first that there is of: `text`; what the model learnt to find, where
   * its folder says that; `question`.
   */
  readonly textColumn?: ColumnRef | undefined;
  /** Column of the ids; null: the number of the line; `id` by default, or null where there is no such column. */
  readonly idColumn?: ColumnRef | null | undefined;
  /** As of `embed`; the model's own by default. */
  readonly pooling?: Pooling | undefined;
  readonly layer?: number | undefined;
  readonly maxSeqLength?: number | undefined;
}

export interface SearchOptions {
  /** Entries wanted for each text; 10 by default. */
  readonly count?: number | undefined;
  /** Compare all entries, also where there is an index of nearest neighbours; false by default. */
  readonly isExact?: boolean | undefined;
}

/** An index with its model in an engine, ready for many calls; dispose it when done. */
export interface VectorIndex {
  readonly folder: string;
  info(): Promise<IndexInfo>;
  /**
   * Adds the rows of a table. All of them are looked at before the first is put in (those of a stream as they come), in memory
   * for their ids. What was written stays when the program is killed; the same call then passes over what is there. While it
   * goes on nobody else can change the index.
   * @throws {DataError} ID_TAKEN, ID_TWICE, ID_EMPTY, ID_INVALID, TEXT_EMPTY, COLUMN_UNKNOWN, naming file and line
   * @throws {CheckpointError} INDEX_UNFINISHED, INDEX_LOCKED, INDEX_LOCK_LOST, DISK_FULL, NOT_WRITABLE
   */
  add(source: TableSource, options?: AddOptions): Promise<Added>;
  /** Vectors of texts, as the index's own are made. @throws {DataError} TEXT_EMPTY */
  embed(texts: readonly string[]): Promise<Float32Array[]>;
  /**
   * The entries nearest to each text, best first. What other programs add is found within seconds.
   * @throws {DataError} TEXT_EMPTY; {ConfigError} for a wrong count
   */
  search(texts: readonly string[], options?: SearchOptions): Promise<FoundEntry[][]>;
  /** Of some ids those that are not in the index. */
  missing(ids: readonly string[]): Promise<string[]>;
  /** All entries with their vectors, in constant memory. */
  entries(): AsyncGenerator<Entry>;
  /** Keeps a threshold with the index. @throws {CheckpointError} INDEX_LOCKED */
  setThreshold(threshold: IndexThreshold | null): Promise<void>;
  dispose(): Promise<void>;
}

/** An index that can be made under a lock that the caller has. */
interface OpenedIndex extends VectorIndex {
  build(source: TableSource, options: AddOptions, lock: IndexLock): Promise<Added>;
}

async function openWhole(folder: string, { model: given, ...engine }: OpenIndexOptions): Promise<OpenedIndex> {
  const { model, settings } = await indexModel(folder, await readIndexManifest(folder), given);
  const own = await EntryIndex.open(folder);
  const embedder = await openEmbedder(model, { ...engine, ...settings, normalize: true }).catch((error: unknown) => {
    own.close();
    throw error;
  });
  const embed = (texts: readonly string[]) => embedder.embed(texts);
  let isDisposed = false;
  return {
    folder,
    info: () => own.info(),
    add: (source, options) => own.add(source, embed, options),
    build: (source, options, lock) => own.build(source, embed, options, lock),
    embed,
    search: async (texts, { count = 10, isExact = false } = {}) => {
      if (!(Number.isInteger(count) && count >= 1)) {
        const message = `must be a whole number ≥ 1; got ${count}.`;
        throw new ConfigError("searchIndex", [{ path: "count", message, code: "CONFIG_RANGE" }]);
      }
      const found: FoundEntry[][] = [];
      for (const vector of await embed(texts)) found.push(await own.search(vector, count, isExact));
      return found;
    },
    missing: (ids) => own.missing(ids),
    entries: () => own.entries(),
    setThreshold: (threshold) => own.setThreshold(threshold),
    dispose: async () => {
      if (isDisposed) return;
      isDisposed = true;
      await embedder.dispose();
      own.close();
    },
  };
}

/**
 * Opens an index for searching and adding.
 * @throws {CheckpointError} INDEX_MISSING, INDEX_TOO_NEW, INDEX_DAMAGED, INDEX_MODEL_MISMATCH, DIMENSION_MISMATCH,
 * MODEL_MISSING
 * @throws {BackendError} VECTOR_STORE_MISSING
 */
export function openIndex(folder: string, options: OpenIndexOptions = {}): Promise<VectorIndex> {
  return openWhole(folder, options);
}

/** The columns of a table, told from its first row, which must be an entry. */
function columnsIn(
  first: TableRow,
  file: string,
  { textColumn, idColumn }: Pick<BuildIndexOptions, "textColumn" | "idColumn">,
  learnt: string | undefined,
): EntryColumns {
  const usual = ["text", ...(learnt === undefined ? [] : [learnt]), "question"];
  const has = (name: string): boolean => Object.hasOwn(first.fields, name);
  const text = textColumn ?? usual.find(has);
  if (text === undefined) {
    throw new DataError(
      `none of its columns (${Object.keys(first.fields).join(", ")}) is called ${usual.join(" or ")}. Say which one is searched by (--text).`,
      { code: "COLUMN_NEEDED", path: file },
    );
  }
  const columns = { textColumn: text, idColumn: idColumn === undefined ? (has("id") ? "id" : null) : idColumn };
  if (columns.idColumn === columns.textColumn) {
    const message = `must not be the column of the text; got ${text}.`;
    throw new ConfigError("buildIndex", [{ path: "idColumn", message, code: "CONFIG_AMBIGUOUS" }]);
  }
  entryOf(first, columns, file);
  return columns;
}

/**
 * Makes an index of a table's texts, or goes on with one whose making was broken off. A failure before anything was put in
 * leaves nothing behind; later ones leave what the same call goes on with.
 * @param folder new, empty, or that of the same source's unfinished index
 * @returns the index, open
 * @throws {CheckpointError} INDEX_EXISTS, OUTPUT_EXISTS, INDEX_LOCKED, INDEX_SETTINGS_MISMATCH, INDEX_MODEL_MISMATCH,
 * INDEX_SOURCE_CHANGED, DISK_FULL, NOT_WRITABLE and those of {@link openIndex}
 * @throws {DataError} ID_TAKEN, ID_TWICE, ID_EMPTY, ID_INVALID, TEXT_EMPTY, COLUMN_UNKNOWN, COLUMN_NEEDED, naming file and line
 */
export async function buildIndex(
  folder: string,
  source: TableSource,
  options: BuildIndexOptions,
): Promise<{ readonly index: VectorIndex; readonly result: Added }> {
  const { model: given, textColumn, idColumn, pooling, layer, maxSeqLength, ...rest } = options;
  const { existing: _existing, neighbours, onProgress, signal, ...engine } = rest;
  const model = typeof given === "string" ? await loadPretrained(given) : given;
  const settings = vectorSettings(model, { pooling, layer, maxSeqLength });
  // Wrong options, and a table that cannot be read, say so before there is a folder.
  const embedder = await openEmbedder(model, { ...engine, ...settings });
  const dimension = embedder.size;
  await embedder.dispose();
  const learnt = typeof given === "string" ? await learntTextColumn(given) : undefined;
  const { first, whole, close } = await withFirstRow(source);
  let begun: BegunIndex | undefined;
  let index: OpenedIndex | undefined;
  try {
    begun = await beginIndex(folder, source.name, {
      model: {
        fingerprint: modelFingerprint(model, settings),
        family: model.family.name,
        folder: typeof given === "string" ? resolve(given) : null,
        dimension,
        ...settings,
      },
      ...columnsIn(first, source.name, { textColumn, idColumn }, learnt),
    });
    index = await openWhole(folder, { ...engine, model });
    const result = await index.build(whole, { neighbours, onProgress, signal }, begun.lock);
    await begun.end();
    return { index, result };
  } catch (error) {
    await index?.dispose();
    // The reason of the failure is what must be told.
    await begun?.end().catch(() => undefined);
    throw error;
  } finally {
    await close();
  }
}

/** Runs work with an index that is disposed afterwards. */
export async function withIndex<T>(
  folder: string,
  options: OpenIndexOptions,
  work: (index: VectorIndex) => Promise<T>,
): Promise<T> {
  const index = await openIndex(folder, options);
  try {
    return await work(index);
  } finally {
    await index.dispose();
  }
}

/**
 * The entries nearest to each text; for many calls open an index once.
 * @throws as {@link openIndex}; {DataError} TEXT_EMPTY
 */
export function searchIndex(
  folder: string,
  texts: readonly string[],
  options: OpenIndexOptions & SearchOptions = {},
): Promise<FoundEntry[][]> {
  const { count, isExact, ...opening } = options;
  return withIndex(folder, opening, (index) => index.search(texts, { count, isExact }));
}

/** Runs work with an index, without its model. */
async function withEntries<T>(folder: string, work: (index: EntryIndex) => Promise<T>): Promise<T> {
  const index = await EntryIndex.open(folder);
  try {
    return await work(index);
  } finally {
    index.close();
  }
}

/**
 * Takes entries out of an index; ids that are not there are passed over.
 * @returns how many were there
 * @throws {CheckpointError} INDEX_LOCKED and those of reading an index
 */
export function removeFromIndex(folder: string, ids: readonly string[]): Promise<number> {
  return withEntries(folder, (index) => index.remove(ids));
}

/** What an index says of itself. @throws {CheckpointError} INDEX_MISSING, INDEX_TOO_NEW, INDEX_DAMAGED */
export function indexInfo(folder: string): Promise<IndexInfo> {
  return withEntries(folder, (index) => index.info());
}
