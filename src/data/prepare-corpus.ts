import { randomBytes } from "node:crypto";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { DataError } from "../base/errors.ts";
import type { IdEncoding, Tokenizer } from "../tokenizers/tokenizer.ts";
import { type CorpusManifest, manifestFile, shardFormatVersion } from "./manifest.ts";
import { ShardWriter } from "./shard-writer.ts";
import type { TextSource } from "./source.ts";

/** How far the preparation of a corpus has come. */
export interface PrepareProgress {
  readonly numDocuments: number;
  readonly numSentences: number;
  readonly numTokens: number;
  /** UTF-8 bytes of the sentences read. */
  readonly textBytes: number;
}

/** What to prepare, and where to. */
export interface PrepareOptions {
  readonly source: TextSource;
  readonly tokenizer: Tokenizer;
  /** A folder that does not exist yet; it appears whole at the end, or not at all. */
  readonly outputFolder: string;
  /** Size of a shard in bytes, at most 1 GiB; 32 MiB unless given. */
  readonly shardBytes?: number;
  /** Documents with fewer tokens are left out; 1 unless given. */
  readonly minDocumentTokens?: number;
  /** Facts to keep in the manifest: how the text was read. */
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly onProgress?: (progress: PrepareProgress) => void;
  /** Aborting removes everything written so far. */
  readonly signal?: AbortSignal;
}

/** Sentences and documents on their way through the tokenizer. */
interface TextBatch {
  readonly sentences: string[];
  /** For each document the number of sentences of the batch up to its end. */
  readonly documentEnds: number[];
}

/** Characters encoded at once: enough to keep all threads of the tokenizer busy, little to hold. */
const batchChars = 1 << 18;
/** Batches being encoded while the next is read. */
const batchesAhead = 2;

/**
 * Tokenizes a corpus once into binary shards with a manifest; memory does not grow with the corpus.
 * @throws {DataError} SHARD_BYTES_RANGE, OUTPUT_EXISTS, OUTPUT_UNWRITABLE, CORPUS_EMPTY, TOKEN_OUTSIDE_VOCABULARY, and the source's own
 */
export async function prepareCorpus(options: PrepareOptions): Promise<CorpusManifest> {
  const { source, tokenizer, signal } = options;
  const folder = resolve(options.outputFolder);
  const { shardBytes = 32 << 20 } = options;
  if (!(shardBytes >= 1 && shardBytes <= 1 << 30)) {
    throw new DataError(`shardBytes must lie in [1, 2^30]; got ${shardBytes}. Leave it out for 32 MiB.`, {
      code: "SHARD_BYTES_RANGE",
      path: options.outputFolder,
    });
  }
  await refuseExisting(folder, options.outputFolder);
  const temporary = join(dirname(folder), `.${basename(folder)}.${randomBytes(4).toString("hex")}.partial`);
  try {
    await mkdir(temporary, { recursive: true });
  } catch (cause) {
    throw new DataError(`cannot be made: ${(cause as Error).message}. Choose a folder you may write to.`, {
      code: "OUTPUT_UNWRITABLE",
      path: options.outputFolder,
      cause,
    });
  }
  try {
    signal?.throwIfAborted();
    const tokenBytes = tokenizer.vocabSize <= 0x1_0000 ? 2 : 4;
    const writer = new ShardWriter({ folder: temporary, tokenBytes, shardBytes });
    const totals = await encodeInto(writer, options);
    if (totals.numTokens === 0) {
      throw new DataError("no text is left to prepare. Check the files, the column and any filter or split.", {
        code: "CORPUS_EMPTY",
        path: source.name,
      });
    }
    const manifest: CorpusManifest = {
      format: "firth-corpus",
      version: shardFormatVersion,
      tokenizer: { hash: tokenizer.hash, vocabSize: tokenizer.vocabSize },
      tokenType: tokenBytes === 2 ? "uint16" : "uint32",
      source: source.name,
      settings: options.settings ?? {},
      ...totals,
      shards: writer.shards,
    };
    await writeDurably(join(temporary, manifestFile), `${JSON.stringify(manifest, null, 2)}\n`);
    await refuseExisting(folder, options.outputFolder);
    await rename(temporary, folder);
    return manifest;
  } catch (cause) {
    await rm(temporary, { recursive: true, force: true });
    const code = (cause as NodeJS.ErrnoException).code;
    if (code !== "ENOSPC" && code !== "EDQUOT" && code !== "EROFS" && code !== "EACCES") throw cause;
    throw new DataError(`cannot be written: ${(cause as Error).message}. Nothing was kept; free space or move it.`, {
      code: "OUTPUT_UNWRITABLE",
      path: options.outputFolder,
      cause,
    });
  }
}

