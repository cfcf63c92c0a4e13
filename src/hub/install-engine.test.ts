import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { failure } from "../../tests/support/failure.ts";
import { engineReleases } from "./engine-release.ts";
import { type InstallEngineOptions, installEngine } from "./install-engine.ts";

/** One record of a tar archive. */
function record(name: string, content: string | Uint8Array, kind = "0"): Buffer {
  const bytes = Buffer.from(content as string);
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write("0000644\0", 100);
  header.write(`${bytes.length.toString(8).padStart(11, "0")}\0`, 124);
  header.write("        ", 148);
  header.write(kind, 156);
  const sum = header.reduce((all, byte) => all + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return Buffer.concat([header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}

const end = Buffer.alloc(1024);
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const library = "a library ".repeat(1000);
const archive = gzipSync(
  Buffer.concat([
    record("LICENSE", "words"),
    record("dir/", "", "5"),
    record("lib/libother.so.2", "x".repeat(20_000)),
    record("link.so", "", "2"),
    record("./lib/libpjrt_cpu.so", library),
    end,
  ]),
);

let server: Server;
let url: string;
/** How the next answers differ from the archive as it is. */
let answer: (response: ServerResponse) => void;
let folder: string;

beforeAll(async () => {
  server = createServer((request, response) => {
    if (request.url === "/moved/a.tar.gz") return response.writeHead(302, { Location: "/a.tar.gz" }).end();
    return answer(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "firth-install-"));
  answer = (response) => response.writeHead(200, { "Content-Length": archive.length }).end(archive);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const engines = (): string => join(folder, "engines");

const install = (from: string, hash: string | undefined = sha256(archive), more: Partial<InstallEngineOptions> = {}) =>
  installEngine({ engineFolder: engines(), platform: "cpu", source: { from, sha256: hash }, ...more });

const installed = (): string => readFileSync(join(engines(), "cpu", "libpjrt_cpu.so"), "utf8");

describe("installEngine", () => {
  it("fetches, unpacks, and writes down where it came from", async () => {
    const progress: number[] = [];
    const from = `${url}/moved/a.tar.gz`;
    const result = await install(from, undefined, {
      source: { from, sha256: sha256(archive).toUpperCase(), release: "v1" },
      onProgress: (bytes, total) => progress.push(bytes / total),
    });
    expect(result).toEqual({ path: join(engines(), "cpu", "libpjrt_cpu.so"), sha256: sha256(archive), source: from });
    expect(installed()).toBe(library);
    expect(progress.at(-1)).toBe(1);
    expect(JSON.parse(readFileSync(join(engines(), "cpu", "plugin.json"), "utf8"))).toMatchObject({
      platform: "cpu",
      file: "libpjrt_cpu.so",
      source: from,
      sha256: sha256(archive),
      release: "v1",
    });
    // Neither the archive, nor links, nor the lock.
    expect(readdirSync(join(engines(), "cpu")).sort()).toEqual([
      "LICENSE",
      "libother.so.2",
      "libpjrt_cpu.so",
      "plugin.json",
    ]);
    expect(readdirSync(engines())).toEqual(["cpu"]);
  });

  // Catches a download that is kept, or replaces what worked, though it is not what was promised.
  it.each<[string, (response: ServerResponse) => void, string]>([
    [
      "is not what was promised",
      (response) => response.end(gzipSync(Buffer.concat([record("a.so", "bad"), end]))),
      "ENGINE_CHECKSUM",
    ],
    [
      "breaks off",
      (response) => {
        response.writeHead(200, { "Content-Length": archive.length });
        response.write(archive.subarray(0, 100), () => response.destroy());
      },
      "ENGINE_BROKEN_OFF",
    ],
    ["is absent", (response) => response.writeHead(404).end("nothing"), "ENGINE_FAILED"],
  ])("leaves what was there when the file %s", async (_, given, code) => {
    await install(`${url}/a.tar.gz`);
    answer = given;
    expect((await failure(install(`${url}/a.tar.gz`))).code).toBe(code);
    expect(installed()).toBe(library);
    expect(readdirSync(engines())).toEqual(["cpu"]);
  });

  it("stops when it is told to, and leaves nothing", async () => {
    const controller = new AbortController();
    answer = (response) => {
      response.writeHead(200, { "Content-Length": archive.length });
      response.write(archive.subarray(0, 100));
    };
    const running = install(`${url}/a.tar.gz`, undefined, {
      signal: controller.signal,
      onProgress: () => controller.abort(new Error("enough")),
    });
    await expect(running).rejects.toThrow("enough");
    expect(readdirSync(engines())).toEqual([]);
  });

  it("takes nothing over the network without a checksum, or without https", async () => {
    const source = { from: `${url}/a.tar.gz` };
    expect((await failure(install("", undefined, { source }))).code).toBe("ENGINE_CHECKSUM_MISSING");
    expect((await failure(install("http://example.org/a.tar.gz"))).code).toBe("ENGINE_ADDRESS");
    expect((await failure(install(`${url}/a.tar.gz`, "12"))).code).toBe("ENGINE_CHECKSUM");
    const nobody = "http://127.0.0.1:1/a.tar.gz";
    expect((await failure(install(nobody))).message).toContain("give it with --from");
  });

  it("takes a file of this machine, with or without a checksum", async () => {
    const file = join(folder, "libpjrt_cpu.so");
    writeFileSync(file, library);
    const source = { from: file };
    expect((await install("", undefined, { source })).sha256).toBe(sha256(Buffer.from(library)));
    expect(installed()).toBe(library);
    expect((await failure(install(file, "0".repeat(64)))).code).toBe("ENGINE_CHECKSUM");
    expect((await failure(install(join(folder, "absent.so")))).code).toBe("MISSING_FILE");
    expect((await failure(install(folder))).code).toBe("NOT_A_FILE");
  });

  // Catches an archive that is cut, is none, or writes outside of its folder.
  it.each<[string, Buffer, string]>([
    ["has no library", gzipSync(Buffer.concat([record("README", "words"), end])), "ENGINE_NO_LIBRARY"],
    ["is no archive", Buffer.from("words"), "ENGINE_DAMAGED"],
    ["is cut", archive.subarray(0, archive.length >> 1), "ENGINE_DAMAGED"],
    ["ends early", gzipSync(record("a.so", "x").subarray(0, 700)), "TAR_DAMAGED"],
    ["has a wrong record", gzipSync(Buffer.concat([record("a.so", "x").fill(1, 0, 3), end])), "TAR_DAMAGED"],
  ])("refuses an archive that %s", async (_, bytes, code) => {
    const file = join(folder, "a.tar.gz");
    writeFileSync(file, bytes);
    expect((await failure(install(file, sha256(bytes)))).code).toBe(code);
    expect(readdirSync(engines())).toEqual([]);
  });

  it("keeps files within the folder, long names too", async () => {
    const long = `${"deep/".repeat(30)}libpjrt_long.so`;
    const bytes = gzipSync(
      Buffer.concat([
        record("././@LongLink", `${long}\0`, "L"),
        record(long.slice(0, 99), library),
        record("../../outside.so", "x"),
        end,
      ]),
    );
    const file = join(folder, "a.tgz");
    writeFileSync(file, bytes);
    const { path } = await install(file, sha256(bytes));
    expect(path).toBe(join(engines(), "cpu", "libpjrt_long.so"));
    expect(readdirSync(folder).sort()).toEqual(["a.tgz", "engines"]);
  });

  it("waits for another installation, and goes on after one that was killed", async () => {
    const file = join(folder, "libpjrt_cpu.so");
    writeFileSync(file, library);
    const lock = join(engines(), "cpu.lock");
    mkdirSync(engines());
    writeFileSync(lock, JSON.stringify({ pid: process.pid, host: hostname() }));
    const error = await failure(install(file, undefined, { source: { from: file }, waitMs: 10 }));
    expect(error).toMatchObject({ code: "LOCKED", path: lock });
    writeFileSync(lock, JSON.stringify({ pid: 2 ** 22 + 1, host: hostname() }));
    mkdirSync(join(engines(), ".cpu.partial-0123456789ab"));
    await install(file, undefined, { source: { from: file }, waitMs: 10 });
    expect(readdirSync(engines())).toEqual(["cpu"]);
    const both = [1, 2].map(() => install(file, undefined, { source: { from: file } }));
    await Promise.all(both);
    expect(installed()).toBe(library);
  });
});

describe("engineReleases", () => {
  it("have one file for each machine, with a checksum of its own", () => {
    expect(new Set(engineReleases.map(({ sha256: hash }) => hash)).size).toBe(engineReleases.length);
    expect(new Set(engineReleases.map(({ platform, machine }) => `${platform} ${machine}`)).size).toBe(
      engineReleases.length,
    );
    for (const { url: address, sha256: hash } of engineReleases) {
      expect(address).toMatch(/^https:\/\/.*\.tar\.gz$/);
      expect(hash).toMatch(/^[0-9a-f]{64}$/);
    }
  });
});
