/** A run of tokens without special tokens. */
export interface TokenSegment {
  readonly tokens: Int32Array;
  /** For each token 1 where a word begins, else 0; the first is always 1. */
  readonly wordStarts: Uint8Array;
  /** Where sentences begin, rising from 0; only where a stream was asked for it. */
  readonly sentenceStarts?: Uint32Array;
}

/** Which tokens of a text a token may look at (UniLM). */
export type ReadingOrder = "bidirectional" | "sequenceToSequence" | "leftToRight" | "rightToLeft";

/** One example for pre-training, before special tokens and masking. */
export interface PretrainingExample {
  readonly a: TokenSegment;
  /** The second segment; absent with `sentences`. */
  readonly b?: TokenSegment;
  /** With `nextSentence`: whether B follows A in the text. */
  readonly isNext?: boolean;
  /** With `sentenceOrder`: whether A and B were exchanged. */
  readonly isSwapped?: boolean;
  /** Of a run of text: whether it begins where its document does, and ends where that does. */
  readonly startsDocument?: boolean;
  readonly endsDocument?: boolean;
  /** Where a network reads in several ways: which is this example's. */
  readonly readingOrder?: ReadingOrder;
}

/** Examples addressed by number; every draw is a pure function of (seed, epoch, index). */
export interface ExampleStream {
  readonly numExamples: number;
  /** @param index in [0, numExamples), not yet shuffled: shuffle with {@link epochOrder} */
  example(seed: number, epoch: number, index: number): PretrainingExample;
}

/** Tokens of consecutive sentences of one document. */
export interface TokenizedText {
  readonly tokens: Uint16Array | Uint32Array;
  /** Where sentences begin in `tokens`: one more entry than sentences, the last is the number of tokens. */
  readonly sentenceOffsets: Uint32Array;
  /** For each token 1 where a word begins, else 0. */
  readonly wordStarts: Uint8Array;
}
