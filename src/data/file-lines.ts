import { createReadStream } from "node:fs";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { DataError } from "../base/errors.ts";
import { checkEncoding, type DecodeOptions, decodeBlock } from "./encoding.ts";

/** A decoded part of a file that ends at a line end, at the end of the file, or inside an overlong line. */
export interface TextBlock {
  readonly text: string;
  /** Line number of the first line, from 1. */
  readonly line: number;
}

/** Bytes read at once. */
const readSize = 1 << 20;
/** A line longer than this (bytes) is given out in pieces, cut between characters. */
const longestLine = 1 << 22;

/**
 * The bytes of a file in order; a name that ends in `.gz` is unpacked on the way.
 * @throws {DataError} FILE_MISSING, FILE_UNREADABLE, GZIP_DAMAGED
 */
export async function* fileBytes(file: string): AsyncGenerator<Buffer> {
  const raw = createReadStream(file, { highWaterMark: readSize });
  const stream = file.endsWith(".gz")
    ? pipeline(raw, createGunzip({ chunkSize: readSize }), () => {
        // The reader below sees the same error; without a callback it would be thrown twice.
      })
    : raw;
  try {
    for await (const chunk of stream) yield chunk as Buffer;
  } catch (cause) {
    throw readError(file, cause);
  } finally {
    raw.destroy();
  }
}

function readError(file: string, cause: unknown): unknown {
  const code = (cause as NodeJS.ErrnoException).code ?? "";
  if (code === "ENOENT") {
    return new DataError("no such file. Check the name and the working folder.", {
      code: "FILE_MISSING",
      path: file,
      cause,
    });
  }
  if (/^Z_|^ERR_/.test(code) && file.endsWith(".gz")) {
    return new DataError(`cannot be unpacked: ${(cause as Error).message}. Is it complete, and really gzip?`, {
      code: "GZIP_DAMAGED",
      path: file,
      cause,
    });
  }
  if (!/^E[A-Z]+$/.test(code)) return cause;
  const message =
    code === "EISDIR"
      ? "is a folder, where a file is wanted. Name the file itself."
      : code === "EACCES" || code === "EPERM"
        ? "may not be read by this user. Change its permissions, or copy it."
        : `cannot be read: ${(cause as Error).message}. Check the disk and the name.`;
  return new DataError(message, { code: "FILE_UNREADABLE", path: file, cause });
}

/**
 * A file as decoded blocks of whole lines, without a byte order mark; line ends stay as they are.
 * @throws {DataError} as {@link fileBytes}, ENCODING_UNKNOWN, TEXT_IS_UTF16, TEXT_NOT_UTF8, TEXT_INVALID
 */
export function fileBlocks(file: string, options: DecodeOptions = {}): AsyncGenerator<TextBlock> {
  return decodedBlocks(file, fileBytes(file), options);
}

/** Bytes that come from anywhere, as the blocks of a file are. @param file what messages call it */
async function* decodedBlocks(
  file: string,
  source: AsyncIterable<Buffer>,
  options: DecodeOptions,
): AsyncGenerator<TextBlock> {
  checkEncoding(options.encoding ?? "utf-8", file);
  let rest: Buffer = Buffer.alloc(0);
  let byte = 0;
  let line = 1;
  let first = true;
  const take = (bytes: Buffer): TextBlock => {
    const text = decodeBlock(bytes, options, { file, byte, line });
    const block = { text: first ? text.replace(/^\uFEFF/, "") : text, line };
    first = false;
    byte += bytes.length;
    for (let at = bytes.indexOf(10); at !== -1; at = bytes.indexOf(10, at + 1)) line++;
    return block;
  };
  for await (const chunk of source) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    if (first) refuseUtf16(bytes, file);
    let end = bytes.lastIndexOf(10) + 1;
    if (end === 0 && bytes.length > longestLine) end = cutBetweenCharacters(bytes, options);
    if (end > 0) yield take(bytes.subarray(0, end));
    rest = bytes.subarray(end);
  }
  if (rest.length > 0) yield take(rest);
}

/**
 * Refuses a text that begins with the byte order mark of UTF-16.
 * @throws {DataError} TEXT_IS_UTF16
 */
export function refuseUtf16(bytes: Buffer, file: string): void {
  const [a, b] = bytes;
  if (!((a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff))) return;
  throw new DataError("text is UTF-16 (it begins with its byte order mark). Save it as UTF-8.", {
    code: "TEXT_IS_UTF16",
    path: file,
  });
}

/** A place near the end of an overlong line where no character is cut; 0 where none is found. */
export function cutBetweenCharacters(bytes: Buffer, options: DecodeOptions): number {
  const space = bytes.lastIndexOf(32);
  if (space > bytes.length / 2) return space + 1;
  const { encoding = "utf-8" } = options;
  let end = bytes.length;
  if (encoding === "utf-8") {
    // Back to the lead byte of the last character: at most 4 bytes.
    for (let back = 1; back <= 4; back++) if ((bytes[end - back]! & 0xc0) !== 0x80) return end - back;
  } else if (encoding === "gb18030") {
    // An ASCII control, space or punctuation mark below 0x30 is never part of a longer character.
    while (end > 0 && bytes[end - 1]! >= 0x30) end--;
    if (end === 0) return 0;
  }
  return end;
}

/** A line without its line end (`\n` or `\r\n`), or a piece of an overlong one. */
export interface TextLine {
  readonly text: string;
  /** From 1. */
  readonly line: number;
  /** False for a piece that the line goes on behind. */
  readonly isWhole: boolean;
}

/**
 * The lines of a file, with their numbers.
 * @throws {DataError} as {@link fileBlocks}
 */
export function fileLines(file: string, options: DecodeOptions = {}): AsyncGenerator<TextLine> {
  return linesIn(fileBlocks(file, options));
}

/**
 * Lines that each mean something as a whole: those of a file, or of bytes that come from elsewhere.
 * @param file what messages call it
 * @throws {DataError} LINE_TOO_LONG, and as {@link fileBlocks}
 */
export async function* wholeLines(
  file: string,
  options: DecodeOptions = {},
  bytes: AsyncIterable<Buffer> = fileBytes(file),
): AsyncGenerator<TextLine> {
  for await (const own of linesIn(decodedBlocks(file, bytes, options))) {
    if (own.isWhole) yield own;
    else {
      throw new DataError(
        `line ${own.line}: is longer than ${longestLine >> 20} MiB. Divide it, or check the file's line ends.`,
        { code: "LINE_TOO_LONG", path: file, details: { line: own.line } },
      );
    }
  }
}

async function* linesIn(blocks: AsyncIterable<TextBlock>): AsyncGenerator<TextLine> {
  let held: { text: string; line: number } | undefined;
  for await (const block of blocks) {
    let line = block.line;
    let at = 0;
    const { text } = block;
    for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n", at)) {
      const whole: string = held === undefined ? text.slice(at, end) : held.text + text.slice(at, end);
      yield { text: withoutReturn(whole), line: held?.line ?? line, isWhole: true };
      held = undefined;
      line++;
      at = end + 1;
    }
    if (at < text.length) {
      held = { text: (held?.text ?? "") + text.slice(at), line: held?.line ?? line };
      if (held.text.length >= longestLine / 2) {
        yield { ...held, isWhole: false };
        held = undefined;
      }
    }
  }
  if (held !== undefined) yield { text: withoutReturn(held.text), line: held.line, isWhole: true };
}

function withoutReturn(text: string): string {
  return text.endsWith("\r") ? text.slice(0, -1) : text;
}
