import { DataError } from "../base/errors.ts";
import type { IdEncoding, Tokenizer } from "../tokenizers/tokenizer.ts";
import type { BlockContent } from "./document-block.ts";

/** How the documents of a block are encoded. */
export interface EncodeSettings {
  readonly tokenBytes: 2 | 4;
  /** Documents with fewer tokens are left out; so are those without any. */
  readonly minDocumentTokens: number;
}

/** The documents of a block as a shard stores them. Dims: T tokens, S sentences, D documents. */
export interface EncodedBlock {
  /** `[T]` */
  readonly tokens: Uint16Array | Uint32Array;
  /** `[⌈T/8⌉]`, a bit a token, lowest first: 1 where a word begins. */
  readonly wordStarts: Uint8Array;
  /** `[S]`, the number of tokens up to the end of each sentence. */
  readonly sentenceEnds: Uint32Array;
  /** `[D]`, the number of sentences up to the end of each document. */
  readonly documentEnds: Uint32Array;
  /** UTF-8 bytes of the sentences. */
  readonly textBytes: number;
  /** Line ends read. */
  readonly numLines: number;
}

/**
 * Tokenizes the documents of a block.
 * @throws {DataError} TOKEN_OUTSIDE_VOCABULARY
 */
export async function encodeBlock(
  { documents, numLines }: BlockContent,
  tokenizer: Tokenizer,
  { tokenBytes, minDocumentTokens }: EncodeSettings,
): Promise<EncodedBlock> {
  const sentences = documents.flat();
  const encodings = await tokenizer.encodeIds(sentences);
  const kept = keptDocuments(documents, encodings, Math.max(1, minDocumentTokens));
  const tokens = tokenBytes === 2 ? new Uint16Array(kept.numTokens) : new Uint32Array(kept.numTokens);
  const wordStarts = new Uint8Array(Math.ceil(kept.numTokens / 8));
  const sentenceEnds = new Uint32Array(kept.numSentences);
  const documentEnds = new Uint32Array(kept.ranges.length);
  let at = 0;
  let sentence = 0;
  let textBytes = 0;
  kept.ranges.forEach(({ from, end }, document) => {
    for (let i = from; i < end; i++) {
      const { ids, wordStarts: starts } = encodings[i]!;
      if (ids.length === 0) continue;
      checkIds(ids, tokenizer.vocabSize);
      tokens.set(ids, at);
      for (let k = 0; k < ids.length; k++, at++) if (starts[k] === 1) wordStarts[at >>> 3]! |= 1 << (at & 7);
      sentenceEnds[sentence++] = at;
      textBytes += Buffer.byteLength(sentences[i]!);
    }
    documentEnds[document] = sentence;
  });
  return { tokens, wordStarts, sentenceEnds, documentEnds, textBytes, numLines };
}

interface KeptDocuments {
  /** Sentences of each document that is kept, counted over the block. */
  readonly ranges: readonly { readonly from: number; readonly end: number }[];
  readonly numTokens: number;
  /** Sentences with tokens. */
  readonly numSentences: number;
}

function keptDocuments(
  documents: BlockContent["documents"],
  encodings: readonly IdEncoding[],
  leastTokens: number,
): KeptDocuments {
  const ranges: { from: number; end: number }[] = [];
  let numTokens = 0;
  let numSentences = 0;
  let end = 0;
  for (const document of documents) {
    const from = end;
    end += document.length;
    let tokens = 0;
    let sentences = 0;
    for (let i = from; i < end; i++) {
      const { length } = encodings[i]!.ids;
      tokens += length;
      if (length > 0) sentences++;
    }
    if (tokens < leastTokens) continue;
    ranges.push({ from, end });
    numTokens += tokens;
    numSentences += sentences;
  }
  return { ranges, numTokens, numSentences };
}

function checkIds(ids: Int32Array, vocabSize: number): void {
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i]!;
    if (id >= 0 && id < vocabSize) continue;
    throw new DataError(
      `the tokenizer gave the id ${id}, but says its vocabulary has ${vocabSize} entries. Use another.`,
      {
        code: "TOKEN_OUTSIDE_VOCABULARY",
      },
    );
  }
}
