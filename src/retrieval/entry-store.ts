/** @file The entries of an index in LanceDB, which lies in a folder: every change is a new version that appears whole. */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Connection, Table } from "@lancedb/lancedb";
import type { Schema } from "apache-arrow";
import { CheckpointError, DataError } from "../base/errors.ts";
import { systemCode } from "../formats/file-failure.ts";
import { type Entry, entrySchema, entryTable, VECTOR } from "./entry-table.ts";
import { type Libraries, loadLance } from "./lance.ts";
import { isRefusal, storeFailure, storeMessage } from "./store-failure.ts";

export type { Entry } from "./entry-table.ts";

/** An entry found, and the cosine of its vector with what was looked for. */
export interface FoundEntry extends Omit<Entry, "vector"> {
  readonly score: number;
}

/** What stands under an id. */
export type StoredText = Pick<Entry, "text"> & { readonly fields: string };

const TABLE = "entries";
/** The folder of the entries in that of the index. */
export const storeFolder = `${TABLE}.lance`;
/** The folder in which LanceDB keeps the names of its tables. */
const CATALOG = "__manifest";
/** Seconds after which a reader looks whether others have changed the entries. */
const CONSISTENT_WITHIN = 5;
/** Ids in one condition. */
const IDS_AT_ONCE = 2_000;

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;

function idConditions(ids: readonly string[]): string[] {
  const parts = Array.from({ length: Math.ceil(ids.length / IDS_AT_ONCE) }, (_, i) =>
    ids.slice(i * IDS_AT_ONCE, (i + 1) * IDS_AT_ONCE),
  );
  return parts.map((part) => `id IN (${part.map(quoted).join(", ")})`);
}

function parseFields(text: string): Record<string, unknown> {
  return JSON.parse(text) as Record<string, unknown>;
}

/** How an index of nearest neighbours is searched. */
export interface EntrySearch {
  /** Entries wanted. */
  readonly count: number;
  /** Partitions of the index of nearest neighbours to look into; all entries are compared when left out. */
  readonly numProbes?: number | undefined;
}

/** Whether a change was ever committed: a program that was killed at its first leaves a folder that cannot be opened. */
async function hasVersion(folder: string): Promise<boolean> {
  try {
    return (await readdir(join(folder, storeFolder, "_versions"))).some((name) => name.endsWith(".manifest"));
  } catch (cause) {
    if (systemCode(cause) === "ENOENT") return false;
    throw cause;
  }
}

/** Removes all that the store has in a folder. */
export async function removeStore(folder: string): Promise<void> {
  for (const name of [storeFolder, CATALOG]) await rm(join(folder, name), { recursive: true, force: true });
}

/** How many entries a folder holds; 0 where none were ever put in. @throws as {@link EntryStore.open} */
export async function committedEntries(folder: string, dimension: number): Promise<number> {
  if (!(await hasVersion(folder))) return 0;
  const store = await EntryStore.open(folder, dimension);
  try {
    return await store.count();
  } finally {
    store.close();
  }
}

/** Entries in a folder; close it when done. */
export class EntryStore {
  readonly dimension: number;
  private readonly folder: string;
  private readonly libraries: Libraries;
  private readonly connection: Connection;
  private readonly table: Table;
  private readonly schema: Schema;

  private constructor(parts: {
    readonly dimension: number;
    readonly folder: string;
    readonly libraries: Libraries;
    readonly connection: Connection;
    readonly table: Table;
    readonly schema: Schema;
  }) {
    this.dimension = parts.dimension;
    this.folder = parts.folder;
    this.libraries = parts.libraries;
    this.connection = parts.connection;
    this.table = parts.table;
    this.schema = parts.schema;
  }

  /**
   * Opens the entries of a folder, or makes a place for them.
   * @param dimension entries of a vector
   * @throws {CheckpointError} INDEX_DAMAGED, DIMENSION_MISMATCH, DISK_FULL, NOT_WRITABLE; {BackendError} VECTOR_STORE_MISSING
   */
  static async open(folder: string, dimension: number): Promise<EntryStore> {
    const loaded = await loadLance();
    const schema = entrySchema(loaded.arrow, dimension);
    const connection = await loaded.lance.connect(folder, { readConsistencyInterval: CONSISTENT_WITHIN });
    let table: Table;
    try {
      const isThere = (await connection.tableNames()).includes(TABLE);
      // Somebody else may be making it at the same time.
      table = isThere
        ? await connection.openTable(TABLE)
        : await connection.createEmptyTable(TABLE, schema, { existOk: true });
    } catch (cause) {
      connection.close();
      if (isRefusal(cause)) throw await storeFailure(cause, folder);
      throw new CheckpointError(`the entries cannot be opened: ${storeMessage(cause)}. Build the index again.`, {
        code: "INDEX_DAMAGED",
        path: folder,
        cause,
      });
    }
    const { fields } = await table.schema();
    const type = fields.find(({ name }) => name === VECTOR)?.type as { readonly listSize?: number } | undefined;
    if (type?.listSize !== dimension) {
      table.close();
      connection.close();
      throw new CheckpointError(
        `its vectors have ${type?.listSize ?? "no"} entries, the model's have ${dimension}. Build the index again with this model.`,
        { code: "DIMENSION_MISMATCH", path: folder, details: { stored: type?.listSize, dimension } },
      );
    }
    return new EntryStore({ dimension, folder, libraries: loaded, connection, table, schema });
  }

