import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { DataError } from "../base/errors.ts";
import type { TokenizedText } from "./segment.ts";
import { readShardHeader, type ShardLayout, shardHeaderBytes, shardLayout } from "./shard-layout.ts";

/** Starts of sentences that are read together: few runs of text have more. */
const sentencesAtOnce = 32;

/**
 * Random access to one shard file.
 *
 * Node cannot map files into memory; short positioned reads are answered from the operating system's page cache in
 * microseconds, so nothing but the open file is held and reads are synchronous.
 */
export class ShardReader {
  readonly layout: ShardLayout;
  private readonly file: string;
  private descriptor: number | undefined;

  /** @throws {DataError} SHARD_MISSING, SHARD_INVALID, SHARD_SIZE_WRONG */
  constructor(file: string) {
    this.file = file;
    try {
      this.descriptor = openSync(file, "r");
    } catch (cause) {
      throw new DataError("the shard cannot be opened. Prepare the corpus again.", {
        code: "SHARD_MISSING",
        path: file,
        cause,
      });
    }
    try {
      const { size } = fstatSync(this.descriptor);
      const header = new Uint8Array(shardHeaderBytes);
      if (size >= shardHeaderBytes) this.read(header, 0);
      this.layout = shardLayout(readShardHeader(header, file));
      if (size !== this.layout.bytes) {
        throw new DataError(
          `the header speaks of ${this.layout.bytes} bytes, the file has ${size}. Prepare the corpus again.`,
          { code: "SHARD_SIZE_WRONG", path: file, details: { expected: this.layout.bytes, found: size } },
        );
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** First sentence of a document and the one after its last, counted in this shard. */
  documentSentences(document: number): readonly [number, number] {
    const [first, end] = this.readOffsets(this.layout.documentOffsets, document, 2, this.layout.numSentences);
    return [first!, end!];
  }

  /** Offsets in tokens of `numSentences + 1` sentence starts from a sentence on. */
  sentenceOffsets(first: number, numSentences: number): Uint32Array {
    return this.readOffsets(this.layout.sentenceOffsets, first, numSentences + 1, this.layout.numTokens);
  }

  /** Boundaries of documents in sentences: `numDocuments + 1` from a document on. */
  documentOffsets(first: number, numDocuments: number): Uint32Array {
    return this.readOffsets(this.layout.documentOffsets, first, numDocuments + 1, this.layout.numSentences);
  }

  /** The tokens in [start, end). */
  tokens(start: number, end: number): Uint16Array | Uint32Array {
    const { tokenBytes, tokens } = this.layout;
    const out = tokenBytes === 2 ? new Uint16Array(end - start) : new Uint32Array(end - start);
    this.read(new Uint8Array(out.buffer), tokens + start * tokenBytes);
    return out;
  }

  /** For each token in [start, end) 1 where a word begins, else 0. */
  wordStarts(start: number, end: number): Uint8Array {
    const firstByte = start >>> 3;
    const bits = new Uint8Array(Math.ceil(end / 8) - firstByte);
    this.read(bits, this.layout.wordStarts + firstByte);
    const out = new Uint8Array(end - start);
    for (let i = 0; i < out.length; i++) {
      const at = start + i - firstByte * 8;
      out[i] = (bits[at >>> 3]! >>> (at & 7)) & 1;
    }
    return out;
  }

  /** Where sentences begin among the tokens [start, end), counted from `start`, which is always one of these places. */
  sentenceStarts(start: number, end: number): Uint32Array {
    const { numSentences } = this.layout;
    const startOf = (sentence: number): number => this.sentenceOffsets(sentence, 0)[0]!;
    // The first sentence that begins behind `start`.
    let [low, high] = [0, numSentences];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (startOf(middle) <= start) low = middle + 1;
      else high = middle;
    }
    const starts = [0];
    for (let first = low; first < numSentences; first += sentencesAtOnce) {
      const offsets = this.sentenceOffsets(first, Math.min(sentencesAtOnce, numSentences - first) - 1);
      const inside = offsets.findIndex((offset) => offset >= end);
      for (const offset of inside === -1 ? offsets : offsets.subarray(0, inside)) starts.push(offset - start);
      if (inside !== -1) break;
    }
    return Uint32Array.from(starts);
  }

  /** Consecutive sentences of this shard. */
  sentences(first: number, numSentences: number): TokenizedText {
    const offsets = this.sentenceOffsets(first, numSentences);
    const start = offsets[0]!;
    const end = offsets[numSentences]!;
    return {
      tokens: this.tokens(start, end),
      wordStarts: this.wordStarts(start, end),
      sentenceOffsets: offsets.map((offset) => offset - start),
    };
  }

  /** Closes the file; reading afterwards throws. */
  close(): void {
    if (this.descriptor !== undefined) closeSync(this.descriptor);
    this.descriptor = undefined;
  }

  private readOffsets(section: number, first: number, count: number, limit: number): Uint32Array {
    const out = new Uint32Array(count);
    this.read(new Uint8Array(out.buffer), section + 4 * first);
    let previous = 0;
    for (const offset of out) {
      if (offset < previous || offset > limit) {
        throw new DataError(`its index is damaged: offset ${offset} after ${previous}. Prepare the corpus again.`, {
          code: "SHARD_DAMAGED",
          path: this.file,
        });
      }
      previous = offset;
    }
    return out;
  }

  private read(into: Uint8Array, position: number): void {
    if (this.descriptor === undefined) {
      throw new DataError("the shard is closed. Open the corpus again.", { code: "SHARD_CLOSED", path: this.file });
    }
    for (let at = 0; at < into.length; ) {
      const got = readSync(this.descriptor, into, at, into.length - at, position + at);
      if (got === 0) {
        throw new DataError(`ended at byte ${position + at}, before its data did. Prepare the corpus again.`, {
          code: "SHARD_DAMAGED",
          path: this.file,
        });
      }
      at += got;
    }
  }
}
