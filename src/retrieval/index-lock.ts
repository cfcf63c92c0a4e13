/** @file The lock of an index: one process at a time changes it, any may read it. */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { constants, copyFile, readFile, rename, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { kill, pid } from "node:process";
import { setTimeout as wait } from "node:timers/promises";
import { CheckpointError } from "../base/errors.ts";
import { systemCode, writeFailure } from "../formats/file-failure.ts";

const FILE = "writer.lock";
/** Times that a lock which others take or free meanwhile is tried again, and the pause between, in milliseconds. */
const ATTEMPTS = 40;
const PAUSE = 25;

/** Who changes an index, as the lock's file says it. */
export interface LockHolder {
  readonly pid: number;
  readonly host: string;
  /** When it began, by ISO 8601. */
  readonly since: string;
  /** Tells a process from a later one of the same number; null where the system does not say. */
  readonly birth: string | null;
  /** Differs for every lock. */
  readonly token: string;
}

/** The right to change an index; free it when done. */
export interface IndexLock {
  /** @throws {CheckpointError} INDEX_LOCK_LOST where somebody took it away */
  check(): Promise<void>;
  /** Frees it; further calls do nothing. */
  release(): Promise<void>;
}

/** Whether a name in an index's folder is the lock's. */
export function isLockFile(name: string): boolean {
  return name === FILE || name.startsWith(`${FILE}.`);
}

/** State and time of birth of a process of this machine, where the system says them (Linux: proc(5), `stat`). */
function processFacts(id: number): { readonly state: string; readonly birth: string } | undefined {
  try {
    const text = readFileSync(`/proc/${id}/stat`, "utf8");
    // The name in brackets may hold anything.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { state: fields[0]!, birth: fields[19]! };
  } catch {
    return undefined;
  }
}

/** Whether the process of a lock surely runs no more; false for one of another machine. */
function isGone({ pid: id, host, birth }: LockHolder): boolean {
  if (host !== hostname()) return false;
  try {
    kill(id, 0);
  } catch (cause) {
    if (systemCode(cause) === "ESRCH") return true;
  }
  const facts = processFacts(id);
  if (facts === undefined) return false;
  // A process that was killed is a zombie until its parent has asked for it.
  return facts.state === "Z" || facts.state === "X" || (birth !== null && facts.birth !== birth);
}

function isHolder(value: unknown): value is LockHolder {
  const { pid: id, host, since, token } = (value ?? {}) as Partial<Record<keyof LockHolder, unknown>>;
  return Number.isInteger(id) && [host, since, token].every((text) => typeof text === "string");
}

/** What a lock's file says: undefined where there is none, null where it is not (yet) written whole. */
async function readHolder(path: string): Promise<LockHolder | null | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    if (systemCode(cause) === "ENOENT") return undefined;
    throw cause;
  }
  try {
    const value: unknown = JSON.parse(text);
    return isHolder(value) ? value : null;
  } catch {
    return null;
  }
}

/** Makes the file, unless there is one. */
async function take(path: string, own: LockHolder): Promise<boolean> {
  try {
    await writeFile(path, `${JSON.stringify(own)}\n`, { flag: "wx" });
    return true;
  } catch (cause) {
    if (systemCode(cause) === "EEXIST") return false;
    throw await writeFailure(cause, path);
  }
}

/** Removes the lock of a dead process; one that another process has put in its place meanwhile is put back. */
async function clear(path: string, dead: LockHolder): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
  } catch (cause) {
    if (systemCode(cause) === "ENOENT") return;
    throw await writeFailure(cause, path);
  }
  const found = await readHolder(aside);
  if (found?.token !== dead.token) await copyFile(aside, path, constants.COPYFILE_EXCL).catch(() => undefined);
  await rm(aside, { force: true });
}

function refuse(folder: string, holder: LockHolder | null): never {
  const path = join(folder, FILE);
  const who =
    holder === null ? "somebody" : `process ${holder.pid} on ${holder.host} since ${holder.since.slice(0, 19)}Z`;
  const own = holder !== null && holder.pid === pid && holder.host === hostname() ? " (this program itself)" : "";
  throw new CheckpointError(
    `is being changed by ${who}${own}; one at a time may. Wait until that has ended; if it does not run any more, remove ${path}.`,
    { code: "INDEX_LOCKED", path: folder, details: { ...holder, lock: path } },
  );
}

/**
 * Takes the lock of an index. That of a process of this machine that runs no more is taken over.
 * @param folder the index's, which must exist
 * @throws {CheckpointError} INDEX_LOCKED naming the process that has it, NOT_WRITABLE, DISK_FULL
 */
export async function lockIndex(folder: string): Promise<IndexLock> {
  const path = join(folder, FILE);
  const own: LockHolder = {
    pid,
    host: hostname(),
    since: new Date().toISOString(),
    birth: processFacts(pid)?.birth ?? null,
    token: randomUUID(),
  };
  let holder: LockHolder | null | undefined;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (await take(path, own)) return heldLock(folder, own.token);
    holder = await readHolder(path);
    if (holder && !isGone(holder)) refuse(folder, holder);
    if (holder) await clear(path, holder);
    else await wait(PAUSE);
  }
  return refuse(folder, holder ?? null);
}

function heldLock(folder: string, token: string): IndexLock {
  const path = join(folder, FILE);
  const isOwn = async (): Promise<boolean> => (await readHolder(path))?.token === token;
  return {
    check: async () => {
      if (await isOwn()) return;
      throw new CheckpointError(
        `the lock ${path} was taken away while the index was being changed. What was written stays; see that nobody else changes it, and run the same command again.`,
        { code: "INDEX_LOCK_LOST", path: folder },
      );
    },
    release: async () => {
      if (await isOwn()) await rm(path, { force: true });
    },
  };
}
