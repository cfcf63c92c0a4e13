/** @file Zip archives whose entries are stored as they are, read by range: what PyTorch writes. */
import type { FileHandle } from "node:fs/promises";
import { CheckpointError } from "../base/errors.ts";
import { readRange } from "./file-range.ts";

/** One entry of an archive. */
export interface ZipEntry {
  readonly name: string;
  readonly size: number;
  /** Where its local header begins; the bytes follow it. */
  readonly headerAt: number;
}

/** Largest directory that is read; one of PyTorch has about 100 bytes a tensor. */
const maxDirectoryBytes = 1 << 28;
const endBytes = 22;
const maxCommentBytes = 0xffff;

/** Where a zip's numbers lie that do not fit 32 bits. */
const overflow32 = 0xffffffff;
const overflow16 = 0xffff;

function refuse(path: string, message: string): never {
  throw new CheckpointError(`${message} The archive is damaged or was cut off: fetch it again.`, {
    code: "ZIP_DAMAGED",
    path,
  });
}

async function viewOf(handle: FileHandle, begin: number, length: number, path: string): Promise<DataView> {
  const bytes = new Uint8Array(length);
  await readRange(handle, bytes, begin, path);
  return new DataView(bytes.buffer);
}

/** A 64-bit number that must be a place or a size within the file. */
function within(value: bigint, fileBytes: number, what: string, path: string): number {
  if (value > BigInt(fileBytes)) refuse(path, `${what} is ${value}, but the file holds ${fileBytes} bytes.`);
  return Number(value);
}

interface Directory {
  readonly begin: number;
  readonly bytes: number;
  readonly count: number;
}

async function findDirectory(handle: FileHandle, fileBytes: number, path: string): Promise<Directory> {
  const tailBytes = Math.min(fileBytes, endBytes + maxCommentBytes);
  const tail = await viewOf(handle, fileBytes - tailBytes, tailBytes, path);
  let at = tailBytes - endBytes;
  // The comment at the very end may hold anything, this mark too: its length tells.
  const isEnd = (place: number): boolean =>
    tail.getUint32(place, true) === 0x06054b50 && place + endBytes + tail.getUint16(place + 20, true) === tailBytes;
  while (at >= 0 && !isEnd(at)) at--;
  if (at < 0) refuse(path, "has no zip directory at its end.");
  const count = tail.getUint16(at + 10, true);
  const bytes = tail.getUint32(at + 12, true);
  const begin = tail.getUint32(at + 16, true);
  if (count !== overflow16 && bytes !== overflow32 && begin !== overflow32) return { begin, bytes, count };
  const locatorAt = at - 20;
  if (locatorAt < 0 || tail.getUint32(locatorAt, true) !== 0x07064b50) return { begin, bytes, count };
  const recordAt = within(tail.getBigUint64(locatorAt + 8, true), fileBytes, "the place of the zip64 record", path);
  if (recordAt + 56 > fileBytes) refuse(path, `the zip64 record begins at byte ${recordAt}, too near to the end.`);
  const record = await viewOf(handle, recordAt, 56, path);
  if (record.getUint32(0, true) !== 0x06064b50) refuse(path, `there is no zip64 record at byte ${recordAt}.`);
  return {
    count: within(record.getBigUint64(32, true), fileBytes, "the number of entries", path),
    bytes: within(record.getBigUint64(40, true), fileBytes, "the directory's size", path),
    begin: within(record.getBigUint64(48, true), fileBytes, "the directory's place", path),
  };
}

/** Sizes and places of an entry that did not fit 32 bits: extra field 1, in this order, only those that overflowed. */
function zip64Numbers(extra: DataView, fields: readonly number[], fileBytes: number, path: string): number[] {
  if (!fields.includes(overflow32)) return [...fields];
  let at = 0;
  while (at + 4 <= extra.byteLength) {
    const [kind, length] = [extra.getUint16(at, true), extra.getUint16(at + 2, true)];
    at += 4;
    if (kind !== 1) {
      at += length;
      continue;
    }
    return fields.map((field) => {
      if (field !== overflow32) return field;
      if (at + 8 > extra.byteLength) refuse(path, "an entry's zip64 numbers are cut off.");
      at += 8;
      return within(extra.getBigUint64(at - 8, true), fileBytes, "an entry's size or place", path);
    });
  }
  return [...fields];
}

