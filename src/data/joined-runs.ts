/** @file The text of a corpus as one stream, cut into runs. */
import { Random } from "../base/random.ts";
import { checkMaxTokens, forEachDocument } from "./chunk-index.ts";
import type { ExampleStream, TokenSegment } from "./segment.ts";
import { checkIndex, checkProbability, type ExampleOptions, targetLength } from "./segment-pairs.ts";
import type { OpenShard, ShardedCorpus } from "./sharded-corpus.ts";

export interface JoinedRunOptions extends ExampleOptions {
  /** Id between documents, before the first and behind the last. */
  readonly separator: number;
}

/** A shard in the stream. */
interface StreamPart {
  readonly reader: OpenShard["reader"];
  /** Place of its first separator in the stream. */
  readonly start: number;
  /** Token offsets of its documents; one more entry than documents. */
  readonly offsets: Uint32Array;
}

function streamParts(corpus: ShardedCorpus): StreamPart[] {
  const offsets = corpus.shards.map(({ reader }) => new Uint32Array(reader.layout.numDocuments + 1));
  forEachDocument(corpus, (document, _firstSentence, sentences, shard) => {
    const own = document - corpus.shards[shard]!.firstDocument;
    offsets[shard]![own] = sentences[0]!;
    offsets[shard]![own + 1] = sentences.at(-1)!;
  });
  let start = 0;
  return corpus.shards.map(({ reader }, shard) => {
    const part = { reader, start, offsets: offsets[shard]! };
    start += reader.layout.numTokens + reader.layout.numDocuments;
    return part;
  });
}

/** The last document whose separator stands at or before a place of the part. */
function documentAt(offsets: Uint32Array, place: number): number {
  let low = 0;
  let high = offsets.length - 2;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (offsets[middle]! + middle <= place) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Writes the places [from, to) of the stream, as far as they lie in a part. */
function copyPart({ reader, start, offsets }: StreamPart, from: number, to: number, out: TokenSegment): void {
  const size = offsets.at(-1)! + offsets.length - 1;
  const end = Math.min(size, to - start);
  let at = Math.max(0, from - start);
  if (at >= end) return;
  for (let document = documentAt(offsets, at); at < end; document++) {
    // Every document before, and this one, has a separator before its tokens.
    const before = document + 1;
    if (at === offsets[document]! + document) at++;
    const first = at - before;
    const last = Math.min(end, offsets[document + 1]! + before) - before;
    if (last > first) {
      out.tokens.set(reader.tokens(first, last), start + at - from);
      out.wordStarts.set(reader.wordStarts(first, last), start + at - from);
      at += last - first;
    }
  }
}

/**
 * Consecutive tokens of all documents as one stream, with a separator between them: runs of `maxTokens + 1`, of which each
 * begins with the token that the one before ends with, so that predicting every token but the first of a run predicts
 * each token of the stream once.
 * @source Radford et al. 2019 §2 (documents follow each other behind `<|endoftext|>`)
 */
export function joinedRuns(corpus: ShardedCorpus, options: JoinedRunOptions): ExampleStream {
  const { maxTokens, shortSequenceProbability = 0.1, separator } = options;
  checkProbability(shortSequenceProbability);
  checkMaxTokens(maxTokens, 1);
  const parts = streamParts(corpus);
  const total = corpus.numTokens + corpus.numDocuments + 1;
  const numExamples = Math.ceil((total - 1) / maxTokens);
  return {
    numExamples,
    example(seed, epoch, index) {
      checkIndex(index, numExamples);
      const random = new Random(seed, "joined-runs", epoch, index);
      const from = index * maxTokens;
      const length = targetLength(random, maxTokens, shortSequenceProbability, 1);
      const to = Math.min(total, from + length + 1);
      const run = { tokens: new Int32Array(to - from).fill(separator), wordStarts: new Uint8Array(to - from).fill(1) };
      for (const part of parts) copyPart(part, from, to, run);
      run.wordStarts[0] = 1;
      return { a: run };
    },
  };
}
