import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { writeFailure } from "./file-failure.ts";

/** Size and SHA-256 (hexadecimal) of a written file. */
export interface FileDigest {
  readonly bytes: number;
  readonly sha256: string;
}

/** Takes a file's bytes in order. */
export interface ByteSink {
  /** Appends bytes; they may be changed once the promise settles, not before. */
  write(bytes: ArrayBufferView): Promise<void>;
}

/** Large arrays go out in pieces, so that hashing one piece overlaps writing it. */
const pieceBytes = 8 * 1024 * 1024;

async function writeFully(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  let done = 0;
  while (done < bytes.length) done += (await handle.write(bytes, done, bytes.length - done)).bytesWritten;
}

/**
 * Writes a file through a sink, then flushes it to the disk; not atomic (see `writeFileAtomic`).
 *
 * @param expectedBytes the size to come, for the message when the disk is full
 * @throws {CheckpointError} DISK_FULL, NOT_WRITABLE, WRITE_FAILED
 */
export async function writeThroughSink(
  path: string,
  produce: (sink: ByteSink) => Promise<void>,
  expectedBytes?: number,
): Promise<FileDigest> {
  const hash = createHash("sha256");
  let total = 0;
  const guard = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (cause) {
      throw await writeFailure(cause, path, expectedBytes);
    }
  };
  const handle = await guard(open(path, "w"));
  try {
    await produce({
      async write(view) {
        for (let from = 0; from < view.byteLength; from += pieceBytes) {
          const length = Math.min(pieceBytes, view.byteLength - from);
          const piece = new Uint8Array(view.buffer, view.byteOffset + from, length);
          const written = guard(writeFully(handle, piece));
          hash.update(piece);
          await written;
          total += length;
        }
      },
    });
    await guard(sync(handle));
  } finally {
    await handle.close();
  }
  return { bytes: total, sha256: hash.digest("hex") };
}

/** Flushes a file; devices and pipes, which cannot, are let through. */
async function sync(handle: FileHandle): Promise<void> {
  try {
    await handle.sync();
  } catch (cause) {
    if (!(cause instanceof Error && "code" in cause && (cause.code === "EINVAL" || cause.code === "ENOTSUP")))
      throw cause;
  }
}
