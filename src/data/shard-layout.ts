import { DataError } from "../base/errors.ts";

/**
 * Layout of a shard file, little-endian; every section begins at a multiple of 8 bytes:
 *
 * | section | content |
 * |---|---|
 * | header | 32 bytes: magic `FIRTHSHD`, then uint32 version, bytes a token (2 or 4), numTokens, numSentences, numDocuments, 0 |
 * | tokens | numTokens × uint16 or uint32 |
 * | wordStarts | one bit a token, lowest bit first; 1 where a word begins |
 * | sentenceOffsets | (numSentences + 1) × uint32, in tokens |
 * | documentOffsets | (numDocuments + 1) × uint32, in sentences |
 */
export interface ShardLayout {
  readonly tokenBytes: 2 | 4;
  readonly numTokens: number;
  readonly numSentences: number;
  readonly numDocuments: number;
  /** Byte offsets of the sections. */
  readonly tokens: number;
  readonly wordStarts: number;
  readonly sentenceOffsets: number;
  readonly documentOffsets: number;
  /** Size of the whole file in bytes. */
  readonly bytes: number;
}

/** Counts that determine a layout. */
export type ShardCounts = Pick<ShardLayout, "tokenBytes" | "numTokens" | "numSentences" | "numDocuments">;

const magic = "FIRTHSHD";
const version = 1;
/** Size of a shard's header in bytes. */
export const shardHeaderBytes = 32;

const align = (value: number) => Math.ceil(value / 8) * 8;

/** Where the sections of a shard with these counts lie. */
export function shardLayout(counts: ShardCounts): ShardLayout {
  const tokens = shardHeaderBytes;
  const wordStarts = align(tokens + counts.numTokens * counts.tokenBytes);
  const sentenceOffsets = align(wordStarts + Math.ceil(counts.numTokens / 8));
  const documentOffsets = align(sentenceOffsets + 4 * (counts.numSentences + 1));
  const bytes = align(documentOffsets + 4 * (counts.numDocuments + 1));
  return { ...counts, tokens, wordStarts, sentenceOffsets, documentOffsets, bytes };
}

/** The header bytes of a shard with these counts. */
export function writeShardHeader(counts: ShardCounts): Uint8Array {
  const header = new Uint8Array(shardHeaderBytes);
  header.set(new TextEncoder().encode(magic));
  const view = new DataView(header.buffer);
  const { tokenBytes, numTokens, numSentences, numDocuments } = counts;
  [version, tokenBytes, numTokens, numSentences, numDocuments].forEach((value, i) => {
    view.setUint32(8 + 4 * i, value, true);
  });
  return header;
}

/**
 * Reads a shard's header.
 * @throws {DataError} SHARD_INVALID
 */
export function readShardHeader(header: Uint8Array, file: string): ShardCounts {
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  const isShard = header.byteLength >= shardHeaderBytes && new TextDecoder().decode(header.subarray(0, 8)) === magic;
  const tokenBytes = isShard ? view.getUint32(12, true) : 0;
  if (!isShard || view.getUint32(8, true) !== version || (tokenBytes !== 2 && tokenBytes !== 4)) {
    throw new DataError(`not a shard of version ${version}. Prepare the corpus again.`, {
      code: "SHARD_INVALID",
      path: file,
    });
  }
  return {
    tokenBytes,
    numTokens: view.getUint32(16, true),
    numSentences: view.getUint32(20, true),
    numDocuments: view.getUint32(24, true),
  };
}
