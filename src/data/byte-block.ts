import { type ByteBlock, blockSize } from "./document-block.ts";
import type { DocumentOptions } from "./document-builder.ts";
import { checkEncoding, type DecodeOptions } from "./encoding.ts";
import { cutBetweenCharacters, fileBytes, refuseUtf16 } from "./file-lines.ts";

/** A document longer than this (bytes) is given out in parts, cut between paragraphs, lines or characters. */
const longestDocument = 1 << 21;

/** The bytes of a file, as many at a time as are asked for. */
class ByteWindow {
  private readonly chunks: AsyncIterator<Buffer>;
  private buffer = Buffer.alloc(0);
  private start = 0;
  private end = 0;
  private isEnded = false;

  constructor(file: string) {
    this.chunks = fileBytes(file)[Symbol.asyncIterator]();
  }

  /** The next `size` bytes, fewer only where the file ends; valid until the next call. */
  async peek(size: number): Promise<{ readonly bytes: Buffer; readonly isEnd: boolean }> {
    // One byte more than asked for, so that the end is known whatever the size of the chunks.
    while (this.end - this.start <= size && !this.isEnded) {
      const { done, value } = await this.chunks.next();
      if (done === true) this.isEnded = true;
      else this.append(value);
    }
    const stop = Math.min(this.end, this.start + size);
    return { bytes: this.buffer.subarray(this.start, stop), isEnd: this.isEnded && stop === this.end };
  }

  skip(size: number): void {
    this.start += size;
  }

  async close(): Promise<void> {
    await this.chunks.return?.();
  }

  private append(chunk: Buffer): void {
    const length = this.end - this.start;
    if (this.end + chunk.length > this.buffer.length) {
      const needed = length + chunk.length;
      const target = needed > this.buffer.length ? Buffer.allocUnsafe(2 * needed) : this.buffer;
      this.buffer.copy(target, 0, this.start, this.end);
      this.buffer = target;
      this.start = 0;
      this.end = length;
    }
    chunk.copy(this.buffer, this.end);
    this.end += chunk.length;
  }
}

/**
 * A text file as blocks of whole documents; where it is cut is a function of its bytes alone.
 * @throws {DataError} as `fileBytes`, ENCODING_UNKNOWN, TEXT_IS_UTF16
 */
export async function* byteBlocks(file: string, options: DecodeOptions & DocumentOptions): AsyncGenerator<ByteBlock> {
  checkEncoding(options.encoding ?? "utf-8", file);
  const window = new ByteWindow(file);
  try {
    for (let byte = 0; ; ) {
      const block = await nextBlock(window, options);
      if (block.length === 0) return;
      if (byte === 0) refuseUtf16(block, file);
      yield { kind: "bytes", bytes: new Uint8Array(block), file, byte, startsFile: byte === 0, options };
      byte += block.length;
      window.skip(block.length);
    }
  } finally {
    await window.close();
  }
}

async function nextBlock(window: ByteWindow, options: DecodeOptions & DocumentOptions): Promise<Buffer> {
  const { documentEnd = "blankLine" } = options;
  for (let size = documentEnd === "file" ? longestDocument : blockSize; ; size *= 2) {
    const { bytes, isEnd } = await window.peek(size);
    if (isEnd) return bytes;
    let cut = documentEnd === "line" ? bytes.lastIndexOf(10) + 1 : lastBlankLine(bytes);
    if (cut === 0 && size >= longestDocument) cut = bytes.lastIndexOf(10) + 1 || cutBetweenCharacters(bytes, options);
    if (cut > 0) return bytes.subarray(0, cut);
  }
}

/** The offset after the last blank line; 0 where there is none. */
function lastBlankLine(bytes: Buffer): number {
  let end = bytes.lastIndexOf(10);
  while (end > 0) {
    const previous = bytes.lastIndexOf(10, end - 1);
    let at = previous + 1;
    while (bytes[at] === 32 || bytes[at] === 9 || bytes[at] === 13) at++;
    if (at === end) return end + 1;
    end = previous;
  }
  return 0;
}
