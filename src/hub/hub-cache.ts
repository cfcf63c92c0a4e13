/**
 * @file The cache of downloaded files, as all of Hugging Face's libraries lay it out, so that they share it:
 * `models--OWNER--NAME/` holds `blobs/HASH`, `snapshots/COMMIT/FILE` (links to blobs), and `refs/REVISION` (a commit).
 */
import { copyFile, mkdir, readFile, rm, stat, symlink } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { writeFileAtomic } from "../formats/atomic.ts";
import { systemCode } from "../formats/file-failure.ts";
import type { HubFile } from "./hub-client.ts";
import type { HubModel } from "./hub-name.ts";

async function sizeOf(path: string): Promise<number | undefined> {
  return stat(path).then(
    (facts) => (facts.isFile() ? facts.size : undefined),
    () => undefined,
  );
}

/** One model's part of a cache folder. */
export class HubCache {
  private readonly folder: string;
  private readonly model: HubModel;

  constructor(cacheFolder: string, model: HubModel) {
    this.folder = join(cacheFolder, ["models", ...model.name.split("/")].join("--"));
    this.model = model;
  }

  /** Where a commit's files are, or will be. */
  snapshot(commit: string): string {
    return join(this.folder, "snapshots", commit);
  }

  private get refPath(): string {
    return join(this.folder, "refs", ...this.model.revision.split("/"));
  }

  /** The commit that the revision was at when it was last asked for; undefined when it never was. */
  async commit(): Promise<string | undefined> {
    const { revision } = this.model;
    if (/^[0-9a-f]{40}$/.test(revision)) return revision;
    const text = await readFile(this.refPath, "utf8").catch(() => "");
    return /^[0-9a-f]{40}\s*$/.test(text) ? text.trim() : undefined;
  }

  /** Remembers which commit the revision is at. */
  async remember(commit: string): Promise<void> {
    if (this.model.revision !== commit) await writeFileAtomic(this.refPath, commit);
  }

  /** Whether a whole copy of a file is there. */
  async has(file: HubFile, commit: string): Promise<boolean> {
    return (await sizeOf(join(this.snapshot(commit), file.path))) === file.size;
  }

  /** Adds a file to a commit's snapshot. @param fetch writes its content to a path, whole or not at all */
  async add(file: HubFile, commit: string, fetch: (target: string) => Promise<void>): Promise<void> {
    const blob = join(this.folder, "blobs", file.hash);
    if ((await sizeOf(blob)) !== file.size) await fetch(blob);
    const pointer = join(this.snapshot(commit), file.path);
    await mkdir(dirname(pointer), { recursive: true });
    await rm(pointer, { force: true });
    try {
      await symlink(relative(dirname(pointer), blob), pointer);
    } catch (cause) {
      // Some systems let only administrators make links.
      if (!["EPERM", "ENOSYS", "ENOTSUP", "EACCES"].includes(systemCode(cause) ?? "")) throw cause;
      await copyFile(blob, pointer);
    }
  }
}
