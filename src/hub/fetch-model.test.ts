import { mkdtempSync, readFileSync } from "node:fs";
import { lstat, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { failure } from "../../tests/support/failure.ts";
import { CheckpointError } from "../base/errors.ts";
import { fetchModel } from "./fetch-model.ts";
import { parseHubName } from "./hub-name.ts";
import { FakeHub, fakeCommit } from "./testing.ts";

const fixture = (name: string): Buffer =>
  readFileSync(fileURLToPath(new URL(`../../tests/fixtures/bert/${name}`, import.meta.url)));

const config = fixture("pretraining/config.json");
const weights = fixture("pretraining/model.safetensors");
const sharded = Object.fromEntries(
  [
    "config.json",
    "model.safetensors.index.json",
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
  ].map((name) => [name, fixture(`sequence-classification-sharded/${name}`)]),
);
const [first, second, tagged] = [fakeCommit("first"), fakeCommit("second"), fakeCommit("tagged")];
const files = {
  "config.json": config,
  "vocab.txt": "[PAD]\n",
  "README.md": "# Read",
  "model.safetensors": weights,
  "pytorch_model.bin": new Uint8Array(9000),
  "tf_model.h5": new Uint8Array(9000),
};

let hub: FakeHub;
let cacheFolder: string;
beforeAll(async () => {
  hub = await FakeHub.start({
    "owner/tiny": {
      revisions: { main: second, v1: tagged },
      commits: { [first]: files, [second]: files, [tagged]: { ...files, "vocab.txt": "[UNK]\n" } },
    },
    old: { revisions: { main: first }, commits: { [first]: sharded } },
    "owner/gated": { revisions: { main: first }, commits: { [first]: files }, gated: true },
    "owner/flax": {
      revisions: { main: first },
      commits: { [first]: { "config.json": "{}", "flax_model.msgpack": "x" } },
    },
    "owner/torn": {
      revisions: { main: first },
      commits: { [first]: { ...sharded, "model-00002-of-00002.safetensors": "" } },
    },
    "owner/escape": {
      revisions: { main: first },
      commits: {
        [first]: { "config.json": "{}", "model.safetensors.index.json": '{"weight_map": {"a": "../../../stolen"}}' },
      },
    },
    "owner/bare": { revisions: { main: first }, commits: { [first]: { "model.safetensors": weights } } },
  });
});
afterAll(() => hub.stop());
beforeEach(() => {
  cacheFolder = mkdtempSync(join(tmpdir(), "firth-hub-"));
  hub.requests.length = 0;
  hub.tokens.clear();
});
afterEach(async () => {
  for (const fault of Object.keys(hub.faults)) delete hub.faults[fault as keyof typeof hub.faults];
  await rm(cacheFolder, { recursive: true, force: true });
});

const fetchNamed = (name: string, options: Parameters<typeof fetchModel>[1] = {}) =>
  fetchModel(parseHubName(name), { hubUrl: hub.url, cacheFolder, ...options });

/** Every file below a folder that holds content, temporary ones included. */
async function contents(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
}

describe("a model on the hub", () => {
  it("comes with what is needed and no more, and lies as Hugging Face's libraries expect it", async () => {
    const { folder, commit } = await fetchNamed("hub:owner/tiny");
    expect(commit).toBe(second);
    expect(folder).toBe(join(cacheFolder, "models--owner--tiny", "snapshots", second));
    expect((await readdir(folder)).sort()).toEqual(["config.json", "model.safetensors", "vocab.txt"]);
    expect(await readFile(join(folder, "model.safetensors"))).toEqual(weights);
    expect((await lstat(join(folder, "vocab.txt"))).isSymbolicLink()).toBe(true);
    expect(await readFile(join(cacheFolder, "models--owner--tiny", "refs", "main"), "utf8")).toBe(second);
    expect(hub.requests.join("\n")).not.toMatch(/README|pytorch_model|tf_model/);
    expect(hub.tokens.size).toBe(0);
  });
  it("is not fetched twice, and files that two commits share are there once (bug: a download for every commit)", async () => {
    await fetchNamed("hub:owner/tiny");
    hub.requests.length = 0;
    await fetchNamed("hub:owner/tiny");
    await fetchNamed(`hub:owner/tiny@${first}`);
    expect(hub.requests.filter((line) => /resolve|blobs/.test(line))).toEqual([]);
  });
  it("is taken at its tag (bug: the main branch whatever the revision)", async () => {
    const { folder, commit } = await fetchNamed("hub:owner/tiny@v1");
    expect(commit).toBe(tagged);
    expect(await readFile(join(folder, "vocab.txt"), "utf8")).toBe("[UNK]\n");
  });
  it("may be sharded, and have no owner", async () => {
    const { folder } = await fetchNamed("hub:old");
    expect((await readdir(folder)).sort()).toEqual(Object.keys(sharded).sort());
  });
  it("that is gated opens with the token of somebody who accepted its terms", async () => {
    expect((await failure(fetchNamed("hub:owner/gated"))).code).toBe("HUB_GATED");
    expect((await failure(fetchNamed("hub:owner/gated", { accessToken: "hf_stranger" }))).code).toBe("HUB_GATED");
    await fetchNamed("hub:owner/gated", { accessToken: "hf_accepted" });
    expect([...hub.tokens]).toEqual(["Bearer hf_stranger", "Bearer hf_accepted"]);
    const mistyped = await failure(fetchNamed("hub:owner/gated", { accessToken: "secret" }));
    expect(mistyped.code).toBe("HUB_TOKEN");
    expect(mistyped.message).not.toContain("secret");
  });
  it("tells how far it is", async () => {
    const told: string[] = [];
    await fetchNamed("hub:owner/tiny", {
      onProgress: ({ file, bytes, totalBytes }) => {
        if (bytes === totalBytes) told.push(file);
      },
    });
    expect(told).toEqual(["config.json", "vocab.txt", "model.safetensors"]);
  });
  it("stops where its signal says so, and leaves no part of a file (bug: a hub that cannot be reached, Ctrl-C or not)", async () => {
    const stop = new AbortController();
    const reason = new Error("enough");
    const work = fetchNamed("hub:owner/tiny", {
      signal: stop.signal,
      onProgress: ({ file }) => {
        if (file === "vocab.txt") stop.abort(reason);
      },
    });
    await expect(work).rejects.toBe(reason);
    expect((await contents(join(cacheFolder, "models--owner--tiny", "blobs"))).length).toBeLessThan(3);
    await fetchNamed("hub:owner/tiny");
  });
  it("is refused by its config.json before anything large comes", async () => {
    const refuse = async () => {
      throw new CheckpointError("not this one.", { code: "MODEL_TYPE" });
    };
    expect((await failure(fetchNamed("hub:owner/tiny", { accept: refuse }))).code).toBe("MODEL_TYPE");
    expect(hub.requests.filter((line) => /safetensors|vocab/.test(line))).toEqual([]);
  });
});

describe("offline", () => {
  it("takes the cache, without a single request", async () => {
    const online = await fetchNamed("hub:owner/tiny");
    await fetchNamed("hub:old");
    hub.requests.length = 0;
    expect(await fetchNamed("hub:owner/tiny", { offline: true })).toEqual(online);
    expect(await fetchNamed(`hub:owner/tiny@${second}`, { offline: true })).toEqual(online);
    await fetchNamed("hub:old", { offline: true });
    expect(hub.requests).toEqual([]);
  });
  it("says what is missing (bug: half a model taken for whole)", async () => {
    expect((await failure(fetchNamed("hub:owner/tiny", { offline: true }))).code).toBe("HUB_NOT_CACHED");
    const { folder } = await fetchNamed("hub:old");
    await rm(join(folder, "model-00002-of-00002.safetensors"));
    const error = await failure(fetchNamed("hub:old", { offline: true }));
    expect(error.message).toBe(
      "hub:old@main: model-00002-of-00002.safetensors is not in the cache. Run the same once without --offline.",
    );
    expect((await failure(fetchNamed("hub:old@v2", { offline: true }))).code).toBe("HUB_NOT_CACHED");
  });
});

describe("refusals", () => {
  it.each([
    ["hub:owner/nothing", "HUB_MODEL_MISSING", "no such model"],
    ["hub:owner/tiny@nowhere", "HUB_REVISION_MISSING", '"nowhere"'],
    ["hub:owner/flax", "HUB_NO_WEIGHTS", "only flax_model.msgpack"],
    ["hub:owner/bare", "HUB_FILE_MISSING", "has no config.json at its top"],
    ["hub:owner/escape", "WEIGHTS_INDEX", "same folder"],
  ])("%s: %s", async (name, code, text) => {
    const error = await failure(fetchNamed(name));
    expect(error.code, error.message).toBe(code);
    expect(error.message).toContain(text);
  });
  it.each(["hub:", "hub:a/b/c", "hub:../up", "hub:a/..", "hub:a@b@c", "hub:a@../x", "hub:a b", "hub:a/b@", "a/b"])(
    "%s is no name",
    (name) => {
      expect(() => parseHubName(name)).toThrow(expect.objectContaining({ code: "HUB_NAME" }));
    },
  );
  it("a hub that is not there, or is ill", async () => {
    const nobody = await failure(fetchNamed("hub:owner/tiny", { hubUrl: "http://127.0.0.1:9" }));
    expect(nobody.code).toBe("HUB_UNREACHABLE");
    expect(nobody.message).toContain("--offline");
    hub.faults.status = 503;
    expect((await failure(fetchNamed("hub:owner/tiny"))).code).toBe("HUB_FAILED");
  });
  it.each(["corrupt", "truncate", "endless"] as const)(
    "a file that arrives %s leaves nothing behind",
    async (fault) => {
      for (const name of ["vocab.txt", "model.safetensors"]) {
        hub.faults[fault] = name;
        const error = await failure(fetchNamed("hub:owner/tiny"));
        expect(error.code, error.message).toMatch(/HUB_(DAMAGED|UNREACHABLE)/);
        const blobs = await contents(join(cacheFolder, "models--owner--tiny", "blobs"));
        expect(blobs.filter((blob) => blob.startsWith("."))).toEqual([]);
        expect(await readdir(join(cacheFolder, "models--owner--tiny", "snapshots", second))).not.toContain(name);
      }
      delete hub.faults[fault];
      await fetchNamed("hub:owner/tiny");
    },
  );
  it("a cached file of another size is fetched again", async () => {
    const { folder } = await fetchNamed("hub:owner/tiny");
    await writeFile(join(folder, "model.safetensors"), "cut");
    await fetchNamed("hub:owner/tiny");
    expect(await readFile(join(folder, "model.safetensors"))).toEqual(weights);
  });
});
