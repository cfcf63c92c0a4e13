import { BackendError } from "../../../base/errors.ts";
import type { Address } from "./function-table.ts";
import type { System } from "./library.ts";

const PAGE = 4096;
const HUGE_PAGE = 2 * 1024 * 1024;

/** Zeroed memory of this thread that native code works on; pages that are never touched cost nothing. */
export interface NativeBlock {
  readonly buffer: ArrayBuffer;
  /** Where the block begins in the buffer. */
  readonly byteOffset: number;
  readonly byteLength: number;
  /** The block's first byte, on a page boundary; valid while the buffer is referenced. */
  readonly address: Address;
}

/** @throws {BackendError} OUT_OF_MEMORY */
export function allocateBlock(system: System, byteLength: number, what: string): NativeBlock {
  const boundary = byteLength >= HUGE_PAGE ? HUGE_PAGE : PAGE;
  try {
    const buffer = new ArrayBuffer(byteLength + boundary);
    const start = system.addressOf(buffer);
    const byteOffset = (boundary - (start % boundary)) % boundary;
    const address = start + byteOffset;
    if (boundary === HUGE_PAGE) system.adviseHugePages(address, Math.floor(byteLength / HUGE_PAGE) * HUGE_PAGE);
    return { buffer, byteOffset, byteLength, address };
  } catch (cause) {
    throw new BackendError(`${byteLength} bytes for ${what} cannot be reserved. Use a smaller model or batch.`, {
      code: "OUT_OF_MEMORY",
      path: "onednn",
      details: { bytes: byteLength },
      cause,
    });
  }
}
