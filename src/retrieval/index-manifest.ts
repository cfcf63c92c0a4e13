/** @file What an index says of itself, in a file beside its entries. */
import { existsSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { CheckpointError } from "../base/errors.ts";
import { writeFileAtomic } from "../formats/atomic.ts";
import { formatJson, readJsonObject } from "../formats/json-file.ts";
import type { JsonObject } from "../formats/json-text.ts";

/** The format that this program writes; it reads this one and earlier ones. */
export const INDEX_FORMAT = 1;
const FILE = "index.json";
/** Names that a killed writer of the file may have left beside it. */
const LEFTOVER = /^\.index\.json\.(partial|replaced)-/;
const KIND = "firth-index";

/** The model whose vectors an index holds. */
export interface IndexModel {
  /** Names the encoder's weights, its tokenizer and how it makes vectors. */
  readonly fingerprint: string;
  /** `model_type`. */
  readonly family: string;
  /** Where it was when the index was made; null where it had no folder. */
  readonly folder: string | null;
  /** Entries of a vector. */
  readonly dimension: number;
  readonly pooling: string;
  readonly layer: number;
  readonly maxSeqLength: number;
}

/** An index of nearest neighbours over the vectors, and how it was measured. */
export interface NeighbourIndex {
  /** Entries when it was made. */
  readonly numEntries: number;
  readonly numPartitions: number;
  /** Partitions that a search looks into. */
  readonly numProbes: number;
  /** Share of the ten nearest entries that it finds, on `numQueries` entries of the index. */
  readonly recall: number;
  readonly numQueries: number;
}

/** From which score on an answer is given. */
export interface IndexThreshold {
  readonly value: number;
  /** Fingerprint of the re-ranker whose scores are meant; null: cosines of the index itself. */
  readonly reranker: string | null;
  readonly aim: string;
  /** Share of the answers given that are right, and of questions that get one, where questions did not choose it. */
  readonly heldOut?: { readonly precision: number; readonly answered: number } | undefined;
}

export interface IndexManifest {
  readonly model: IndexModel;
  /** Column of the ids; null: numbers of lines. */
  readonly idColumn: string | number | null;
  readonly textColumn: string | number;
  /** The source that the index is being made of; null when it holds the whole of it. */
  readonly building: string | null;
  /** Sources whose adding has not come to its end: it goes on, or was broken off. */
  readonly pending: readonly string[];
  readonly neighbours: NeighbourIndex | null;
  readonly threshold: IndexThreshold | null;
}

function damaged(folder: string, what: string): never {
  throw new CheckpointError(`${what}. The file was changed or is damaged; build the index again.`, {
    code: "INDEX_DAMAGED",
    path: join(folder, FILE),
  });
}

/** Whether a name in an index's folder is what a killed writer has left of the manifest. */
export function isManifestLeftover(name: string): boolean {
  return LEFTOVER.test(name);
}

/** Whether two names of sources mean the same: files may be named from here or from the root. */
export function sameSource(one: string, other: string): boolean {
  return one === other || resolve(one) === resolve(other);
}

/** Whether a folder holds an index. */
export function isIndex(folder: string): boolean {
  return existsSync(join(folder, FILE));
}

/**
 * Reads what an index says of itself.
 * @throws {CheckpointError} INDEX_MISSING, INDEX_TOO_NEW, INDEX_DAMAGED
 */
export async function readIndexManifest(folder: string): Promise<IndexManifest> {
  if (!isIndex(folder)) {
    const message = existsSync(folder)
      ? `is no index: it has no ${FILE}. Name the folder that firth index build made.`
      : "no such folder. Check the name, or make it with firth index build.";
    throw new CheckpointError(message, { code: "INDEX_MISSING", path: folder });
  }
  const json = await readJsonObject(join(folder, FILE));
  const { kind, format, ...manifest } = json;
  if (kind !== KIND || typeof format !== "number") damaged(folder, "does not say that it is an index of Firth");
  if ((format as number) > INDEX_FORMAT) {
    throw new CheckpointError(
      `is in format ${format}, this program reads up to ${INDEX_FORMAT}. Update Firth, or build the index again.`,
      { code: "INDEX_TOO_NEW", path: folder, details: { format } },
    );
  }
  const { model } = manifest as { readonly model?: JsonObject };
  const isWhole =
    typeof model?.fingerprint === "string" && typeof model.dimension === "number" && typeof model.pooling === "string";
  if (!isWhole) damaged(folder, "does not say which model its vectors are of");
  return { ...(manifest as unknown as IndexManifest), ...unfinished(manifest) };
}

/** What is not whole; earlier programs kept the name of one source, and not what was being done with it. */
function unfinished({ building = null, pending }: JsonObject): Pick<IndexManifest, "building" | "pending"> {
  const names = typeof pending === "string" ? [pending] : ((pending ?? []) as readonly string[]);
  return { building: building as string | null, pending: names };
}

/** Removes what says that a folder holds an index. */
export async function removeIndexManifest(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name === FILE || isManifestLeftover(name)) await rm(join(folder, name), { force: true });
  }
}

/** Writes the manifest; readers see the old one or the new one. */
export async function writeIndexManifest(folder: string, manifest: IndexManifest): Promise<void> {
  const json = { kind: KIND, format: INDEX_FORMAT, ...manifest } as unknown as JsonObject;
  await writeFileAtomic(join(folder, FILE), formatJson(json));
}
