import { isOnSide, type SplitSide, type TextDocument } from "./document.ts";
import { DocumentBuilder, type DocumentOptions } from "./document-builder.ts";
import { type DecodeOptions, decodeBlock } from "./encoding.ts";

/** Bytes of a text file that begin and end between documents (or inside an overlong one). */
export interface ByteBlock {
  readonly kind: "bytes";
  readonly bytes: Uint8Array;
  readonly file: string;
  /** Offset of the first byte in the file. */
  readonly byte: number;
  readonly startsFile: boolean;
  readonly options: DecodeOptions & DocumentOptions;
}

/** Texts that are a document each, their sentences not yet found. */
export interface CellBlock {
  readonly kind: "cells";
  readonly texts: readonly string[];
  readonly options: DocumentOptions;
}

/** Documents whose sentences are known. */
export interface ListBlock {
  readonly kind: "documents";
  readonly documents: readonly TextDocument[];
}

/** Some documents of a source as plain data that any thread can read; which documents, never depends on the reader. */
export type DocumentBlock = (ByteBlock | CellBlock | ListBlock) & {
  /** Only documents on all of these sides count. */
  readonly sides?: readonly SplitSide[];
};

/** What a block holds. */
export interface BlockContent {
  readonly documents: readonly TextDocument[];
  /** Line ends in a block of bytes. */
  readonly numLines: number;
}

/** About how many characters or bytes are put into a block. */
export const blockSize = 1 << 18;

/**
 * The documents of a block.
 * @param line number of the block's first line in its file, named in errors
 * @throws {DataError} TEXT_NOT_UTF8, TEXT_INVALID, naming file, line and byte
 */
export function readBlock(block: DocumentBlock, line: number): BlockContent {
  const content = readAll(block, line);
  const { sides } = block;
  if (sides === undefined) return content;
  return { ...content, documents: content.documents.filter((document) => sides.every((s) => isOnSide(document, s))) };
}

function readAll(block: DocumentBlock, line: number): BlockContent {
  if (block.kind === "bytes") return readBytes(block, line);
  if (block.kind === "documents") return { documents: block.documents, numLines: 0 };
  const documents: TextDocument[] = [];
  const builder = new DocumentBuilder({ ...block.options, documentEnd: "file" });
  for (const text of block.texts) {
    for (const part of text.split(/\r?\n/)) push(documents, builder.line(part));
    push(documents, builder.finish());
  }
  return { documents, numLines: 0 };
}

/** The text of a block of bytes; a byte order mark at the start of the file is left out. */
export function blockText({ bytes, file, byte, startsFile }: ByteBlock, options: DecodeOptions, line: number): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = decodeBlock(buffer, options, { file, byte, line });
  return startsFile && text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}

function readBytes(block: ByteBlock, line: number): BlockContent {
  const text = blockText(block, block.options, line);
  const documents: TextDocument[] = [];
  const builder = new DocumentBuilder(block.options);
  let numLines = 0;
  let at = 0;
  for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n", at)) {
    const isReturned = end > at && text.charCodeAt(end - 1) === 13;
    push(documents, builder.line(text.slice(at, isReturned ? end - 1 : end)));
    numLines++;
    at = end + 1;
  }
  if (at < text.length) push(documents, builder.line(text.endsWith("\r") ? text.slice(at, -1) : text.slice(at)));
  push(documents, builder.finish());
  return { documents, numLines };
}

function push(documents: TextDocument[], document: TextDocument | undefined): void {
  if (document !== undefined) documents.push(document);
}

/** The documents of all blocks in order. */
export async function* blockDocuments(blocks: AsyncIterable<DocumentBlock>): AsyncGenerator<TextDocument> {
  let line = 1;
  for await (const block of blocks) {
    if (startsFile(block)) line = 1;
    const { documents, numLines } = readBlock(block, line);
    line += numLines;
    yield* documents;
  }
}

/** Whether lines are counted anew from this block on. */
export function startsFile(block: DocumentBlock): boolean {
  return block.kind !== "bytes" || block.startsFile;
}

/** Documents gathered into blocks. */
export async function* documentBlocks(documents: AsyncIterable<TextDocument>): AsyncGenerator<DocumentBlock> {
  let held: TextDocument[] = [];
  let size = 0;
  for await (const document of documents) {
    held.push(document);
    for (const sentence of document) size += sentence.length;
    if (size < blockSize) continue;
    yield { kind: "documents", documents: held };
    held = [];
    size = 0;
  }
  if (held.length > 0) yield { kind: "documents", documents: held };
}