/**
 * The entries of an archive, by name, from its directory.
 * @throws {CheckpointError} ZIP_DAMAGED; ZIP_COMPRESSED for entries that are packed or encrypted
 * @source the format's specification (APPNOTE 6.3), zip64 included
 */
export async function readZipDirectory(
  handle: FileHandle,
  fileBytes: number,
  path: string,
): Promise<ReadonlyMap<string, ZipEntry>> {
  if (fileBytes < endBytes) refuse(path, `holds ${fileBytes} bytes; the end of a zip alone takes ${endBytes}.`);
  const { begin, bytes, count } = await findDirectory(handle, fileBytes, path);
  if (begin + bytes > fileBytes || bytes > maxDirectoryBytes) {
    refuse(path, `its directory of ${bytes} bytes at byte ${begin} does not fit the file of ${fileBytes} bytes.`);
  }
  const directory = await viewOf(handle, begin, bytes, path);
  const entries = new Map<string, ZipEntry>();
  const decoder = new TextDecoder();
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + 46 > bytes || directory.getUint32(at, true) !== 0x02014b50) {
      refuse(path, `its directory names ${count} entries, but ends after ${i}.`);
    }
    const [flags, method] = [directory.getUint16(at + 8, true), directory.getUint16(at + 10, true)];
    const lengths = [28, 30, 32].map((field) => directory.getUint16(at + field, true)) as [number, number, number];
    const [nameBytes, extraBytes, commentBytes] = lengths;
    const next = at + 46 + nameBytes + extraBytes + commentBytes;
    if (next > bytes) refuse(path, `entry ${i} of its directory is cut off.`);
    const name = decoder.decode(new Uint8Array(directory.buffer, at + 46, nameBytes));
    const extra = new DataView(directory.buffer, at + 46 + nameBytes, extraBytes);
    const given = [24, 20, 42].map((field) => directory.getUint32(at + field, true));
    const [size, packed, headerAt] = zip64Numbers(extra, given, fileBytes, path) as [number, number, number];
    if (method !== 0 || (flags & 1) !== 0) {
      throw new CheckpointError(
        `entry ${JSON.stringify(name)} is ${method === 0 ? "encrypted" : "compressed"}; PyTorch stores entries as they are. Save it with torch.save, or convert it to safetensors.`,
        { code: "ZIP_COMPRESSED", path, details: { entry: name, method } },
      );
    }
    if (size !== packed) refuse(path, `entry ${JSON.stringify(name)} has two sizes: ${size} and ${packed}.`);
    if (entries.has(name)) refuse(path, `entry ${JSON.stringify(name)} occurs twice.`);
    entries.set(name, { name, size, headerAt });
    at = next;
  }
  return entries;
}

/**
 * Where the bytes of an entry begin.
 * @throws {CheckpointError} ZIP_DAMAGED
 */
export async function zipDataStart(
  handle: FileHandle,
  entry: ZipEntry,
  fileBytes: number,
  path: string,
): Promise<number> {
  const { name, size, headerAt } = entry;
  if (headerAt + 30 > fileBytes) refuse(path, `entry ${JSON.stringify(name)} begins behind the end of the file.`);
  const header = await viewOf(handle, headerAt, 30, path);
  if (header.getUint32(0, true) !== 0x04034b50) refuse(path, `entry ${JSON.stringify(name)} has no header.`);
  // Its own extra field may differ from the directory's: PyTorch pads it so that the bytes are aligned.
  const begin = headerAt + 30 + header.getUint16(26, true) + header.getUint16(28, true);
  if (begin + size > fileBytes) {
    refuse(path, `entry ${JSON.stringify(name)} of ${size} bytes begins at byte ${begin} of ${fileBytes}.`);
  }
  return begin;
}
