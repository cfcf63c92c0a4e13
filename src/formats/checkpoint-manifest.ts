import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { CheckpointError } from "../base/errors.ts";
import type { FileDigest } from "./byte-sink.ts";
import { readFailure, systemCode } from "./file-failure.ts";
import { readJsonObject } from "./json-file.ts";
import { isJsonObject } from "./json-text.ts";

/** Written last: a checkpoint without it is not complete. */
export const manifestName = "manifest.json";
/** Raised when older programs could no longer read a checkpoint. */
export const checkpointFormatVersion = 1;

/** What a complete checkpoint consists of. */
export interface CheckpointManifest {
  readonly formatVersion: number;
  readonly step: number;
  readonly files: Readonly<Record<string, FileDigest>>;
}

function broken(path: string, message: string): CheckpointError {
  return new CheckpointError(`${message} Resume from another checkpoint.`, { code: "CHECKPOINT_BROKEN", path });
}

/**
 * Reads a checkpoint's manifest.
 * @throws {CheckpointError} CHECKPOINT_BROKEN, CHECKPOINT_VERSION, JSON_INVALID
 */
export async function readManifest(folder: string): Promise<CheckpointManifest> {
  const path = join(folder, manifestName);
  const json = await readJsonObject(path).catch((cause: unknown) => {
    if (cause instanceof CheckpointError && cause.code === "MISSING_FILE") {
      throw broken(folder, `is not complete: ${manifestName} is missing.`);
    }
    throw cause;
  });
  const { formatVersion, step, files } = json;
  if (typeof formatVersion !== "number" || typeof step !== "number" || !isJsonObject(files)) {
    throw broken(path, "is not a checkpoint manifest.");
  }
  if (formatVersion !== checkpointFormatVersion) {
    throw new CheckpointError(
      `has format version ${formatVersion}; this program reads ${checkpointFormatVersion}. Use the version of Firth that wrote it.`,
      { code: "CHECKPOINT_VERSION", path: folder },
    );
  }
  const digests: Record<string, FileDigest> = {};
  for (const [name, entry] of Object.entries(files)) {
    if (
      !isJsonObject(entry) ||
      typeof entry.bytes !== "number" ||
      typeof entry.sha256 !== "string" ||
      /[/\\]/.test(name)
    ) {
      throw broken(path, `says nothing usable about ${name}.`);
    }
    digests[name] = { bytes: entry.bytes, sha256: entry.sha256 };
  }
  return { formatVersion, step, files: digests };
}

/** Size and SHA-256 of a file on disk. */
export async function digestFile(path: string): Promise<FileDigest> {
  const hash = createHash("sha256");
  let bytes = 0;
  try {
    for await (const piece of createReadStream(path, { highWaterMark: 4 * 1024 * 1024 })) {
      hash.update(piece);
      bytes += piece.length;
    }
  } catch (cause) {
    throw readFailure(cause, path);
  }
  return { bytes, sha256: hash.digest("hex") };
}

/**
 * Compares a checkpoint's files with its manifest.
 *
 * @param depth "sizes" is instant; "contents" reads everything and finds any changed byte
 * @throws {CheckpointError} CHECKPOINT_BROKEN naming the file
 */
export async function verifyFiles(
  folder: string,
  manifest: CheckpointManifest,
  depth: "sizes" | "contents",
): Promise<void> {
  for (const [name, expected] of Object.entries(manifest.files)) {
    const facts = await stat(join(folder, name)).catch((cause: unknown) => {
      if (systemCode(cause) === "ENOENT") throw broken(folder, `${name} is missing.`);
      throw readFailure(cause, join(folder, name));
    });
    if (facts.size !== expected.bytes) {
      throw broken(folder, `${name} holds ${facts.size} bytes; ${expected.bytes} were written.`);
    }
  }
  if (depth === "sizes") return;
  for (const [name, expected] of Object.entries(manifest.files)) {
    const found = await digestFile(join(folder, name));
    if (found.sha256 !== expected.sha256) throw broken(folder, `${name} is damaged: its bytes are not those written.`);
  }
}
