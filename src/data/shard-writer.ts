import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import type { IdEncoding } from "../tokenizers/tokenizer.ts";
import type { ShardEntry } from "./manifest.ts";
import { shardLayout, writeShardHeader } from "./shard-layout.ts";

/** Settings of a {@link ShardWriter}. */
export interface ShardWriterOptions {
  readonly folder: string;
  readonly tokenBytes: 2 | 4;
  /** A shard is closed after the document that brings it to this size. */
  readonly shardBytes: number;
}

/** Fills shards in memory and writes each one out when it is full; holds one shard at a time. */
export class ShardWriter {
  readonly shards: ShardEntry[] = [];
  private readonly options: ShardWriterOptions;
  private tokens: Uint16Array | Uint32Array;
  private wordStarts: Uint8Array;
  private numTokens = 0;
  private sentenceOffsets: Uint32Array = new Uint32Array(1 << 12);
  private numSentences = 0;
  private documentOffsets: Uint32Array = new Uint32Array(1 << 10);
  private numDocuments = 0;

  constructor(options: ShardWriterOptions) {
    this.options = options;
    const capacity = 1 << 16;
    this.tokens = options.tokenBytes === 2 ? new Uint16Array(capacity) : new Uint32Array(capacity);
    this.wordStarts = new Uint8Array(capacity / 8);
  }

  /** Adds a sentence to the open document; one without tokens is left out. */
  sentence({ ids, wordStarts }: IdEncoding): void {
    const { length } = ids;
    if (length === 0) return;
    const start = this.numTokens;
    if (start + length > this.tokens.length) {
      this.tokens = grown(this.tokens, start + length);
      this.wordStarts = grown(this.wordStarts, Math.ceil(this.tokens.length / 8));
    }
    this.tokens.set(ids, start);
    const bits = this.wordStarts;
    for (let i = 0; i < length; i++) {
      const at = start + i;
      if (wordStarts[i] === 1) bits[at >>> 3]! |= 1 << (at & 7);
    }
    this.numTokens = start + length;
    this.numSentences++;
    if (this.numSentences >= this.sentenceOffsets.length) {
      this.sentenceOffsets = grown(this.sentenceOffsets, this.numSentences + 1);
    }
    this.sentenceOffsets[this.numSentences] = this.numTokens;
  }

  /** Ends the open document, and the shard when it is full; a document without sentences is left out. */
  async endDocument(): Promise<void> {
    if (this.documentOffsets[this.numDocuments] === this.numSentences) return;
    this.numDocuments++;
    if (this.numDocuments >= this.documentOffsets.length) {
      this.documentOffsets = grown(this.documentOffsets, this.numDocuments + 1);
    }
    this.documentOffsets[this.numDocuments] = this.numSentences;
    // The sections without header and alignment: near enough to decide, and quick to ask for every document.
    const { tokenBytes, shardBytes } = this.options;
    const bytes = this.numTokens * (tokenBytes + 1 / 8) + 4 * (this.numSentences + this.numDocuments);
    if (bytes >= shardBytes) await this.flush();
  }

  /** Writes the last shard, if anything is in it. */
  async finish(): Promise<void> {
    await this.endDocument();
    await this.flush();
  }

  private layout() {
    const { numTokens, numSentences, numDocuments } = this;
    return shardLayout({ tokenBytes: this.options.tokenBytes, numTokens, numSentences, numDocuments });
  }

  private async flush(): Promise<void> {
    if (this.numDocuments === 0) return;
    const layout = this.layout();
    const { numTokens, numSentences, numDocuments } = this;
    const file = `shard-${String(this.shards.length).padStart(5, "0")}.bin`;
    const sections: [number, Uint8Array][] = [
      [0, writeShardHeader(layout)],
      [layout.tokens, bytesOf(this.tokens.subarray(0, numTokens))],
      [layout.wordStarts, this.wordStarts.subarray(0, Math.ceil(numTokens / 8))],
      [layout.sentenceOffsets, bytesOf(this.sentenceOffsets.subarray(0, numSentences + 1))],
      [layout.documentOffsets, bytesOf(this.documentOffsets.subarray(0, numDocuments + 1))],
      [layout.bytes, new Uint8Array()],
    ];
    const hash = createHash("sha256");
    const handle = await open(join(this.options.folder, file), "wx");
    try {
      let end = 0;
      for (const [offset, bytes] of sections) {
        const gap = new Uint8Array(offset - end);
        hash.update(gap).update(bytes);
        await writeAll(handle, gap);
        await writeAll(handle, bytes);
        end = offset + bytes.length;
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
    this.shards.push({
      file,
      bytes: layout.bytes,
      sha256: hash.digest("hex"),
      numDocuments,
      numSentences,
      numTokens,
    });
    this.numTokens = 0;
    this.numSentences = 0;
    this.numDocuments = 0;
    this.wordStarts.fill(0);
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await handle.write(bytes, at)).bytesWritten;
}

/** The bytes of an array. Shards are little-endian, as is every machine that Node runs Firth on. */
function bytesOf(array: Uint16Array | Uint32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

function grown<A extends Uint8Array | Uint16Array | Uint32Array>(array: A, needed: number): A {
  const larger = new (array.constructor as new (length: number) => A)(Math.max(needed, Math.ceil(array.length * 1.5)));
  larger.set(array);
  return larger;
}
