/** @file Brings a plugin into the folder where engines are looked for: whole and checked, or not at all. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { copyFile, rm, stat, writeFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { createGunzip } from "node:zlib";
import { CheckpointError } from "../base/errors.ts";
import { removeLeftovers, writeFolderAtomic } from "../formats/atomic.ts";
import { writeThroughSink } from "../formats/byte-sink.ts";
import { readFailure, systemCode } from "../formats/file-failure.ts";
import { withFileLock } from "./file-lock.ts";
import { extractTar } from "./tar.ts";

/** Where a plugin comes from. */
export interface EngineSource {
  /** An address (https) or a path of this machine. */
  readonly from: string;
  /** What the bytes must hash to. May only be left out for files of this machine. */
  readonly sha256?: string | undefined;
  /** Name of the release, for the note. */
  readonly release?: string | undefined;
}

export interface InstallEngineOptions {
  /** Where engines are installed. */
  readonly engineFolder: string;
  readonly platform: string;
  readonly source: EngineSource;
  readonly signal?: AbortSignal;
  /** Told how many bytes have come, and how many will; 0 where the server does not say. */
  readonly onProgress?: (bytes: number, totalBytes: number) => void;
  /** How long to wait for another installation. */
  readonly waitMs?: number;
}

/** A plugin that was installed. */
export interface InstalledEngine {
  readonly path: string;
  readonly sha256: string;
  readonly source: string;
}

/** Twice what the largest plugin takes today. */
const MOST_BYTES = 2 ** 31;
const WAIT_MS = 120_000;

const isAddress = (from: string): boolean => /^https?:\/\//.test(from);
const isLibrary = (name: string): boolean => /\.(so(\.\d+)*|dylib)$/.test(name);

function refuse(code: string, path: string, message: string, cause?: unknown): never {
  throw new CheckpointError(message, { code, path, cause });
}

/** Whether an address is of this machine, where nobody listens in. */
function isOwn(url: URL): boolean {
  return ["127.0.0.1", "localhost", "[::1]"].includes(url.hostname);
}

async function answerOf(from: string, signal: AbortSignal | undefined): Promise<Response> {
  const url = new URL(from);
  if (url.protocol !== "https:" && !isOwn(url)) {
    refuse("ENGINE_ADDRESS", from, "plugins are fetched through https. Correct the address.");
  }
  let response: Response;
  try {
    response = await fetch(url, { redirect: "follow", ...(signal === undefined ? {} : { signal }) });
  } catch (cause) {
    signal?.throwIfAborted();
    const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
    const said = inner instanceof Error ? inner.message : String(inner);
    refuse(
      "ENGINE_UNREACHABLE",
      from,
      `cannot be reached; ${said}. Check the network, or fetch the file elsewhere and give it with --from.`,
      cause,
    );
  }
  if (response.ok && response.body !== null) return response;
  await response.body?.cancel();
  return refuse("ENGINE_FAILED", from, `the server answered with status ${response.status}. Check the address.`);
}

/** Writes what an address gives to a file, and tells its hash. */
async function download(options: InstallEngineOptions, target: string): Promise<string> {
  const { from } = options.source;
  const response = await answerOf(from, options.signal);
  const expected = Number(response.headers.get("content-length") ?? 0);
  const reader = response.body!.getReader();
  let bytes = 0;
  const digest = await writeThroughSink(
    target,
    async (sink) => {
      for (;;) {
        const part = await reader.read().catch((cause: unknown) => {
          options.signal?.throwIfAborted();
          return refuse("ENGINE_BROKEN_OFF", from, `broke off after ${bytes} of ${expected} bytes. Try again.`, cause);
        });
        if (part.done) return;
        bytes += part.value.length;
        // A server that never ends must not fill the disk.
        if (bytes > MOST_BYTES) {
          await reader.cancel().catch(() => undefined);
          refuse("ENGINE_TOO_LARGE", from, `is larger than ${MOST_BYTES} bytes. This is no plugin.`);
        }
        await sink.write(part.value);
        options.onProgress?.(bytes, expected);
      }
    },
    expected > 0 ? expected : undefined,
  );
  return digest.sha256;
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  try {
    for await (const part of createReadStream(path)) hash.update(part as Uint8Array);
  } catch (cause) {
    throw readFailure(cause, path);
  }
  return hash.digest("hex");
}

function requireHash({ from, sha256 }: EngineSource, found: string): void {
  if (sha256 === undefined || sha256.toLowerCase() === found) return;
  refuse(
    "ENGINE_CHECKSUM",
    from,
    `has the SHA-256 ${found}, not ${sha256.toLowerCase()} as expected. It arrived damaged or was replaced: nothing was installed. Try again; if it stays, take the file from where you trust it, with --from FILE.`,
  );
}

