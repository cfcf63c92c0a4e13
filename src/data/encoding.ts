import { DataError } from "../base/errors.ts";

/** How the bytes of a text file spell characters. */
export type TextEncoding = "utf-8" | "latin1" | "windows-1252" | "gb18030";

/** How to read the bytes of a file. */
export interface DecodeOptions {
  /** `utf-8` unless given. */
  readonly encoding?: TextEncoding;
  /** What to do with bytes that the encoding does not allow: an error (default), or U+FFFD in their place. */
  readonly invalid?: "error" | "replace";
}

/** Where a block of bytes lies in its file. */
export interface BlockPlace {
  readonly file: string;
  /** Byte offset of the block's first byte. */
  readonly byte: number;
  /** Line number of the block's first line, from 1. */
  readonly line: number;
}

const windows1252High = "€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009dž" + "Ÿ";

/** Throws unless `encoding` is one that this module reads. */
export function checkEncoding(encoding: TextEncoding, where: string): void {
  if (encoding in { "utf-8": 1, latin1: 1, "windows-1252": 1, gb18030: 1 }) return;
  throw new DataError(`unknown encoding "${encoding}". Use utf-8, latin1, windows-1252 or gb18030.`, {
    code: "ENCODING_UNKNOWN",
    path: where,
  });
}

/**
 * Decodes a block that begins and ends between characters.
 * @throws {DataError} TEXT_NOT_UTF8 or TEXT_INVALID, naming file, line and byte
 */
export function decodeBlock(block: Buffer, options: DecodeOptions, place: BlockPlace): string {
  const { encoding = "utf-8", invalid = "error" } = options;
  if (encoding === "latin1") return block.toString("latin1");
  if (encoding === "windows-1252") {
    // TextDecoder's windows-1252 is wrong for 0x80–0x9F in some Node releases.
    return block.toString("latin1").replace(/[\u0080-\u009f]/g, (c) => windows1252High[c.charCodeAt(0) - 0x80]!);
  }
  try {
    return new TextDecoder(encoding, { fatal: invalid === "error", ignoreBOM: true }).decode(block);
  } catch (cause) {
    throw invalidText(block, encoding, place, cause);
  }
}

function invalidText(block: Buffer, encoding: TextEncoding, place: BlockPlace, cause: unknown): DataError {
  const bad = firstInvalidByte(block, encoding);
  let line = place.line;
  for (let at = block.indexOf(10); at !== -1 && at < bad; at = block.indexOf(10, at + 1)) line++;
  const byte = place.byte + bad;
  const hex = Array.from(block.subarray(bad, bad + 4), (value) => value.toString(16).padStart(2, "0")).join(" ");
  const fix =
    encoding === "utf-8"
      ? 'Set encoding to "latin1", "windows-1252" or "gb18030" if the file is in one of these, or invalid to "replace"'
      : 'Set encoding to the one the file is in, or invalid to "replace"';
  return new DataError(`text is not valid ${encoding}; line ${line}, byte ${byte} (${hex}). ${fix}.`, {
    code: encoding === "utf-8" ? "TEXT_NOT_UTF8" : "TEXT_INVALID",
    path: place.file,
    details: { line, byte, encoding },
    cause,
  });
}

/** Offset of the first byte sequence that the encoding does not allow. */
function firstInvalidByte(block: Buffer, encoding: TextEncoding): number {
  let lineStart = 0;
  while (lineStart < block.length) {
    const newline = block.indexOf(10, lineStart);
    const lineEnd = newline === -1 ? block.length : newline + 1;
    const line = block.subarray(lineStart, lineEnd);
    if (!decodes(line, encoding)) {
      const decoder = new TextDecoder(encoding, { fatal: true, ignoreBOM: true });
      let complete = 0;
      for (let i = 0; i < line.length; i++) {
        try {
          if (decoder.decode(line.subarray(i, i + 1), { stream: true }) !== "") complete = i + 1;
        } catch {
          break;
        }
      }
      return lineStart + complete;
    }
    lineStart = lineEnd;
  }
  return 0;
}

function decodes(line: Buffer, encoding: TextEncoding): boolean {
  try {
    new TextDecoder(encoding, { fatal: true }).decode(line);
    return true;
  } catch {
    return false;
  }
}
