/** @file An index of texts by their vectors: built once, added to, searched. */
import { existsSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { resolve } from "node:path";
import { CheckpointError, ConfigError, type ConfigIssue, DataError } from "../base/errors.ts";
import { chunksOf } from "../data/chunk.ts";
import { type ColumnRef, cellText, type TableRow, type TableSource } from "../data/table.ts";
import { isCarried } from "../models/model.ts";
import { type Entry, EntryStore, type FoundEntry } from "../retrieval/entry-store.ts";
import {
  type IndexManifest,
  type IndexThreshold,
  isIndex,
  readIndexManifest,
  writeIndexManifest,
} from "../retrieval/index-manifest.ts";
import { measuredNeighbours } from "../retrieval/neighbours.ts";
import type { Pooling } from "../tasks/pooling.ts";
import { type EmbeddingModel, type EmbedOptions, openEmbedder } from "./embed.ts";
import { fingerprintOf, weightsHash } from "./fingerprint.ts";
import { loadPretrained } from "./load.ts";

/** Rows that are embedded and written together: what a broken-off run loses at most. */
const CHUNK = 4_096;
/** From so many entries on a search goes through an index of nearest neighbours, unless told otherwise. */
const NEIGHBOURS_FROM = 20_000;

/** How the model of an index computes. */
export type IndexEngineOptions = Pick<EmbedOptions, "engine" | "dtype" | "batchSize" | "quantize" | "onNotice">;

export interface OpenIndexOptions extends IndexEngineOptions {
  /** The model that the index was made with; loaded from where it was then when left out. */
  readonly model?: EmbeddingModel | undefined;
}

export interface AddOptions {
  /** What to do with ids that are there: refuse them (the default), or put the new entry in their place. */
  readonly existing?: "error" | "replace" | undefined;
  /** `auto` (the default): an index of nearest neighbours from 20,000 entries on. */
  readonly neighbours?: "auto" | "always" | "never" | undefined;
  readonly onProgress?: ((progress: IndexProgress) => void) | undefined;
  /** Ends the work after the part in progress; the same call goes on from there. */
  readonly signal?: AbortSignal | undefined;
}

export interface BuildIndexOptions extends IndexEngineOptions, AddOptions {
  /** A model, or its folder. */
  readonly model: EmbeddingModel | string;
  /** Column of the text that is searched by; `text` by default. */
  readonly textColumn?: ColumnRef | undefined;
  /** Column of the ids; null: the number of the line; `id` by default. */
  readonly idColumn?: ColumnRef | null | undefined;
  /** As of `embed`; the model's own by default. */
  readonly pooling?: Pooling | undefined;
  readonly layer?: number | undefined;
  readonly maxSeqLength?: number | undefined;
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
   * Adds the rows of a table, in constant memory. What was written stays when the program is killed; the same call then
   * passes over what is there.
   * @throws {DataError} ID_TAKEN, ID_TWICE, ID_EMPTY, TEXT_EMPTY, COLUMN_UNKNOWN, naming file and line
   */
  add(source: TableSource, options?: AddOptions): Promise<Added>;
  /** Vectors of texts, as the index's own are made. @throws {DataError} TEXT_EMPTY */
  embed(texts: readonly string[]): Promise<Float32Array[]>;
  /**
   * The entries nearest to each text, best first.
   * @throws {DataError} TEXT_EMPTY; {ConfigError} for a wrong count
   */
  search(texts: readonly string[], options?: SearchOptions): Promise<FoundEntry[][]>;
  /** All entries with their vectors, in constant memory. */
  entries(): AsyncGenerator<Entry>;
  /** Keeps a threshold with the index. */
  setThreshold(threshold: IndexThreshold | null): Promise<void>;
  dispose(): Promise<void>;
}

/** How an index's vectors are made. */
interface VectorSettings {
  readonly pooling: Pooling;
  readonly layer: number;
  readonly maxSeqLength: number;
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

function refuseOtherModel(folder: string, { model }: IndexManifest, fingerprint: string): void {
  if (model.fingerprint === fingerprint) return;
  const origin = model.folder === null ? "" : ` (${model.folder})`;
  throw new CheckpointError(
    `was made with another model${origin}: ${model.fingerprint} there and ${fingerprint} here. Use that model, or build the index again.`,
    { code: "INDEX_MODEL_MISMATCH", path: folder, details: { there: model.fingerprint, here: fingerprint } },
  );
}

/** The model of an index: that given, or that of its folder. */
async function modelOf(
  folder: string,
  { model }: IndexManifest,
  given: EmbeddingModel | undefined,
): Promise<EmbeddingModel> {
  if (given !== undefined) return given;
  if (model.folder !== null && existsSync(model.folder)) return loadPretrained(model.folder);
  const where = model.folder === null ? "has no folder" : `is not at ${model.folder} any more`;
  throw new CheckpointError(`the model that the index was made with ${where}. Name it.`, {
    code: "MODEL_MISSING",
    path: folder,
  });
}

/** A row as an entry without its vector. */
function entryOf(row: TableRow, { idColumn, textColumn }: IndexManifest, file: string): Omit<Entry, "vector"> {
  const fail = (what: string, fix: string, code: string): never => {
    throw new DataError(`line ${row.line}: ${what}. ${fix}`, { code, path: file, details: { line: row.line } });
  };
  const id = idColumn === null ? String(row.line) : cellText(row, idColumn, file).trim();
  const text = cellText(row, textColumn, file);
  if (id === "") fail(`the id in column ${idColumn} is empty`, "Fill it in, or remove the row.", "ID_EMPTY");
  if (text.trim() === "")
    fail(`the text in column ${textColumn} is empty`, "Fill it in, or remove the row.", "TEXT_EMPTY");
  return { id, text, fields: row.fields };
}

/**
 * Opens an index for searching and adding.
 * @throws {CheckpointError} INDEX_MISSING, INDEX_TOO_NEW, INDEX_DAMAGED, INDEX_MODEL_MISMATCH, DIMENSION_MISMATCH,
 * MODEL_MISSING
 * @throws {BackendError} VECTOR_STORE_MISSING
 */
export async function openIndex(folder: string, options: OpenIndexOptions = {}): Promise<VectorIndex> {
  const { model: given, ...engine } = options;
  let manifest = await readIndexManifest(folder);
  const model = await modelOf(folder, manifest, given);
  const { layer, maxSeqLength, dimension } = manifest.model;
  const settings = { pooling: manifest.model.pooling as Pooling, layer, maxSeqLength };
  refuseOtherModel(folder, manifest, modelFingerprint(model, settings));
  const store = await EntryStore.open(folder, dimension);
  const embedder = await openEmbedder(model, { ...engine, ...settings, normalize: true }).catch((error: unknown) => {
    store.close();
    throw error;
  });
  const change = async (changes: Partial<IndexManifest>): Promise<void> => {
    manifest = { ...manifest, ...changes };
    await writeIndexManifest(folder, manifest);
  };

  /** The entries of a part that are still to be put in. */
  const newEntries = async (
    rows: readonly TableRow[],
    { file, isReplacing, goesOn }: { readonly file: string; readonly isReplacing: boolean; readonly goesOn: boolean },
  ): Promise<Omit<Entry, "vector">[]> => {
    const lines = new Map<string, number>();
    const entries = rows.map((row) => {
      const entry = entryOf(row, manifest, file);
      const first = lines.get(entry.id);
      if (first !== undefined) {
        throw new DataError(
          `line ${row.line}: the id ${JSON.stringify(entry.id)} stands in line ${first} too. Ids must differ; correct the file.`,
          { code: "ID_TWICE", path: file, details: { line: row.line, first, id: entry.id } },
        );
      }
      lines.set(entry.id, row.line);
      return entry;
    });
    const there = await store.find(entries.map(({ id }) => id));
    return entries.filter(({ id, text, fields }) => {
      const stored = there.get(id);
      if (stored === undefined) return true;
      if (goesOn && stored.text === text && stored.fields === JSON.stringify(fields)) return false;
      if (isReplacing) return true;
      throw new DataError(
        `line ${lines.get(id)}: the id ${JSON.stringify(id)} is in the index or earlier in the file. Give it another id, or replace entries (--replace).`,
        { code: "ID_TAKEN", path: file, details: { line: lines.get(id), id } },
      );
    });
  };

  const add: VectorIndex["add"] = async (source, addOptions = {}) => {
    const { existing = "error", neighbours = "auto", onProgress, signal } = addOptions;
    const file = source.name;
    const { pending: before } = manifest;
    // What is there of a broken-off run is passed over; a run that begins refuses every id that is there.
    const goesOn = before === file && (await store.count()) > 0;
    if (before !== file) await change({ pending: file });
    const isReplacing = existing === "replace";
    let [added, kept] = [0, 0];
    try {
      for await (const rows of chunksOf(source.rows(), CHUNK)) {
        if (signal?.aborted === true) return { added, kept, isWhole: false };
        const entries = await newEntries(rows, { file, isReplacing, goesOn });
        if (entries.length > 0) {
          const vectors = await embedder.embed(entries.map(({ text }) => text));
          const whole = entries.map((entry, i) => ({ ...entry, vector: vectors[i]! }));
          await (isReplacing ? store.put(whole) : store.add(whole));
        }
        added += entries.length;
        kept += rows.length - entries.length;
        onProgress?.({ done: added + kept });
      }
    } catch (error) {
      // Nothing was put in: there is nothing to go on with.
      if (added === 0 && before !== file) await change({ pending: before });
      throw error;
    }
    await store.optimize();
    const found = await neighboursFor(neighbours);
    await change({ pending: null, neighbours: found });
    return { added, kept, isWhole: true };
  };

  /** The index of neighbours that there should be now. */
  const neighboursFor = async (wanted: NonNullable<AddOptions["neighbours"]>): Promise<IndexManifest["neighbours"]> => {
    const count = await store.count();
    const isWanted = wanted === "always" || (wanted === "auto" && count >= NEIGHBOURS_FROM);
    // New entries join the partitions that there are; those are drawn anew when the index has doubled.
    const isFresh = manifest.neighbours !== null && count <= 2 * manifest.neighbours.numEntries;
    if (!isWanted || isFresh) return manifest.neighbours;
    return (await measuredNeighbours(store)) ?? null;
  };

  let isDisposed = false;
  return {
    folder,
    info: async () => ({ folder, numEntries: await store.count(), ...manifest }),
    add,
    embed: (texts) => embedder.embed(texts),
    search: async (texts, { count = 10, isExact = false } = {}) => {
      if (!(Number.isInteger(count) && count >= 1)) {
        const message = `must be a whole number ≥ 1; got ${count}.`;
        throw new ConfigError("searchIndex", [{ path: "count", message, code: "CONFIG_RANGE" }]);
      }
      const numProbes = isExact ? undefined : manifest.neighbours?.numProbes;
      const found: FoundEntry[][] = [];
      for (const vector of await embedder.embed(texts)) found.push(await store.search(vector, { count, numProbes }));
      return found;
    },
    entries: () => store.entries(),
    setThreshold: (threshold) => change({ threshold }),
    dispose: async () => {
      if (isDisposed) return;
      isDisposed = true;
      await embedder.dispose();
      store.close();
    },
  };
}

/** Takes a folder for a new index. @throws {CheckpointError} INDEX_EXISTS, OUTPUT_EXISTS */
async function claimFolder(folder: string, source: string): Promise<"new" | "pending"> {
  if (isIndex(folder)) {
    const { pending } = await readIndexManifest(folder);
    if (pending === source) return "pending";
    throw new CheckpointError("holds an index already. Add to it (firth index add), or remove the folder.", {
      code: "INDEX_EXISTS",
      path: folder,
    });
  }
  await mkdir(folder, { recursive: true });
  const names = await readdir(folder);
  if (names.length === 0) return "new";
  throw new CheckpointError(
    `exists already and holds no index (${names.slice(0, 3).join(", ")}). Choose another folder.`,
    {
      code: "OUTPUT_EXISTS",
      path: folder,
    },
  );
}

/**
 * Makes an index of a table's texts, or goes on with one whose making was broken off.
 * @param folder new, empty, or that of the same source's unfinished index
 * @returns the index, open
 * @throws {CheckpointError} INDEX_EXISTS, OUTPUT_EXISTS, INDEX_MODEL_MISMATCH and those of {@link openIndex}
 * @throws {DataError} ID_TAKEN, ID_TWICE, ID_EMPTY, TEXT_EMPTY, COLUMN_UNKNOWN, naming file and line
 */
export async function buildIndex(
  folder: string,
  source: TableSource,
  options: BuildIndexOptions,
): Promise<{ readonly index: VectorIndex; readonly result: Added }> {
  const { model: given, textColumn = "text", idColumn = "id", pooling, layer = -1, maxSeqLength, ...rest } = options;
  const { existing: _existing, neighbours, onProgress, signal, ...engine } = rest;
  const model = typeof given === "string" ? await loadPretrained(given) : given;
  const { maxPositionEmbeddings, numHiddenLayers } = model.family.facts(model.config);
  const settings: VectorSettings = {
    pooling: pooling ?? model.sentence?.pooling ?? "mean",
    layer: layer < 0 ? numHiddenLayers + 1 + layer : layer,
    maxSeqLength:
      maxSeqLength ?? Math.min(maxPositionEmbeddings, model.sentence?.maxSeqLength ?? maxPositionEmbeddings),
  };
  const issues: ConfigIssue[] = [];
  if (idColumn === textColumn) {
    const message = `must not be the column of the text; got ${textColumn}.`;
    issues.push({ path: "idColumn", message, code: "CONFIG_AMBIGUOUS" });
  }
  if (issues.length > 0) throw new ConfigError("buildIndex", issues);
  // Wrong options say so before there is a folder.
  const embedder = await openEmbedder(model, { ...engine, ...settings });
  const dimension = embedder.size;
  await embedder.dispose();
  if ((await claimFolder(folder, source.name)) === "new") {
    await writeIndexManifest(folder, {
      model: {
        fingerprint: modelFingerprint(model, settings),
        family: model.family.name,
        folder: typeof given === "string" ? resolve(given) : null,
        dimension,
        ...settings,
      },
      idColumn,
      textColumn,
      pending: source.name,
      neighbours: null,
      threshold: null,
    });
  }
  const index = await openIndex(folder, { ...engine, model });
  try {
    return { index, result: await index.add(source, { neighbours, onProgress, signal }) };
  } catch (error) {
    await index.dispose();
    throw error;
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

/** Runs work with the entries of an index, without its model. */
async function withEntries<T>(
  folder: string,
  work: (store: EntryStore, manifest: IndexManifest) => Promise<T>,
): Promise<T> {
  const manifest = await readIndexManifest(folder);
  const store = await EntryStore.open(folder, manifest.model.dimension);
  try {
    return await work(store, manifest);
  } finally {
    store.close();
  }
}

/**
 * Takes entries out of an index; ids that are not there are passed over.
 * @returns how many were there
 */
export function removeFromIndex(folder: string, ids: readonly string[]): Promise<number> {
  return withEntries(folder, async (store) => {
    const removed = await store.remove(ids);
    if (removed > 0) await store.optimize();
    return removed;
  });
}

/** What an index says of itself. @throws {CheckpointError} INDEX_MISSING, INDEX_TOO_NEW, INDEX_DAMAGED */
export function indexInfo(folder: string): Promise<IndexInfo> {
  return withEntries(folder, async (store, manifest) => ({ folder, numEntries: await store.count(), ...manifest }));
}