/** The plugin among files: the one whose name says so, or the largest library. */
function pluginAmong(files: readonly { readonly name: string; readonly bytes: number }[], where: string): string {
  const libraries = files.filter(({ name }) => isLibrary(name)).sort((a, b) => b.bytes - a.bytes);
  const plugin = libraries.find(({ name }) => /pjrt|plugin/i.test(name)) ?? libraries[0];
  if (plugin === undefined) {
    const names = files.map(({ name }) => name).join(", ");
    refuse("ENGINE_NO_LIBRARY", where, `holds no library (.so, .dylib); it has ${names || "no files"}.`);
  }
  return plugin.name;
}

/** Unpacks an archive, or takes a library as it is. @returns the plugin's name in the folder */
async function unpack(file: string, name: string, folder: string, where: string): Promise<string> {
  if (isLibrary(name)) {
    await copyFile(file, join(folder, name));
    return name;
  }
  if (!/\.(tar\.gz|tgz)$/.test(name)) {
    refuse("ENGINE_KIND", where, "must be a library (.so, .dylib) or an archive (.tar.gz). Unpack it first.");
  }
  const packed = createReadStream(file);
  const stream = packed.pipe(createGunzip());
  packed.on("error", (error) => stream.destroy(error));
  try {
    return pluginAmong(await extractTar(stream, folder, where, MOST_BYTES), where);
  } catch (cause) {
    if (cause instanceof Error && systemCode(cause)?.startsWith("Z_") === true) {
      refuse("ENGINE_DAMAGED", where, `does not unpack; ${cause.message}. Fetch it again.`, cause);
    }
    throw cause;
  } finally {
    packed.destroy();
  }
}

/**
 * Installs a plugin: what is fetched is hashed and compared before anything is unpacked, and the folder shows the old plugin or
 * the whole new one. One process installs at a time; what was interrupted leaves nothing.
 *
 * @throws {CheckpointError} ENGINE_CHECKSUM, ENGINE_CHECKSUM_MISSING, ENGINE_ADDRESS, ENGINE_UNREACHABLE, ENGINE_FAILED,
 * ENGINE_BROKEN_OFF, ENGINE_TOO_LARGE, ENGINE_NO_LIBRARY, ENGINE_KIND, ENGINE_DAMAGED, TAR_DAMAGED, LOCKED, MISSING_FILE, DISK_FULL, …;
 * the reason of `signal` where it stopped the download
 */
export async function installEngine(options: InstallEngineOptions): Promise<InstalledEngine> {
  const { engineFolder, platform, source, waitMs = WAIT_MS } = options;
  const { from, sha256, release } = source;
  const isRemote = isAddress(from);
  if (sha256 !== undefined && !/^[0-9a-f]{64}$/i.test(sha256)) {
    refuse("ENGINE_CHECKSUM", "sha256", `must be 64 hexadecimal digits; got ${JSON.stringify(sha256)}.`);
  }
  if (isRemote && sha256 === undefined) {
    refuse("ENGINE_CHECKSUM_MISSING", from, "what comes over the network needs a checksum. Give it with --sha256.");
  }
  const origin = isRemote ? from : resolve(from);
  const folder = join(engineFolder, platform);
  return withFileLock(join(engineFolder, `${platform}.lock`), waitMs, async () => {
    // What a killed installation left: nobody else is at work here now.
    await removeLeftovers(engineFolder, new RegExp(`^${platform}$`));
    return writeFolderAtomic(folder, async (temporary) => {
      const name = basename(isRemote ? new URL(from).pathname : origin);
      const fetched = isRemote ? join(temporary, ".download") : origin;
      if (
        !isRemote &&
        (await stat(origin).catch((cause: unknown) => Promise.reject(readFailure(cause, from)))).isDirectory()
      ) {
        refuse("NOT_A_FILE", from, "must be a file; it is a folder. Name the file itself.");
      }
      const found = isRemote ? await download(options, fetched) : await hashOf(origin);
      requireHash(source, found);
      const file = await unpack(fetched, name, temporary, from);
      if (isRemote) await rm(fetched);
      const installedAt = new Date().toISOString();
      const note = { platform, file, source: origin, sha256: found, release, installedAt };
      await writeFile(join(temporary, "plugin.json"), `${JSON.stringify(note, null, 2)}\n`);
      options.signal?.throwIfAborted();
      return { path: join(folder, file), sha256: found, source: origin };
    });
  });
}
