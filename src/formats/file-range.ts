import type { FileHandle } from "node:fs/promises";
import { CheckpointError } from "../base/errors.ts";
import { readFailure } from "./file-failure.ts";

/** A single call reads less than 2 GiB on every system. */
const readPieceBytes = 1 << 28;

/**
 * Fills `bytes` from a position of an open file.
 * @throws {CheckpointError} READ_FAILED; FILE_TRUNCATED when the file ends before
 */
export async function readRange(handle: FileHandle, bytes: Uint8Array, position: number, path: string): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const length = Math.min(readPieceBytes, bytes.length - done);
    const { bytesRead } = await handle.read(bytes, done, length, position + done).catch((cause: unknown) => {
      throw readFailure(cause, path);
    });
    if (bytesRead === 0) {
      throw new CheckpointError("became shorter while it was read. Another program is writing it: try again.", {
        code: "FILE_TRUNCATED",
        path,
      });
    }
    done += bytesRead;
  }
}