/** Runs source → tokenizer → writer, with the tokenizer working while the next text is read. */
async function encodeInto(writer: ShardWriter, options: PrepareOptions): Promise<PrepareProgress> {
  const { tokenizer, signal, onProgress, minDocumentTokens = 1 } = options;
  const totals = { numDocuments: 0, numSentences: 0, numTokens: 0, textBytes: 0 };
  const store = async (batch: TextBatch, encodings: readonly IdEncoding[]): Promise<void> => {
    let at = 0;
    for (const end of batch.documentEnds) {
      let numTokens = 0;
      let numSentences = 0;
      let textBytes = 0;
      for (let i = at; i < end; i++) {
        const { length } = encodings[i]!.ids;
        numTokens += length;
        if (length === 0) continue;
        numSentences++;
        textBytes += Buffer.byteLength(batch.sentences[i]!);
      }
      if (numTokens >= Math.max(1, minDocumentTokens)) {
        for (let i = at; i < end; i++) {
          checkIds(encodings[i]!.ids, tokenizer.vocabSize);
          writer.sentence(encodings[i]!);
        }
        await writer.endDocument();
        totals.numDocuments++;
        totals.numSentences += numSentences;
        totals.numTokens += numTokens;
        totals.textBytes += textBytes;
      }
      at = end;
    }
    onProgress?.({ ...totals });
  };
  const waiting: { batch: TextBatch; encodings: Promise<IdEncoding[]> }[] = [];
  const storeOldest = async (): Promise<void> => {
    const oldest = waiting.shift();
    if (oldest !== undefined) await store(oldest.batch, await oldest.encodings);
  };
  try {
    for await (const batch of textBatches(options.source)) {
      signal?.throwIfAborted();
      waiting.push({ batch, encodings: tokenizer.encodeIds(batch.sentences) });
      if (waiting.length > batchesAhead) await storeOldest();
    }
    while (waiting.length > 0) {
      await storeOldest();
      signal?.throwIfAborted();
    }
    await writer.finish();
  } finally {
    // After an error, encodings under way must not become unhandled rejections.
    await Promise.allSettled(waiting.map((entry) => entry.encodings));
  }
  return totals;
}

async function* textBatches(source: TextSource): AsyncGenerator<TextBatch> {
  let batch: TextBatch = { sentences: [], documentEnds: [] };
  let chars = 0;
  for await (const document of source.documents()) {
    for (const sentence of document) {
      batch.sentences.push(sentence);
      chars += sentence.length;
    }
    batch.documentEnds.push(batch.sentences.length);
    if (chars < batchChars) continue;
    yield batch;
    batch = { sentences: [], documentEnds: [] };
    chars = 0;
  }
  if (batch.documentEnds.length > 0) yield batch;
}

function checkIds(ids: Int32Array, vocabSize: number): void {
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i]!;
    if (id >= 0 && id < vocabSize) continue;
    throw new DataError(
      `the tokenizer gave the id ${id}, but says its vocabulary has ${vocabSize} entries. Use another.`,
      {
        code: "TOKEN_OUTSIDE_VOCABULARY",
      },
    );
  }
}

async function refuseExisting(folder: string, shown: string): Promise<void> {
  const exists = await stat(folder).then(
    () => true,
    () => false,
  );
  if (!exists) return;
  throw new DataError("the output folder already exists. Choose another, or remove it first.", {
    code: "OUTPUT_EXISTS",
    path: shown,
  });
}

async function writeDurably(file: string, text: string): Promise<void> {
  const handle = await open(file, "wx");
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
