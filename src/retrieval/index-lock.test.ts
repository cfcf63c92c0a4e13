import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { execPath, pid } from "node:process";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { lockIndex } from "./index-lock.ts";

let folder = "";
let file = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "firth-lock-"));
  file = join(folder, "writer.lock");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const holder = { pid, host: hostname(), since: "2026-01-02T03:04:05.678Z", birth: null, token: "other" };
const put = (changes: object) => writeFile(file, JSON.stringify({ ...holder, ...changes }));

/** The number of a process that ran and ended. */
async function deadProcess(): Promise<number> {
  const child = spawn(execPath, ["-e", ""]);
  await new Promise((resolve) => child.on("close", resolve));
  return child.pid!;
}

describe("lockIndex", () => {
  it("lets one in at a time, and the next when that is done (catches a lock that is never freed)", async () => {
    const first = await lockIndex(folder);
    await expect(lockIndex(folder)).rejects.toMatchObject({ code: "INDEX_LOCKED" });
    await expect(lockIndex(folder)).rejects.toThrow(`by process ${pid} on ${hostname()} since 20`);
    await first.check();
    await first.release();
    expect(existsSync(file)).toBe(false);
    const second = await lockIndex(folder);
    // Freed twice: it must not free the second one's.
    await first.release();
    await second.check();
    await second.release();
  });

  it("lets one of many in that come at once (catches a look before the leap)", async () => {
    const dead = await deadProcess();
    for (let round = 0; round < 10; round++) {
      // Also where all of them find the lock of a dead process.
      if (round % 2 === 1) await put({ pid: dead, token: `dead ${round}` });
      const tried = await Promise.allSettled(Array.from({ length: 8 }, () => lockIndex(folder)));
      const held = tried.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
      const kept = (await Promise.allSettled(held.map((lock) => lock.check()))).filter(
        ({ status }) => status === "fulfilled",
      );
      expect(kept).toHaveLength(1);
      for (const lock of held) await lock.release();
      expect(existsSync(file)).toBe(false);
    }
  });

  it("takes over from a process that runs no more, not from one that does or is elsewhere", async () => {
    await put({ pid: await deadProcess() });
    await (await lockIndex(folder)).release();
    await put({});
    await expect(lockIndex(folder)).rejects.toThrow(`if it does not run any more, remove ${file}`);
    await put({ pid: await deadProcess(), host: "another-machine" });
    await expect(lockIndex(folder)).rejects.toThrow("on another-machine since 2026-01-02T03:04:05Z");
    expect(JSON.parse(await readFile(file, "utf8"))).toMatchObject({ host: "another-machine" });
  });

  it.skipIf(!existsSync("/proc/self/stat"))("knows a process from a later one of its number", async () => {
    await put({ birth: "1" });
    await (await lockIndex(folder)).release();
  });

  it("refuses a file that says nothing, and tells when its lock was taken away", async () => {
    await writeFile(file, "");
    await expect(lockIndex(folder)).rejects.toMatchObject({ code: "INDEX_LOCKED" });
    await rm(file);
    const lock = await lockIndex(folder);
    await put({});
    await expect(lock.check()).rejects.toMatchObject({ code: "INDEX_LOCK_LOST" });
    await lock.release();
    expect(existsSync(file)).toBe(true);
  });
});
