import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { siblingModule } from "../../../base/sibling-module.ts";
import { FolderStore } from "./key-value-store.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "firth-store-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe("a store in a folder", () => {
  it("tells two processes the same, each value whole (bug: a value read while it is written)", async () => {
    const [count, bytes] = [8, 1 << 20];
    const { execArgv } = siblingModule("key-value-store", import.meta.url);
    const program = fileURLToPath(new URL("../../../../tests/support/store-peer.ts", import.meta.url));
    const child = spawn(process.execPath, [...execArgv, program, folder, String(count), String(bytes)]);
    const ended = new Promise((resolve) => child.on("close", resolve));
    const store = new FolderStore(folder);
    store.put("go", new Uint8Array());
    for (let i = 0; i < count; i++) {
      const value = store.get(`part:${i}`, 60_000);
      expect(value?.length).toBe(bytes);
      expect([value?.indexOf(i + 1), value?.findIndex((byte) => byte !== i + 1)]).toEqual([0, -1]);
    }
    expect(await ended).toBe(0);
    // What was written aside is gone.
    expect(readdirSync(folder)).toHaveLength(count + 1);
  }, 90_000);

  it("waits no longer than it is told, and keeps keys apart that no file could be called by", () => {
    const store = new FolderStore(folder);
    const began = performance.now();
    expect(store.get("nobody", 40)).toBeUndefined();
    expect(performance.now() - began).toBeGreaterThanOrEqual(35);
    const keys = ["../up", "a/b", "a:b", "a%2Fb", "é"];
    for (const [i, key] of keys.entries()) store.put(key, Uint8Array.of(i));
    expect(keys.map((key) => store.tryGet(key)?.[0])).toEqual([0, 1, 2, 3, 4]);
  });
});
