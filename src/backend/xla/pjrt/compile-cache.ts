/** @file Compiled programs kept in a folder, so that the next start of the same program compiles nothing. */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pid } from "node:process";

/** A folder of compiled programs. Nothing of it matters: what cannot be read or written is compiled again. */
export class CompileCache {
  private readonly folder: string;
  private readonly facts: readonly unknown[];

  /** @param facts what a compiled program depends on, beside its text and options: plugin, version, kind of device */
  constructor(folder: string, facts: readonly unknown[]) {
    this.folder = folder;
    this.facts = facts;
  }

  key(text: string, options: Uint8Array): string {
    const hash = createHash("sha256").update(JSON.stringify(this.facts)).update("\0").update(text).update("\0");
    return hash.update(options).digest("hex");
  }

  read(key: string): Uint8Array | undefined {
    try {
      const file = readFileSync(this.path(key));
      // The first bytes are the hash of the others, so that a damaged file is not given to native code.
      const [expected, bytes] = [file.subarray(0, 32), file.subarray(32)];
      if (!createHash("sha256").update(bytes).digest().equals(expected)) return undefined;
      // Memory of its own, at its beginning.
      return Uint8Array.from(bytes);
    } catch {
      return undefined;
    }
  }

  /** Writes aside and renames, so that no other process reads a part. */
  write(key: string, bytes: Uint8Array): void {
    const temporary = `${this.path(key)}.${pid}.${Math.trunc(performance.now() * 1000)}`;
    try {
      mkdirSync(this.folder, { recursive: true, mode: 0o700 });
      const hash = createHash("sha256").update(bytes).digest();
      writeFileSync(temporary, Buffer.concat([hash, bytes]), { mode: 0o600 });
      renameSync(temporary, this.path(key));
    } catch {
      rmSync(temporary, { force: true });
    }
  }

  private path(key: string): string {
    return join(this.folder, `${key}.xla`);
  }
}
