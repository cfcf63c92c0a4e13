/** @file What processes of one training tell each other before their devices do: a key–value store. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pid } from "node:process";

/** Keys and values that all processes of a training share. Every call may come from native code: it answers at once or waits. */
export interface KeyValueStore {
  /** Waits until somebody has put the key; undefined when that takes longer. */
  get(key: string, timeoutMs: number): Uint8Array | undefined;
  tryGet(key: string): Uint8Array | undefined;
  put(key: string, value: Uint8Array): void;
}

/** How often a process looks whether a key is there. */
const LOOK_MS = 5;

/** A store in a folder that all processes see, on one machine or on a shared file system. */
export class FolderStore implements KeyValueStore {
  private readonly folder: string;
  private readonly clock = new Int32Array(new SharedArrayBuffer(4));

  /** @param folder empty, and another one for every training */
  constructor(folder: string) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true });
  }

  get(key: string, timeoutMs: number): Uint8Array | undefined {
    const end = performance.now() + timeoutMs;
    for (;;) {
      const found = this.tryGet(key);
      if (found !== undefined || performance.now() >= end) return found;
      Atomics.wait(this.clock, 0, 0, LOOK_MS);
    }
  }

  tryGet(key: string): Uint8Array | undefined {
    try {
      return new Uint8Array(readFileSync(this.path(key)));
    } catch {
      return undefined;
    }
  }

  /** Writes aside and renames, so that nobody reads a part. */
  put(key: string, value: Uint8Array): void {
    const temporary = `${this.path(key)}.${pid}.${Math.trunc(performance.now() * 1000)}`;
    writeFileSync(temporary, value);
    renameSync(temporary, this.path(key));
  }

  private path(key: string): string {
    return join(this.folder, `${encodeURIComponent(key)}.value`);
  }
}
