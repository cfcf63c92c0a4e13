import { DataError } from "../base/errors.ts";
import { Random } from "../base/random.ts";
import { type ChunkBoundary, sentenceChunks, tokenChunks } from "./chunk-index.ts";
import type { ExampleStream, PretrainingExample, TokenizedText, TokenSegment } from "./segment.ts";
import type { ShardedCorpus } from "./sharded-corpus.ts";

/** How examples are cut out of a corpus. */
export interface ExampleOptions {
  /** Most tokens in an example without special tokens: maxSeqLength − 2 for one segment, − 3 for two. */
  readonly maxTokens: number;
  /** Share of the examples cut to a random shorter length, so that short input is learned too; 0.1 unless given. */
  readonly shortSequenceProbability?: number;
}

/** How runs of text are cut. */
export interface RunOptions extends ExampleOptions {
  /** Whether examples end after any token, which fills them (the default), or hold whole sentences only. */
  readonly boundary?: ChunkBoundary;
  /** Whether runs say where their sentences begin. */
  readonly sentenceStarts?: boolean;
}

/**
 * Consecutive tokens of one document, as many as fit.
 *
 * Differs with the default boundary: a sentence may be cut at the end of an example, and the next goes on there.
 * @source Liu et al. 2019, "RoBERTa", §4.2 DOC-SENTENCES; shortening as in Devlin et al. 2019's data preparation
 */
export function textRuns(corpus: ShardedCorpus, options: RunOptions): ExampleStream {
  const { maxTokens, shortSequenceProbability = 0.1, boundary = "token", sentenceStarts = false } = options;
  checkProbability(shortSequenceProbability);
  const chunks = tokenChunks(corpus, maxTokens, boundary);
  return {
    numExamples: chunks.length,
    example(seed, epoch, index) {
      checkIndex(index, chunks.length);
      const random = new Random(seed, "text-runs", epoch, index);
      const start = chunks.starts[index]!;
      const length = Math.min(chunks.lengths[index]!, targetLength(random, maxTokens, shortSequenceProbability, 1));
      let shard = 0;
      while (chunks.shardStarts[shard + 1]! <= index) shard++;
      const { reader } = corpus.shards[shard]!;
      const end = start + length;
      const a = segment(reader.tokens(start, end), reader.wordStarts(start, end));
      return {
        a: sentenceStarts ? { ...a, sentenceStarts: reader.sentenceStarts(start, end) } : a,
        startsDocument: index === 0 || chunks.isLast[index - 1] === 1,
        endsDocument: chunks.isLast[index] === 1 && length === chunks.lengths[index],
      };
    },
  };
}

/**
 * Pairs for next-sentence prediction: A begins a run of sentences; B is its continuation, or with probability one
 * half comes from another document.
 *
 * Differs from BERT's preparation: A's run always has a continuation (so the labels are balanced exactly), sentences
 * displaced by a random B return in another epoch instead of in the next example, and pairs are drawn anew every epoch.
 * @throws {DataError} NSP_NEEDS_DOCUMENTS with fewer than two documents, PAIRS_NEED_SENTENCES
 * @source Devlin et al. 2019 §3.1, arXiv:1810.04805
 */
export function nextSentencePairs(corpus: ShardedCorpus, options: ExampleOptions): ExampleStream {
  return pairStream(corpus, options, "next-sentence", nextSentenceDecision(corpus));
}

/**
 * How the pairs of next-sentence prediction are decided.
 * @throws {DataError} NSP_NEEDS_DOCUMENTS with fewer than two documents
 */
export function nextSentenceDecision(corpus: ShardedCorpus): PairDecision {
  const { numDocuments } = corpus;
  if (numDocuments < 2) {
    throw new DataError(
      `next-sentence prediction needs two documents for its wrong pairs; got ${numDocuments}. ` +
        "Divide the text by blank lines or files, or use sentence order prediction.",
      { code: "NSP_NEEDS_DOCUMENTS", path: corpus.folder },
    );
  }
  return (random, first, second, document, target) => {
    if (random.next() < 0.5) return { a: first, b: second, isNext: true };
    const other = random.nextInt(numDocuments - 1);
    const needed = Math.max(1, target - first.tokens.length);
    const b = randomSegment(corpus, random, other >= document ? other + 1 : other, needed);
    return { a: first, b, isNext: false };
  };
}

/**
 * Pairs for sentence-order prediction: two consecutive runs of sentences of one document, exchanged with
 * probability one half.
 * @throws {DataError} PAIRS_NEED_SENTENCES
 * @source Lan et al. 2020, "ALBERT", §3.1, arXiv:1909.11942
 */
export function sentenceOrderPairs(corpus: ShardedCorpus, options: ExampleOptions): ExampleStream {
  return pairStream(corpus, options, "sentence-order", (random, first, second) => {
    const isSwapped = random.next() < 0.5;
    return isSwapped ? { a: second, b: first, isSwapped } : { a: first, b: second, isSwapped };
  });
}

