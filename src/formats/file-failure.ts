import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { CheckpointError, FirthError } from "../base/errors.ts";

/** The system's error name (ENOENT …) of a caught value, or undefined. */
export function systemCode(cause: unknown): string | undefined {
  if (cause instanceof FirthError) return undefined;
  return cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : undefined;
}

/** Turns a failed read into a CheckpointError: MISSING_FILE, NOT_A_FILE, NOT_READABLE or READ_FAILED. */
export function readFailure(cause: unknown, path: string): FirthError {
  if (cause instanceof FirthError) return cause;
  const system = systemCode(cause);
  const facts = { path, cause, details: { system } };
  switch (system) {
    case "ENOENT":
    case "ENOTDIR":
      return new CheckpointError("file does not exist. Check the path.", { ...facts, code: "MISSING_FILE" });
    case "EISDIR":
      return new CheckpointError("must be a file; it is a folder. Name the file itself.", {
        ...facts,
        code: "NOT_A_FILE",
      });
    case "EACCES":
    case "EPERM":
      return new CheckpointError("may not be read by this user. Change its permissions.", {
        ...facts,
        code: "NOT_READABLE",
      });
    default:
      return new CheckpointError(`could not be read; ${message(cause)}. Check the disk.`, {
        ...facts,
        code: "READ_FAILED",
      });
  }
}

/**
 * Turns a failed write into a CheckpointError: DISK_FULL, NOT_WRITABLE or WRITE_FAILED.
 *
 * @param neededBytes size of what was being written, where known
 */
export async function writeFailure(cause: unknown, path: string, neededBytes?: number): Promise<FirthError> {
  if (cause instanceof FirthError) return cause;
  const system = systemCode(cause);
  switch (system) {
    case "ENOSPC":
    case "EDQUOT":
    case "EFBIG":
      return diskFull(cause, path, neededBytes);
    case "EISDIR":
      return new CheckpointError("is a folder, where a file is to be written. Name a file.", {
        code: "NOT_WRITABLE",
        path,
        cause,
        details: { system },
      });
    case "EACCES":
    case "EPERM":
    case "EROFS":
    case "ENOTDIR":
    case "EEXIST":
    case "ENOENT":
      return new CheckpointError(`cannot be written; ${message(cause)}. Choose a folder that this user may write.`, {
        code: "NOT_WRITABLE",
        path,
        cause,
        details: { system },
      });
    default:
      return new CheckpointError(`could not be written; ${message(cause)}. What was there before is untouched.`, {
        code: "WRITE_FAILED",
        path,
        cause,
        details: { system },
      });
  }
}

/**
 * The error for a full disk; made once the partial copy is removed, it shows the space that there was for it.
 */
async function diskFull(cause: unknown, path: string, neededBytes: number | undefined): Promise<CheckpointError> {
  const freeBytes = await freeSpace(dirname(path));
  const needed = neededBytes === undefined ? "" : `; ${neededBytes} bytes needed`;
  const free = freeBytes === undefined ? "" : `${needed === "" ? ";" : ","} ${freeBytes} bytes free`;
  return new CheckpointError(
    `the disk is full${needed}${free}. What was there before is untouched; free some space or choose another folder.`,
    { code: "DISK_FULL", path, cause, details: { system: systemCode(cause), neededBytes, freeBytes } },
  );
}

/** Errors name what the caller asked for, not the temporary sibling or something inside it. */
export async function underFinalName(error: unknown, temporary: string, target: string): Promise<unknown> {
  if (!(error instanceof CheckpointError) || error.path === undefined) return error;
  const path = error.path.startsWith(temporary) ? target + error.path.slice(temporary.length) : error.path;
  const { code, details, cause } = error;
  if (code === "DISK_FULL") {
    const full = await diskFull(
      cause,
      target,
      typeof details.neededBytes === "number" ? details.neededBytes : undefined,
    );
    return new CheckpointError(full.message.slice(target.length + 2), { code, path, details: full.details, cause });
  }
  return path === error.path
    ? error
    : new CheckpointError(error.message.slice(error.path.length + 2), { code, path, details, cause });
}

function message(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

/** Bytes that this user may still write below a folder, or undefined where the system does not say. */
async function freeSpace(folder: string): Promise<number | undefined> {
  try {
    const facts = await statfs(folder);
    return facts.bavail * facts.bsize;
  } catch {
    return undefined;
  }
}
