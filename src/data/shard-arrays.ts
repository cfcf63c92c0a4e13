import type { EncodedBlock } from "./encode-block.ts";

/** The sections of a shard that is being filled. */
export interface ShardArrays {
  tokens: Uint16Array | Uint32Array;
  wordStarts: Uint8Array;
  sentenceOffsets: Uint32Array;
  documentOffsets: Uint32Array;
  numTokens: number;
  numSentences: number;
  numDocuments: number;
}

/** A shard without documents. */
export function emptyShard(tokenBytes: 2 | 4): ShardArrays {
  const capacity = 1 << 16;
  return {
    tokens: tokenBytes === 2 ? new Uint16Array(capacity) : new Uint32Array(capacity),
    wordStarts: new Uint8Array(capacity / 8),
    sentenceOffsets: new Uint32Array(1 << 12),
    documentOffsets: new Uint32Array(1 << 10),
    numTokens: 0,
    numSentences: 0,
    numDocuments: 0,
  };
}

/** Takes all documents out; the memory stays. */
export function clearShard(shard: ShardArrays): void {
  shard.wordStarts.fill(0, 0, Math.ceil(shard.numTokens / 8));
  shard.numTokens = 0;
  shard.numSentences = 0;
  shard.numDocuments = 0;
}

/** Tokens of a block before its document `document`. */
export function tokensBefore({ documentEnds, sentenceEnds }: EncodedBlock, document: number): number {
  const sentence = document === 0 ? 0 : documentEnds[document - 1]!;
  return sentence === 0 ? 0 : sentenceEnds[sentence - 1]!;
}

/**
 * Copies documents [first, end) of a block behind those of the shard.
 * @param fullTokens about how many tokens fill the shard: room for many more is never made
 */
export function appendDocuments(
  shard: ShardArrays,
  block: EncodedBlock,
  first: number,
  end: number,
  fullTokens: number,
): void {
  const { documentEnds, sentenceEnds } = block;
  const firstSentence = documentEnds[first - 1] ?? 0;
  const endSentence = documentEnds[end - 1]!;
  const firstToken = tokensBefore(block, first);
  const endToken = tokensBefore(block, end);
  const numTokens = shard.numTokens + endToken - firstToken;
  const numSentences = shard.numSentences + endSentence - firstSentence;
  const numDocuments = shard.numDocuments + end - first;
  shard.tokens = withRoom(shard.tokens, numTokens, fullTokens);
  shard.wordStarts = withRoom(shard.wordStarts, Math.ceil(shard.tokens.length / 8));
  shard.sentenceOffsets = withRoom(shard.sentenceOffsets, numSentences + 1);
  shard.documentOffsets = withRoom(shard.documentOffsets, numDocuments + 1);
  shard.tokens.set(block.tokens.subarray(firstToken, endToken), shard.numTokens);
  appendBits(shard.wordStarts, shard.numTokens, block.wordStarts, firstToken, endToken);
  const { sentenceOffsets, documentOffsets } = shard;
  const tokenShift = shard.numTokens - firstToken;
  for (let i = firstSentence, at = shard.numSentences + 1; i < endSentence; i++, at++) {
    sentenceOffsets[at] = sentenceEnds[i]! + tokenShift;
  }
  const sentenceShift = shard.numSentences - firstSentence;
  for (let i = first, at = shard.numDocuments + 1; i < end; i++, at++) {
    documentOffsets[at] = documentEnds[i]! + sentenceShift;
  }
  shard.numTokens = numTokens;
  shard.numSentences = numSentences;
  shard.numDocuments = numDocuments;
}

/** Sets bits of `target` from `at` on to bits [from, end) of `source`; they must be 0 before. */
export function appendBits(target: Uint8Array, at: number, source: Uint8Array, from: number, end: number): void {
  let place = at;
  let next = from;
  while (next < end) {
    const count = Math.min(8 - (place & 7), end - next);
    const byte = next >>> 3;
    const pair = source[byte]! | ((source[byte + 1] ?? 0) << 8);
    const bits = (pair >>> (next & 7)) & ((1 << count) - 1);
    target[place >>> 3]! |= bits << (place & 7);
    place += count;
    next += count;
  }
}

function withRoom<A extends Uint8Array | Uint16Array | Uint32Array>(array: A, needed: number, enough = Infinity): A {
  if (needed <= array.length) return array;
  const length = Math.max(needed, Math.min(Math.ceil(array.length * 1.5), enough));
  const larger = new (array.constructor as new (length: number) => A)(length);
  larger.set(array);
  return larger;
}
