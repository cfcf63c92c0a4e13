import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import type { EncodedBlock } from "./encode-block.ts";
import type { ShardEntry } from "./manifest.ts";
import { appendDocuments, clearShard, emptyShard, type ShardArrays, tokensBefore } from "./shard-arrays.ts";
import { shardLayout, writeShardHeader } from "./shard-layout.ts";

/** Settings of a {@link ShardWriter}. */
export interface ShardWriterOptions {
  readonly folder: string;
  readonly tokenBytes: 2 | 4;
  /** A shard is closed after the document that brings it to this size. */
  readonly shardBytes: number;
}

/** Fills shards in memory and writes each one out when it is full; holds one shard, and one more while it is written. */
export class ShardWriter {
  readonly shards: ShardEntry[] = [];
  private readonly options: ShardWriterOptions;
  private shard: ShardArrays;
  /** Memory of a shard that is written, for the next. */
  private spare: ShardArrays | undefined;
  /** The shard before, on its way to the disk. */
  private writing: Promise<void> = Promise.resolve();
  private numShards = 0;

  constructor(options: ShardWriterOptions) {
    this.options = options;
    this.shard = emptyShard(options.tokenBytes);
  }

  /** Adds the documents of a block. */
  async add(block: EncodedBlock): Promise<void> {
    const { tokenBytes, shardBytes } = this.options;
    const { documentEnds } = block;
    const fullTokens = Math.ceil(shardBytes / (tokenBytes + 1 / 8)) + (1 << 16);
    let first = 0;
    for (let end = 1; end <= documentEnds.length; end++) {
      const numTokens = this.shard.numTokens + tokensBefore(block, end) - tokensBefore(block, first);
      const numSentences = this.shard.numSentences + documentEnds[end - 1]! - (documentEnds[first - 1] ?? 0);
      const numDocuments = this.shard.numDocuments + end - first;
      // The sections without header and alignment: near enough to decide, and quick to ask for every document.
      const isFull = numTokens * (tokenBytes + 1 / 8) + 4 * (numSentences + numDocuments) >= shardBytes;
      if (!isFull && end < documentEnds.length) continue;
      appendDocuments(this.shard, block, first, end, fullTokens);
      first = end;
      if (isFull) await this.flush();
    }
  }

  /** Writes the last shard, if anything is in it, and waits for all. */
  async finish(): Promise<void> {
    await this.flush();
    await this.writing;
  }

  /** Waits until nothing is being written any more, whether it went well or not. */
  async settle(): Promise<void> {
    await this.writing.catch(() => undefined);
  }

  private async flush(): Promise<void> {
    if (this.shard.numDocuments === 0) return;
    await this.writing;
    const full = this.shard;
    this.shard = this.spare ?? emptyShard(this.options.tokenBytes);
    this.spare = undefined;
    this.writing = this.write(full, this.numShards++);
    // Whoever waits for it next sees a failure.
    this.writing.catch(() => undefined);
  }

  private async write(shard: ShardArrays, index: number): Promise<void> {
    const { numTokens, numSentences, numDocuments } = shard;
    const layout = shardLayout({ tokenBytes: this.options.tokenBytes, numTokens, numSentences, numDocuments });
    const file = `shard-${String(index).padStart(5, "0")}.bin`;
    const sections: [number, Uint8Array][] = [
      [0, writeShardHeader(layout)],
      [layout.tokens, bytesOf(shard.tokens.subarray(0, numTokens))],
      [layout.wordStarts, shard.wordStarts.subarray(0, Math.ceil(numTokens / 8))],
      [layout.sentenceOffsets, bytesOf(shard.sentenceOffsets.subarray(0, numSentences + 1))],
      [layout.documentOffsets, bytesOf(shard.documentOffsets.subarray(0, numDocuments + 1))],
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
    const sha256 = hash.digest("hex");
    this.shards.push({ file, bytes: layout.bytes, sha256, numDocuments, numSentences, numTokens });
    clearShard(shard);
    this.spare = shard;
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await handle.write(bytes, at)).bytesWritten;
}

/** The bytes of an array. Shards are little-endian, as is every machine that Node runs Firth on. */
function bytesOf(array: Uint16Array | Uint32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