type Pair = PretrainingExample & { readonly b: TokenSegment };

/** Makes an example of two consecutive runs of sentences of a document; `target` is the room for both. */
export type PairDecision = (
  random: Random,
  first: TokenSegment,
  second: TokenSegment,
  document: number,
  target: number,
) => Pair;

/** Examples of two consecutive runs of sentences, shortened where the decision leaves more than there is room for. */
export function pairStream(
  corpus: ShardedCorpus,
  options: ExampleOptions,
  stream: string,
  decide: PairDecision,
): ExampleStream {
  const { maxTokens, shortSequenceProbability = 0.1 } = options;
  checkProbability(shortSequenceProbability);
  const chunks = sentenceChunks(corpus, maxTokens);
  return {
    numExamples: chunks.length,
    example(seed, epoch, index) {
      checkIndex(index, chunks.length);
      const random = new Random(seed, stream, epoch, index);
      const target = targetLength(random, maxTokens, shortSequenceProbability, 2);
      const text = corpus.sentences(chunks.firstSentences[index]!, chunks.numSentences[index]!);
      const count = sentencesFor(text, target);
      const cut = text.sentenceOffsets[1 + random.nextInt(count - 1)]!;
      const end = text.sentenceOffsets[count]!;
      const pair = decide(random, part(text, 0, cut), part(text, cut, end), chunks.documents[index]!, target);
      return { ...pair, ...truncatePair(pair.a, pair.b, target, random) };
    },
  };
}

/** How many sentences from the first on are needed for `target` tokens; at least two. */
function sentencesFor(text: TokenizedText, target: number): number {
  const { sentenceOffsets } = text;
  let count = 2;
  while (count + 1 < sentenceOffsets.length && sentenceOffsets[count]! < target) count++;
  return count;
}

/** Sentences from a random place of a document on, until there are enough tokens or the document ends. */
function randomSegment(corpus: ShardedCorpus, random: Random, document: number, needed: number): TokenSegment {
  const [first, end] = corpus.documentSentences(document);
  const start = first + random.nextInt(end - first);
  // A sentence has at least one token, so `needed` sentences are always enough.
  const text = corpus.sentences(start, Math.min(end - start, needed));
  let count = 1;
  while (count + 1 < text.sentenceOffsets.length && text.sentenceOffsets[count]! < needed) count++;
  return part(text, 0, text.sentenceOffsets[count]!);
}

/**
 * Shortens the longer of two segments token by token, at its front or back at random, until both fit.
 * @param maxTokens room for both together
 * @source `truncate_seq_pair` of BERT's data preparation, Devlin et al. 2019
 */
export function truncatePair(
  a: TokenSegment,
  b: TokenSegment,
  maxTokens: number,
  random: Random,
): { readonly a: TokenSegment; readonly b: TokenSegment } {
  const first = { start: 0, end: a.tokens.length };
  const second = { start: 0, end: b.tokens.length };
  for (let total = a.tokens.length + b.tokens.length; total > maxTokens; total--) {
    const longer = first.end - first.start > second.end - second.start ? first : second;
    if (random.next() < 0.5) longer.start++;
    else longer.end--;
  }
  const cut = (from: TokenSegment, { start, end }: { start: number; end: number }) =>
    segment(from.tokens.subarray(start, end), from.wordStarts.subarray(start, end));
  return { a: cut(a, first), b: cut(b, second) };
}

/** `maxTokens`, or with the given probability a uniform length in [least, maxTokens]. */
export function targetLength(random: Random, maxTokens: number, shortProbability: number, least: number): number {
  if (random.next() >= shortProbability) return maxTokens;
  return least + random.nextInt(maxTokens - least + 1);
}

function part(text: TokenizedText, start: number, end: number): TokenSegment {
  return segment(text.tokens.subarray(start, end), text.wordStarts.subarray(start, end));
}

function segment(tokens: Uint16Array | Uint32Array | Int32Array, wordStarts: Uint8Array): TokenSegment {
  // Not `from`: it goes through an iterator, which takes longer than the reading.
  const starts = new Uint8Array(wordStarts);
  // A segment may begin inside a word that was cut: its rest counts as a word.
  if (starts.length > 0) starts[0] = 1;
  return { tokens: new Int32Array(tokens), wordStarts: starts };
}

export function checkIndex(index: number, count: number): void {
  if (Number.isInteger(index) && index >= 0 && index < count) return;
  throw new RangeError(`ExampleStream.example: index must be an integer in [0, ${count}); got ${index}.`);
}

export function checkProbability(value: number): void {
  if (value >= 0 && value <= 1) return;
  throw new DataError(`shortSequenceProbability must lie in [0, 1]; got ${value}. Use for example 0.1.`, {
    code: "PROBABILITY_RANGE",
  });
}
