/** @file Runs of text that go on over the ends of documents. */
import { Random } from "../base/random.ts";
import { type ChunkBoundary, checkMaxTokens, forEachDocument, NumberList } from "./chunk-index.ts";
import type { ExampleStream } from "./segment.ts";
import type { RunOptions } from "./segment-pairs.ts";
import { checkIndex, checkProbability, targetLength } from "./segment-pairs.ts";
import type { ShardedCorpus } from "./sharded-corpus.ts";

export interface FullRunOptions extends RunOptions {
  /** Id between the documents of a run. */
  readonly separator: number;
}

/** Runs by number: where each begins in its shard, and its tokens without separators. */
interface FullChunks {
  readonly shardStarts: Uint32Array;
  readonly starts: Uint32Array;
  readonly lengths: Uint32Array;
  /** Of each shard, the tokens at which its documents begin. */
  readonly documents: readonly Uint32Array[];
}

/** Divides the text of each shard; 8 bytes of memory a run, 4 a document. */
function fullChunks(corpus: ShardedCorpus, maxTokens: number, boundary: ChunkBoundary): FullChunks {
  const starts = new NumberList();
  const lengths = new NumberList();
  const shardStarts = new Uint32Array(corpus.shards.length + 1);
  const documents = corpus.shards.map(() => new NumberList());
  // The run that is being filled: its first token, that behind its last one, and its separators.
  let [start, end, separators, shard] = [0, 0, 0, 0];
  const close = (): void => {
    if (end > start) {
      starts.push(start);
      lengths.push(end - start);
    }
    [start, separators] = [end, 0];
  };
  /** Adds tokens that are not parted unless they alone are too many. */
  const add = (to: number, beginsDocument: boolean): void => {
    const separator = Number(beginsDocument && end > start);
    if (to - start + separators + separator > maxTokens) close();
    else separators += separator;
    while (to - start > maxTokens) {
      end = start + maxTokens;
      close();
    }
    end = to;
  };
  forEachDocument(corpus, (_document, _first, offsets, own) => {
    if (own !== shard) {
      close();
      shardStarts.fill(starts.length, shard + 1, own + 1);
      [start, end, shard] = [0, 0, own];
    }
    documents[own]!.push(offsets[0]!);
    if (boundary === "sentence") {
      for (let i = 1; i < offsets.length; i++) add(offsets[i]!, i === 1);
      return;
    }
    const last = offsets.at(-1)!;
    for (let at = offsets[0]!; at < last; ) {
      const separator = Number(at === offsets[0]! && end > start);
      const room = maxTokens - (end - start) - separators - separator;
      if (room <= 0) {
        close();
        continue;
      }
      at = Math.min(last, at + room);
      add(at, separator === 1);
    }
  });
  close();
  shardStarts.fill(starts.length, shard + 1);
  return {
    shardStarts,
    starts: starts.finish(),
    lengths: lengths.finish(),
    documents: documents.map((list) => list.finish()),
  };
}

/** Number of the first of rising values that is above a bound. */
function firstAbove(values: Uint32Array, bound: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (values[middle]! > bound) high = middle;
    else low = middle + 1;
  }
  return low;
}

/**
 * Consecutive tokens, as many as fit: where a document ends within a run, the next one follows behind a separator. Each
 * token stands in one run. Runs end after sentences with `boundary: "sentence"`.
 *
 * Differs: a shard's last run is not filled from the next shard.
 * @source Liu et al. 2019, "RoBERTa", §4.2 FULL-SENTENCES, arXiv:1907.11692
 */
export function fullRuns(corpus: ShardedCorpus, options: FullRunOptions): ExampleStream {
  const { maxTokens, shortSequenceProbability = 0.1, boundary = "token", separator } = options;
  checkProbability(shortSequenceProbability);
  checkMaxTokens(maxTokens, 1);
  const { shardStarts, starts, lengths, documents } = fullChunks(corpus, maxTokens, boundary);
  return {
    numExamples: starts.length,
    example(seed, epoch, index) {
      checkIndex(index, starts.length);
      const random = new Random(seed, "full-runs", epoch, index);
      const first = starts[index]!;
      const length = Math.min(lengths[index]!, targetLength(random, maxTokens, shortSequenceProbability, 1));
      const shard = firstAbove(shardStarts, index) - 1;
      const { reader } = corpus.shards[shard]!;
      const own = documents[shard]!;
      // Documents that begin inside the run have a separator before them.
      const cuts = [...own.subarray(firstAbove(own, first), firstAbove(own, first + length - 1)), first + length];
      const tokens = new Int32Array(length + cuts.length - 1).fill(separator);
      const wordStarts = new Uint8Array(tokens.length).fill(1);
      let from = first;
      for (const [i, to] of cuts.entries()) {
        tokens.set(reader.tokens(from, to), from - first + i);
        wordStarts.set(reader.wordStarts(from, to), from - first + i);
        from = to;
      }
      wordStarts[0] = 1;
      return { a: { tokens, wordStarts } };
    },
  };
}
