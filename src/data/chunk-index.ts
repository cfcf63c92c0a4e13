import { DataError } from "../base/errors.ts";
import type { ShardedCorpus } from "./sharded-corpus.ts";

/** A list of unsigned 32-bit numbers that grows; 4 bytes an entry. */
export class NumberList {
  private values = new Uint32Array(1024);
  length = 0;

  push(value: number): void {
    if (this.length === this.values.length) {
      const larger = new Uint32Array(this.length * 2);
      larger.set(this.values);
      this.values = larger;
    }
    this.values[this.length++] = value;
  }

  finish(): Uint32Array {
    return this.values.slice(0, this.length);
  }
}

/** Runs of tokens inside one shard. */
export interface TokenChunks {
  readonly length: number;
  /** The shard of each chunk's number: chunks of shard s are those in [shardStarts[s], shardStarts[s + 1]). */
  readonly shardStarts: Uint32Array;
  /** First token of each chunk, counted in its shard. */
  readonly starts: Uint32Array;
  readonly lengths: Uint32Array;
  /** 1 where a chunk is the last of its document; the one after it begins another. */
  readonly isLast: Uint8Array;
}

/** Runs of sentences inside one document, counted over the corpus. */
export interface SentenceChunks {
  readonly length: number;
  readonly documents: Uint32Array;
  readonly firstSentences: Uint32Array;
  readonly numSentences: Uint32Array;
}

/** Documents and sentences of a shard read at a time while an index is made. */
const documentsAtOnce = 4096;

/** Visits every document with the token offsets of its sentences, counted in its shard. */
export function forEachDocument(
  corpus: ShardedCorpus,
  visit: (document: number, firstSentence: number, offsets: Uint32Array, shard: number) => void,
): void {
  corpus.shards.forEach(({ reader, firstDocument, firstSentence }, shard) => {
    const { numDocuments } = reader.layout;
    for (let first = 0; first < numDocuments; first += documentsAtOnce) {
      const count = Math.min(documentsAtOnce, numDocuments - first);
      const bounds = reader.documentOffsets(first, count);
      const start = bounds[0]!;
      const offsets = reader.sentenceOffsets(start, bounds[count]! - start);
      for (let i = 0; i < count; i++) {
        const from = bounds[i]! - start;
        const to = bounds[i + 1]! - start;
        visit(firstDocument + first + i, firstSentence + bounds[i]!, offsets.subarray(from, to + 1), shard);
      }
    }
  });
}

/** Where runs of tokens may be cut: after any token, so that all but a document's last are full, or after sentences. */
export type ChunkBoundary = "token" | "sentence";

/**
 * Divides every document into runs of at most `maxTokens`; a sentence longer than that is always cut, so no token
 * is lost. 9 bytes of memory a chunk.
 */
export function tokenChunks(corpus: ShardedCorpus, maxTokens: number, boundary: ChunkBoundary): TokenChunks {
  checkMaxTokens(maxTokens, 1);
  const starts = new NumberList();
  const lengths = new NumberList();
  const last = new NumberList();
  const shardStarts = new Uint32Array(corpus.shards.length + 1);
  const push = (start: number, end: number) => {
    for (let at = start; at < end; at += maxTokens) {
      starts.push(at);
      lengths.push(Math.min(maxTokens, end - at));
    }
  };
  forEachDocument(corpus, (_document, _first, offsets, shard) => {
    let start = offsets[0]!;
    let end = boundary === "token" ? offsets.at(-1)! : start;
    for (let i = 1; boundary === "sentence" && i < offsets.length; i++) {
      const next = offsets[i]!;
      if (next - start > maxTokens && end > start) {
        push(start, end);
        start = end;
      }
      end = next;
    }
    push(start, end);
    last.push(starts.length - 1);
    shardStarts[shard + 1] = starts.length;
  });
  const isLast = new Uint8Array(starts.length);
  for (const chunk of last.finish()) isLast[chunk] = 1;
  return { length: starts.length, shardStarts, starts: starts.finish(), lengths: lengths.finish(), isLast };
}

/**
 * Divides every document of two sentences or more into runs of at least two, each just long enough to hold
 * `targetTokens`; a single sentence left at the end joins the run before it. 12 bytes of memory a chunk.
 */
export function sentenceChunks(corpus: ShardedCorpus, targetTokens: number): SentenceChunks {
  checkMaxTokens(targetTokens, 2);
  const documents = new NumberList();
  const firstSentences = new NumberList();
  const numSentences = new NumberList();
  forEachDocument(corpus, (document, firstSentence, offsets) => {
    const count = offsets.length - 1;
    let from = 0;
    while (count - from >= 2) {
      let to = from + 2;
      while (to < count && offsets[to]! - offsets[from]! < targetTokens) to++;
      if (count - to === 1) to = count;
      documents.push(document);
      firstSentences.push(firstSentence + from);
      numSentences.push(to - from);
      from = to;
    }
  });
  if (documents.length === 0) {
    throw new DataError(
      `segment pairs need a document with two sentences; got ${corpus.numDocuments} documents of one. ` +
        "Let a document end with its file, or train without pairs.",
      { code: "PAIRS_NEED_SENTENCES", path: corpus.folder },
    );
  }
  return {
    length: documents.length,
    documents: documents.finish(),
    firstSentences: firstSentences.finish(),
    numSentences: numSentences.finish(),
  };
}

/** @throws {DataError} MAX_TOKENS_RANGE for lengths that no text can be cut to */
export function checkMaxTokens(value: number, least: number): void {
  if (Number.isInteger(value) && value >= least) return;
  throw new DataError(`maxTokens must be an integer of at least ${least}; got ${value}. Raise maxSeqLength.`, {
    code: "MAX_TOKENS_RANGE",
  });
}
