import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { DataError } from "../base/errors.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";
import { type CorpusManifest, readManifest, type ShardEntry } from "./manifest.ts";
import type { TokenizedText } from "./segment.ts";
import { ShardReader } from "./shard-reader.ts";

/** A shard of an open corpus, and where it stands in the whole. */
export interface OpenShard {
  readonly reader: ShardReader;
  /** Number of the shard's first document and sentence in the corpus. */
  readonly firstDocument: number;
  readonly firstSentence: number;
}

/** How a corpus is opened. */
export interface OpenCorpusOptions {
  /** Refuse the corpus unless this tokenizer made it. */
  readonly tokenizer?: Pick<Tokenizer, "hash" | "vocabSize">;
  /** `sizes` (default) compares counts and sizes; `checksums` reads every byte. */
  readonly verify?: "sizes" | "checksums";
}

/** A prepared corpus: random access to documents and sentences in constant memory. */
export class ShardedCorpus {
  readonly folder: string;
  readonly manifest: CorpusManifest;
  readonly shards: readonly OpenShard[];

  private constructor(folder: string, manifest: CorpusManifest, shards: readonly OpenShard[]) {
    this.folder = folder;
    this.manifest = manifest;
    this.shards = shards;
  }

  /**
   * Opens a prepared corpus and checks it.
   * @throws {DataError} CORPUS_MISSING, MANIFEST_INVALID, SHARD_MISSING, SHARD_SIZE_WRONG, SHARD_DAMAGED,
   *   TOKENIZER_MISMATCH
   */
  static async open(folder: string, options: OpenCorpusOptions = {}): Promise<ShardedCorpus> {
    const manifest = await readManifest(folder);
    if (options.tokenizer !== undefined) checkTokenizer(manifest, options.tokenizer, folder);
    const shards: OpenShard[] = [];
    try {
      let firstDocument = 0;
      let firstSentence = 0;
      for (const entry of manifest.shards) {
        const path = join(folder, entry.file);
        const reader = new ShardReader(path);
        shards.push({ reader, firstDocument, firstSentence });
        checkEntry(entry, reader, manifest, path);
        if (options.verify === "checksums") await checkSum(entry, path);
        firstDocument += entry.numDocuments;
        firstSentence += entry.numSentences;
      }
    } catch (error) {
      for (const { reader } of shards) reader.close();
      throw error;
    }
    return new ShardedCorpus(folder, manifest, shards);
  }

  get numDocuments(): number {
    return this.manifest.numDocuments;
  }

  get numSentences(): number {
    return this.manifest.numSentences;
  }

  get numTokens(): number {
    return this.manifest.numTokens;
  }

  /** One document: its tokens, where its sentences begin, and which tokens begin words. */
  document(index: number): TokenizedText {
    const [first, end] = this.documentSentences(index);
    return this.sentences(first, end - first);
  }

  /** First sentence of a document and the one after its last, counted over the corpus. */
  documentSentences(index: number): readonly [number, number] {
    const shard = this.shardOf(index, "firstDocument", this.numDocuments);
    const [first, end] = shard.reader.documentSentences(index - shard.firstDocument);
    return [first + shard.firstSentence, end + shard.firstSentence];
  }

  /** Consecutive sentences, counted over the corpus; all must lie in one document. */
  sentences(first: number, numSentences: number): TokenizedText {
    const shard = this.shardOf(first, "firstSentence", this.numSentences);
    return shard.reader.sentences(first - shard.firstSentence, numSentences);
  }

  /** Closes all files. */
  close(): void {
    for (const { reader } of this.shards) reader.close();
  }

  private shardOf(index: number, key: "firstDocument" | "firstSentence", count: number): OpenShard {
    if (!(Number.isInteger(index) && index >= 0 && index < count)) {
      throw new RangeError(`ShardedCorpus: index must be an integer in [0, ${count}); got ${index}.`);
    }
    let low = 0;
    let high = this.shards.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.shards[middle]![key] <= index) low = middle;
      else high = middle - 1;
    }
    return this.shards[low]!;
  }
}

/**
 * Refuses a tokenizer other than the one that made the corpus.
 * @throws {DataError} TOKENIZER_MISMATCH
 */
export function checkTokenizer(
  manifest: CorpusManifest,
  tokenizer: Pick<Tokenizer, "hash" | "vocabSize">,
  folder: string,
): void {
  if (manifest.tokenizer.hash === tokenizer.hash) return;
  const name = (hash: string, size: number) => `${hash.slice(0, 12)} (vocabulary ${size})`;
  const made = name(manifest.tokenizer.hash, manifest.tokenizer.vocabSize);
  throw new DataError(
    `was prepared with tokenizer ${made}; got ${name(tokenizer.hash, tokenizer.vocabSize)}. ` +
      "Use the first tokenizer, or prepare the corpus again with the second.",
    { code: "TOKENIZER_MISMATCH", path: folder },
  );
}

/** Checks every byte of a prepared corpus and returns its manifest. */
export async function inspectCorpus(folder: string): Promise<CorpusManifest> {
  const corpus = await ShardedCorpus.open(folder, { verify: "checksums" });
  corpus.close();
  return corpus.manifest;
}

function checkEntry(entry: ShardEntry, reader: ShardReader, manifest: CorpusManifest, path: string): void {
  const { layout } = reader;
  const expected = { ...entry, tokenBytes: manifest.tokenType === "uint16" ? 2 : 4 };
  for (const key of ["bytes", "numDocuments", "numSentences", "numTokens", "tokenBytes"] as const) {
    if (layout[key] === expected[key]) continue;
    throw new DataError(`${key} is ${layout[key]}, the manifest says ${expected[key]}. Prepare the corpus again.`, {
      code: "SHARD_SIZE_WRONG",
      path,
      details: { key, expected: expected[key], found: layout[key] },
    });
  }
}

async function checkSum(entry: ShardEntry, path: string): Promise<void> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  const found = hash.digest("hex");
  if (found === entry.sha256) return;
  throw new DataError(`its SHA-256 is ${found}, the manifest says ${entry.sha256}. Prepare the corpus again.`, {
    code: "SHARD_DAMAGED",
    path,
  });
}