  /** Looks at what others have made of the entries meanwhile. */
  async refresh(): Promise<void> {
    await this.table.checkoutLatest();
  }

  count(): Promise<number> {
    return this.table.countRows();
  }

  /** What stands under ids, of those that are there. */
  async find(ids: readonly string[]): Promise<ReadonlyMap<string, StoredText>> {
    const found = new Map<string, StoredText>();
    for (const condition of idConditions(ids)) {
      for await (const { id, text, fields } of this.rows(["id", "text", "fields"], condition)) {
        found.set(id as string, { text: text as string, fields: fields as string });
      }
    }
    return found;
  }

  /**
   * Adds entries whose ids are not there yet: all of them appear, or none.
   * @throws {CheckpointError} DISK_FULL, NOT_WRITABLE, WRITE_FAILED, as all changes do
   */
  add(entries: readonly Entry[]): Promise<void> {
    return this.changing(async () => void (await this.table.add(this.arrowTable(entries))));
  }

  /** Adds entries, in the place of those with the same ids. */
  put(entries: readonly Entry[]): Promise<void> {
    return this.changing(async () => {
      const merge = this.table.mergeInsert("id").whenMatchedUpdateAll().whenNotMatchedInsertAll();
      await merge.execute(this.arrowTable(entries));
    });
  }

  /** Takes entries away. @returns how many there were */
  remove(ids: readonly string[]): Promise<number> {
    return this.changing(async () => {
      const before = await this.count();
      for (const condition of idConditions(ids)) await this.table.delete(condition);
      return before - (await this.count());
    });
  }

  /** The entries nearest to a vector, best first. @throws {DataError} DIMENSION_MISMATCH */
  async search(vector: Float32Array, { count, numProbes }: EntrySearch): Promise<FoundEntry[]> {
    if (vector.length !== this.dimension) {
      throw new DataError(`a vector of ${vector.length} entries; those of the index have ${this.dimension}.`, {
        code: "DIMENSION_MISMATCH",
        path: this.folder,
      });
    }
    const query = this.table.vectorSearch(vector).distanceType("cosine").column(VECTOR);
    const chosen = numProbes === undefined ? query.bypassVectorIndex() : query.nprobes(numProbes);
    const found = (await chosen.select(["id", "text", "fields", "_distance"]).limit(count).toArray()) as {
      readonly id: string;
      readonly text: string;
      readonly fields: string;
      readonly _distance: number;
    }[];
    return found
      .map(({ id, text, fields, _distance }) => ({ id, text, fields: parseFields(fields), score: 1 - _distance }))
      .sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1));
  }

  /** All entries, in constant memory. */
  async *entries(): AsyncGenerator<Entry> {
    for await (const { id, text, fields, vector } of this.rows(["id", "text", "fields", VECTOR])) {
      yield {
        id: id as string,
        text: text as string,
        fields: parseFields(fields as string),
        vector: vector as Float32Array,
      };
    }
  }

  /** Joins the small parts that changes have left, puts new entries into the index of neighbours, drops old versions. */
  optimize(keepMilliseconds = 3_600_000): Promise<void> {
    const cleanupOlderThan = new Date(Date.now() - keepMilliseconds);
    return this.changing(async () => void (await this.table.optimize({ cleanupOlderThan })));
  }

  /** Divides the vectors into partitions, of which a search looks into a few. */
  buildNeighbours(numPartitions: number): Promise<void> {
    const config = this.libraries.lance.Index.ivfFlat({ numPartitions, distanceType: "cosine" });
    return this.changing(() => this.table.createIndex(VECTOR, { config, replace: true }));
  }

  close(): void {
    this.table.close();
    this.connection.close();
  }

  private async changing<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      throw await storeFailure(cause, this.folder);
    }
  }

  private async *rows(columns: string[], condition?: string): AsyncGenerator<Readonly<Record<string, unknown>>> {
    const query = this.table.query().select(columns);
    for await (const batch of condition === undefined ? query : query.where(condition)) {
      const vectors = columns.map((column) => batch.getChild(column)!);
      for (let row = 0; row < batch.numRows; row++) {
        yield Object.fromEntries(
          columns.map((column, i) => {
            const value: unknown = vectors[i]!.get(row);
            return [column, column === VECTOR ? (value as { toArray(): Float32Array }).toArray().slice() : value];
          }),
        );
      }
    }
  }

  private arrowTable(entries: readonly Entry[]) {
    const { libraries, schema, dimension, folder } = this;
    return entryTable(libraries.arrow, { schema, dimension, folder }, entries);
  }
}
