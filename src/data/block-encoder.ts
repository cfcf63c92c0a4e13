import type { Tokenizer } from "../tokenizers/tokenizer.ts";
import { type DocumentBlock, readBlock, startsFile } from "./document-block.ts";
import { type EncodedBlock, type EncodeSettings, encodeBlock } from "./encode-block.ts";

/** Encodes the blocks of one corpus. */
export interface BlockEncoder {
  /** How many blocks to hand in before waiting for the first. */
  readonly blocksAhead: number;
  /**
   * Encodes a block; blocks must be handed in in their order, so that errors name the right line.
   * @throws {DataError} those of `readBlock` and `encodeBlock`
   */
  encode(block: DocumentBlock): Promise<EncodedBlock>;
  close(): Promise<void>;
}

/** Encodes on the calling thread; a tokenizer with threads of its own works while the next block is read. */
export function inlineEncoder(tokenizer: Tokenizer, settings: EncodeSettings): BlockEncoder {
  let line = 1;
  return {
    blocksAhead: 2,
    async encode(block) {
      if (startsFile(block)) line = 1;
      const content = readBlock(block, line);
      line += content.numLines;
      return encodeBlock(content, tokenizer, settings);
    },
    async close() {},
  };
}
