/** @file Examples for a network that reads in several ways. */
import type { Random } from "../base/random.ts";
import type { ExampleStream, PretrainingExample, ReadingOrder, TokenSegment } from "./segment.ts";
import { type ExampleOptions, nextSentenceDecision, pairStream } from "./segment-pairs.ts";
import type { ShardedCorpus } from "./sharded-corpus.ts";

export interface UnifiedExampleOptions extends ExampleOptions {
  /** Share of each reading order; they sum to 1. */
  readonly mixture: Readonly<Record<ReadingOrder, number>>;
}

function drawOrder(random: Random, mixture: UnifiedExampleOptions["mixture"]): ReadingOrder {
  const entries = Object.entries(mixture) as [ReadingOrder, number][];
  let draw = random.next();
  for (const [order, share] of entries) {
    draw -= share;
    if (draw < 0) return order;
  }
  // Rounding: the last one that occurs at all.
  return entries.findLast(([, share]) => share > 0)![0];
}

function part({ tokens, wordStarts }: TokenSegment, start: number, end: number): TokenSegment {
  return { tokens: tokens.subarray(start, end), wordStarts: wordStarts.subarray(start, end) };
}

function joined(a: TokenSegment, b: TokenSegment): TokenSegment {
  const tokens = new Int32Array(a.tokens.length + b.tokens.length);
  const wordStarts = new Uint8Array(tokens.length);
  for (const [part, at] of [
    [a, 0],
    [b, a.tokens.length],
  ] as const) {
    tokens.set(part.tokens, at);
    wordStarts.set(part.wordStarts, at);
  }
  return { tokens, wordStarts };
}

/**
 * Examples each with a reading order of its own, drawn anew every epoch. `bidirectional`: pairs of next-sentence
 * prediction; `sequenceToSequence`: two consecutive runs of sentences, source and target; `leftToRight` and
 * `rightToLeft`: one run.
 * @throws {DataError} NSP_NEEDS_DOCUMENTS where some are bidirectional; PAIRS_NEED_SENTENCES
 * @source Dong et al. 2019 §2.3, arXiv:1905.03197
 */
export function unifiedExamples(corpus: ShardedCorpus, options: UnifiedExampleOptions): ExampleStream {
  const { mixture } = options;
  const nextSentence = mixture.bidirectional > 0 ? nextSentenceDecision(corpus) : undefined;
  const stream = pairStream(corpus, options, "unified", (random, first, second, document, target) => {
    const readingOrder = drawOrder(random, mixture);
    if (readingOrder === "bidirectional") {
      return { ...nextSentence!(random, first, second, document, target), readingOrder };
    }
    if (readingOrder === "sequenceToSequence") return { a: first, b: second, readingOrder };
    // Cut at its end only, so that it is one run still; there is room for both parts.
    const run = joined(first, second);
    const length = Math.min(target, run.tokens.length);
    return { a: part(run, 0, length - 1), b: part(run, length - 1, length), readingOrder };
  });
  return {
    numExamples: stream.numExamples,
    example: (seed, epoch, index): PretrainingExample => {
      const { a, b, ...facts } = stream.example(seed, epoch, index);
      const isPair = facts.readingOrder === "bidirectional" || facts.readingOrder === "sequenceToSequence";
      return isPair ? { a, b: b!, ...facts } : { a: joined(a, b!), ...facts };
    },
  };
}
