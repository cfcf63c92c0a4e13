/** @file Files out of a tar archive, as a stream. */
import { createWriteStream } from "node:fs";
import { basename, join } from "node:path";
import { finished } from "node:stream/promises";
import { CheckpointError } from "../base/errors.ts";

const BLOCK = 512;

function refuse(path: string, message: string): never {
  throw new CheckpointError(`${message}. The archive is damaged or is none: fetch it again.`, {
    code: "TAR_DAMAGED",
    path,
  });
}

const text = (block: Uint8Array, from: number, bytes: number): string => {
  const field = block.subarray(from, from + bytes);
  const end = field.indexOf(0);
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end));
};

/** A number in octal digits, or in binary where it begins with 0x80. */
function number(block: Uint8Array, from: number, bytes: number, path: string): number {
  const field = block.subarray(from, from + bytes);
  if (field[0] === 0x80) return field.subarray(1).reduce((sum, byte) => sum * 256 + byte, 0);
  const digits = text(block, from, bytes).trim();
  if (!/^[0-7]+$/.test(digits)) refuse(path, `has ${JSON.stringify(digits)} where a number belongs`);
  return Number.parseInt(digits, 8);
}

/** The name of the next file, where a record before it says so (a long name of GNU or POSIX). */
function longName(kind: string, content: Uint8Array): string | undefined {
  if (kind === "L") return text(content, 0, content.length);
  return /\d+ path=(.*)\n/.exec(new TextDecoder().decode(content))?.[1];
}

/** Bytes in pieces, taken as they are wanted. */
class Reader {
  private readonly source: AsyncIterator<Uint8Array>;
  private rest: Uint8Array = new Uint8Array();

  constructor(source: AsyncIterable<Uint8Array>) {
    this.source = source[Symbol.asyncIterator]();
  }

  /** Up to `most` bytes; none at the end. */
  async some(most: number): Promise<Uint8Array> {
    while (this.rest.length === 0) {
      const next = await this.source.next();
      if (next.done === true) return this.rest;
      this.rest = next.value;
    }
    const taken = this.rest.subarray(0, most);
    this.rest = this.rest.subarray(taken.length);
    return taken;
  }

  async exactly(bytes: number): Promise<Uint8Array | undefined> {
    const whole = new Uint8Array(bytes);
    let at = 0;
    while (at < bytes) {
      const part = await this.some(bytes - at);
      if (part.length === 0) return undefined;
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }

  async end(): Promise<void> {
    while ((await this.some(BLOCK * 128)).length > 0);
  }
}

/**
 * Writes the files of an archive into a folder, without their own folders; links and devices are passed over.
 * @param where the archive, for messages
 * @param most bytes in all that are written
 * @returns names of the files, in the archive's order, with their sizes
 * @throws {CheckpointError} TAR_DAMAGED, TAR_TOO_LARGE
 */
export async function extractTar(
  archive: AsyncIterable<Uint8Array>,
  folder: string,
  where: string,
  most: number,
): Promise<readonly { readonly name: string; readonly bytes: number }[]> {
  const reader = new Reader(archive);
  const files: { name: string; bytes: number }[] = [];
  let named: string | undefined;
  let total = 0;
  for (;;) {
    const header = await reader.exactly(BLOCK);
    if (header === undefined) refuse(where, "ends before its last record");
    if (header.every((byte) => byte === 0)) break;
    const sum = header.reduce((all, byte, i) => all + (i >= 148 && i < 156 ? 32 : byte), 0);
    if (sum !== number(header, 148, 8, where)) refuse(where, "has a record whose checksum is wrong");
    const size = number(header, 124, 12, where);
    const kind = String.fromCharCode(header[156]!);
    const padding = (BLOCK - (size % BLOCK)) % BLOCK;
    total += size;
    if (total > most) {
      throw new CheckpointError(`unpacks to more than ${most} bytes. This is no plugin.`, {
        code: "TAR_TOO_LARGE",
        path: where,
      });
    }
    if (kind === "L" || kind === "x") {
      const content = await reader.exactly(size);
      if (content === undefined) refuse(where, "ends within a name");
      named = longName(kind, content) ?? named;
    } else {
      // Only the last part of a name counts: none leads out of the folder.
      const name = basename(named ?? text(header, 0, 100));
      named = undefined;
      const isFile = (kind === "0" || kind === "\0") && !/^(\.{0,2}|.*[\\\0].*)$/.test(name);
      await copy(reader, size, isFile ? join(folder, name) : undefined, where);
      if (isFile) files.push({ name, bytes: size });
    }
    if ((await reader.exactly(padding)) === undefined) refuse(where, "ends within a file");
  }
  await reader.end();
  return files;
}

async function copy(reader: Reader, size: number, target: string | undefined, where: string): Promise<void> {
  const stream = target === undefined ? undefined : createWriteStream(target, { flags: "wx", mode: 0o644 });
  const written = stream === undefined ? undefined : finished(stream);
  // A failure is met below, by whoever waits.
  written?.catch(() => undefined);
  for (let left = size; left > 0; ) {
    const part = await reader.some(Math.min(left, 1 << 20));
    if (part.length === 0) {
      stream?.destroy();
      refuse(where, "ends within a file");
    }
    left -= part.length;
    if (stream?.write(part) === false && !stream.destroyed) {
      await Promise.race([new Promise<void>((resolve) => stream.once("drain", () => resolve())), written]);
    }
  }
  stream?.end();
  await written;
}
