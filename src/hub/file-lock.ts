/** @file One process at a time: a file that says who is at work. */
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { kill, pid } from "node:process";
import { setTimeout } from "node:timers/promises";
import { CheckpointError } from "../base/errors.ts";
import { systemCode, writeFailure } from "../formats/file-failure.ts";

/** How often a waiting process looks again. */
const LOOK_MS = 200;

interface Owner {
  readonly pid: number;
  readonly host: string;
}

/** Who holds a lock; undefined when nobody does or it cannot be read. */
async function ownerOf(path: string): Promise<Owner | undefined> {
  try {
    const owner = JSON.parse(await readFile(path, "utf8")) as Partial<Owner>;
    return typeof owner.pid === "number" && typeof owner.host === "string"
      ? { pid: owner.pid, host: owner.host }
      : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a process of this machine has ended; one of another machine is taken to live. */
function hasEnded(owner: Owner): boolean {
  if (owner.host !== hostname()) return false;
  try {
    // Signal 0 asks, and does nothing.
    kill(owner.pid, 0);
    return false;
  } catch (cause) {
    return systemCode(cause) === "ESRCH";
  }
}

async function tryLock(path: string): Promise<boolean> {
  try {
    const handle = await open(path, "wx");
    try {
      await handle.writeFile(JSON.stringify({ pid, host: hostname() } satisfies Owner));
    } finally {
      await handle.close();
    }
    return true;
  } catch (cause) {
    if (systemCode(cause) === "EEXIST") return false;
    throw await writeFailure(cause, path);
  }
}

/** Takes a dead process's lock away. Of several that see it dead, one succeeds in renaming it. */
async function removeDead(path: string): Promise<void> {
  const aside = `${path}.${pid}.dead`;
  await rename(path, aside).then(
    () => rm(aside, { force: true }),
    () => undefined,
  );
}

/**
 * Runs work while no other process does that names the same lock.
 * @param waitMs how long to wait for another process
 * @throws {CheckpointError} LOCKED
 */
export async function withFileLock<T>(path: string, waitMs: number, work: () => Promise<T>): Promise<T> {
  await mkdir(dirname(path), { recursive: true }).catch(async (cause: unknown) => {
    throw await writeFailure(cause, dirname(path));
  });
  const end = performance.now() + waitMs;
  while (!(await tryLock(path))) {
    const owner = await ownerOf(path);
    if (owner !== undefined && hasEnded(owner)) {
      await removeDead(path);
      continue;
    }
    if (performance.now() >= end) {
      const who = owner === undefined ? "another process" : `process ${owner.pid} on ${owner.host}`;
      throw new CheckpointError(`${who} is at work here. Wait for it; if it is gone, remove this file.`, {
        code: "LOCKED",
        path,
        details: { ...owner },
      });
    }
    await setTimeout(LOOK_MS);
  }
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}
