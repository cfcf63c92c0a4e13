import { randomBytes } from "node:crypto";
import { lstat, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { CheckpointError } from "../base/errors.ts";
import { type ByteSink, type FileDigest, writeThroughSink } from "./byte-sink.ts";
import { systemCode, underFinalName, writeFailure } from "./file-failure.ts";

const partialMark = ".partial-";
const replacedMark = ".replaced-";

/** A hidden sibling of `target` that no other writer uses. */
function siblingName(target: string, mark: string): string {
  return join(dirname(target), `.${basename(target)}${mark}${randomBytes(6).toString("hex")}`);
}

/** Makes renames inside a folder durable, where the system can. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (cause) {
    // Windows cannot open folders; some network file systems cannot flush them.
    if (!["EISDIR", "EPERM", "EACCES", "EINVAL", "ENOTSUP"].includes(systemCode(cause) ?? "")) throw cause;
  }
}

async function syncTree(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      await syncTree(path);
    } else if (entry.isFile()) {
      const handle = await open(path, "r+");
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    }
  }
  await syncFolder(folder);
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (cause) {
    if (systemCode(cause) === "ENOENT") return false;
    throw cause;
  }
}

/** How to write a file atomically. */
export interface AtomicFileOptions {
  /** The size to come, for the message when the disk is full. */
  readonly expectedBytes?: number;
}

/**
 * Writes a file so that readers see the old content or the whole new one, never a part.
 *
 * The bytes go to a hidden sibling, are flushed, and the sibling is renamed; on any failure it is removed.
 *
 * @param content the whole content, or a function that streams it
 * @throws {CheckpointError} DISK_FULL, NOT_WRITABLE, WRITE_FAILED
 */
export async function writeFileAtomic(
  path: string,
  content: string | Uint8Array | ((sink: ByteSink) => Promise<void>),
  options: AtomicFileOptions = {},
): Promise<FileDigest> {
  const target = resolve(path);
  const temporary = siblingName(target, partialMark);
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const produce = typeof bytes === "function" ? bytes : (sink: ByteSink) => sink.write(bytes);
  const expected = typeof bytes === "function" ? options.expectedBytes : bytes.length;
  try {
    await mkdir(dirname(target), { recursive: true });
    const digest = await writeThroughSink(temporary, produce, expected);
    await rename(temporary, target);
    await syncFolder(dirname(target));
    return digest;
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw await underFinalName(await writeFailure(cause, target, expected), temporary, target);
  }
}

/** How to write a folder atomically. */
export interface AtomicFolderOptions {
  /** What to do when the target is there already; "replace" keeps the old one until the new one is in place. */
  readonly existing?: "replace" | "fail";
  /** The size to come, for the message when the disk is full. */
  readonly expectedBytes?: number;
}

/**
 * Writes a folder so that its final name only ever shows a whole folder.
 *
 * `produce` fills a hidden sibling, whose files and folders are then flushed and which is renamed. On any failure the
 * sibling is removed and an old folder stays as it was.
 *
 * @throws {CheckpointError} OUTPUT_EXISTS, DISK_FULL, NOT_WRITABLE, WRITE_FAILED; and whatever `produce` throws of its own
 */
export async function writeFolderAtomic<T>(
  target: string,
  produce: (temporaryFolder: string) => Promise<T>,
  options: AtomicFolderOptions = {},
): Promise<T> {
  const finalFolder = resolve(target);
  const temporary = siblingName(finalFolder, partialMark);
  const refuseExisting = async (): Promise<boolean> => {
    if (!(await exists(finalFolder))) return false;
    if (options.existing !== "fail") return true;
    throw new CheckpointError("already exists. Choose another name, or remove it first.", {
      code: "OUTPUT_EXISTS",
      path: target,
    });
  };
  try {
    await refuseExisting();
    await mkdir(dirname(finalFolder), { recursive: true });
    await mkdir(temporary);
    const result = await produce(temporary);
    await syncTree(temporary);
    if (await refuseExisting()) await replaceFolder(temporary, finalFolder);
    else await rename(temporary, finalFolder);
    await syncFolder(dirname(finalFolder));
    return result;
  } catch (cause) {
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
    if (systemCode(cause) === undefined) throw await underFinalName(cause, temporary, target);
    throw await writeFailure(cause, target, options.expectedBytes);
  }
}

async function replaceFolder(temporary: string, finalFolder: string): Promise<void> {
  const old = siblingName(finalFolder, replacedMark);
  await rename(finalFolder, old);
  try {
    await rename(temporary, finalFolder);
  } catch (cause) {
    await rename(old, finalFolder);
    throw cause;
  }
  await rm(old, { recursive: true, force: true });
}

/**
 * Removes what killed writers left in a folder and brings back what one of them had set aside.
 *
 * Call it only for names that nobody else is writing, e.g. the checkpoints of one's own run.
 *
 * @param names which targets are meant
 * @returns names of the entries removed
 */
export async function removeLeftovers(folder: string, names: RegExp): Promise<string[]> {
  const removed: string[] = [];
  for (const name of (await readdir(folder)).sort()) {
    const match = /^\.(.+)\.(partial|replaced)-[0-9a-f]{12}$/.exec(name);
    if (match === null || !names.test(match[1]!)) continue;
    const path = join(folder, name);
    const original = join(folder, match[1]!);
    if (match[2] === "replaced" && !(await exists(original))) {
      await rename(path, original);
      continue;
    }
    await rm(path, { recursive: true, force: true });
    removed.push(name);
  }
  return removed;
}
