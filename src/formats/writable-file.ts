import { randomBytes } from "node:crypto";
import { open, rm, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { systemCode, writeFailure } from "./file-failure.ts";

/** Whether a path is a folder. */
async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (cause) {
    if (systemCode(cause) === "ENOENT") return false;
    throw cause;
  }
}

/** Writes a file of no bytes under a name that nobody has, and removes it. */
async function tryFolder(folder: string): Promise<void> {
  const trial = join(folder, `.firth-${randomBytes(6).toString("hex")}`);
  await (await open(trial, "wx")).close();
  await rm(trial);
}

/**
 * Finds out before long work whether a file can be written at its end; leaves nothing, and makes no folder.
 * @throws {CheckpointError} NOT_WRITABLE where the path is a folder, or lies below a file or where this user may not write
 */
export async function requireWritableFile(path: string): Promise<void> {
  const target = resolve(path);
  try {
    if (await isFolder(target)) throw Object.assign(new Error("is a folder"), { code: "EISDIR" });
    // Folders that are missing are made with the file, in the first one that is there.
    let folder = dirname(target);
    while (folder !== dirname(folder) && !(await isFolder(folder))) folder = dirname(folder);
    await tryFolder(folder);
  } catch (cause) {
    throw await writeFailure(cause, path);
  }
}
