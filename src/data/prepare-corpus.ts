import { randomBytes } from "node:crypto";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { DataError } from "../base/errors.ts";
import { portableTokenizer } from "../tokenizers/portable.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";
import { inlineEncoder } from "./block-encoder.ts";
import type { EncodedBlock } from "./encode-block.ts";
import { EncoderPool } from "./encoder-pool.ts";
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
  /**
   * Threads that clean, split and tokenize; all processors unless given. The corpus does not depend on it. A tokenizer
   * that Firth did not make runs on the calling thread.
   */
  readonly threads?: number;
  readonly onProgress?: (progress: PrepareProgress) => void;
  /** Aborting removes everything written so far. */
  readonly signal?: AbortSignal;
}

/** A source that ends within so many blocks is not worth starting threads for. */
const fewBlocks = 4;

/**
 * Tokenizes a corpus once into binary shards with a manifest; memory does not grow with the corpus.
 * @throws {DataError} SHARD_BYTES_RANGE, THREADS_RANGE, TOKENIZER_ONE_THREAD, OUTPUT_EXISTS,
 *   OUTPUT_UNWRITABLE, CORPUS_EMPTY, TOKEN_OUTSIDE_VOCABULARY, and the source's own
 * @throws {FirthError} WORKER_LOST
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
  const threads = checkThreads(options);
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
    const totals = await encodeInto(writer, tokenBytes, threads, options);
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

/** Runs source → encoder → writer: blocks are read while others are encoded, and stored in their order. */
async function encodeInto(
  writer: ShardWriter,
  tokenBytes: 2 | 4,
  threads: number,
  options: PrepareOptions,
): Promise<PrepareProgress> {
  const { source, tokenizer, signal, onProgress, minDocumentTokens = 1 } = options;
  const settings = { tokenBytes, minDocumentTokens };
  const totals = { numDocuments: 0, numSentences: 0, numTokens: 0, textBytes: 0 };
  const store = async (block: EncodedBlock): Promise<void> => {
    signal?.throwIfAborted();
    await writer.add(block);
    totals.numDocuments += block.documentEnds.length;
    totals.numSentences += block.sentenceEnds.length;
    totals.numTokens += block.tokens.length;
    totals.textBytes += block.textBytes;
    onProgress?.({ ...totals });
  };
  const { first, rest } = await takeFirst(source.blocks(), fewBlocks);
  const portable = threads > 1 && rest !== undefined ? portableTokenizer(tokenizer) : undefined;
  const encoder =
    portable === undefined
      ? inlineEncoder(tokenizer, settings)
      : new EncoderPool({ threads, tokenizer, portable, settings });
  const waiting: Promise<EncodedBlock>[] = [];
  try {
    for await (const block of chained(first, rest)) {
      signal?.throwIfAborted();
      const encoded = encoder.encode(block);
      // Its failure is seen when its turn comes, not before.
      encoded.catch(() => undefined);
      waiting.push(encoded);
      if (waiting.length > encoder.blocksAhead) await store(await waiting.shift()!);
    }
    while (waiting.length > 0) await store(await waiting.shift()!);
    await writer.finish();
    signal?.throwIfAborted();
  } finally {
    // After an error, nothing may be written once all is removed.
    await encoder.close();
    await Promise.allSettled(waiting);
    await writer.settle();
  }
  return totals;
}

/** Up to `count` items, and the rest unless there is none. */
async function takeFirst<T>(
  items: AsyncIterable<T>,
  count: number,
): Promise<{ readonly first: readonly T[]; readonly rest: AsyncIterator<T> | undefined }> {
  const rest = items[Symbol.asyncIterator]();
  const first: T[] = [];
  while (first.length < count) {
    const { done, value } = await rest.next();
    if (done === true) return { first, rest: undefined };
    first.push(value);
  }
  return { first, rest };
}

async function* chained<T>(first: readonly T[], rest: AsyncIterator<T> | undefined): AsyncGenerator<T> {
  try {
    yield* first;
    if (rest === undefined) return;
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
  } finally {
    await rest?.return?.();
  }
}

/** The number of threads asked for, or all processors. */
function checkThreads({ threads, tokenizer, outputFolder }: PrepareOptions): number {
  if (threads === undefined) return availableParallelism();
  if (!Number.isInteger(threads) || threads < 1) {
    throw new DataError(`threads must be a whole number from 1; got ${threads}. Leave it out for all processors.`, {
      code: "THREADS_RANGE",
      path: outputFolder,
    });
  }
  if (threads > 1 && portableTokenizer(tokenizer) === undefined) {
    throw new DataError(
      `a tokenizer that Firth did not load or train cannot be taken to other threads; got threads ${threads}. ` +
        "Leave threads out.",
      { code: "TOKENIZER_ONE_THREAD", path: outputFolder },
    );
  }
  return threads;
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
