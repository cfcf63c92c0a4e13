import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { failure } from "../../tests/support/failure.ts";
import { openSafetensors, openWeights } from "../formats/safetensors.ts";
import { FakeHub, fakeCommit } from "../hub/testing.ts";
import { importModel } from "./import-model.ts";

const fixtures = fileURLToPath(new URL("../../tests/fixtures/", import.meta.url));
const vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
while (vocabulary.length < 37) vocabulary.push(`w${vocabulary.length}`);

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "firth-import-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A model directory as other programs leave it. */
async function foreignModel(name: string, weights: string, entry = "pytorch_model.bin"): Promise<string> {
  const source = join(folder, name);
  await mkdir(source, { recursive: true });
  await copyFile(join(fixtures, "bert/pretraining/config.json"), join(source, "config.json"));
  await writeFile(join(source, "vocab.txt"), `${vocabulary.join("\n")}\n`);
  await writeFile(join(source, "README.md"), "not needed");
  await copyFile(join(fixtures, weights), join(source, entry));
  return source;
}

describe("a local folder", () => {
  it("becomes safetensors with the same bits, checked by loading it (bug: a view written with its whole storage)", async () => {
    const source = await foreignModel("foreign", "torch/bert.bin");
    const outputDir = join(folder, "imported");
    const imported = await importModel(source, { outputDir });
    expect(imported).toMatchObject({ folder: outputDir, commit: undefined, family: "bert", newParameters: [] });
    expect(imported.notices.every((notice) => notice.startsWith(`${outputDir}/config.json: `))).toBe(true);
    expect((await readdir(outputDir)).sort()).toEqual(["config.json", "model.safetensors", "vocab.txt"]);
    const original = await openSafetensors(join(fixtures, "bert/pretraining/model.safetensors"));
    const result = await openWeights(outputDir);
    expect([...result.names].sort()).toEqual([...original.names].sort());
    expect(imported.numTensors).toBe(result.names.length);
    expect(result.metadata).toEqual({
      format: "pt",
      "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
      "cls.predictions.decoder.bias": "cls.predictions.bias",
    });
    for (const name of original.names)
      expect(await result.readStored(name), name).toEqual(await original.readStored(name));
    await original.close();
    await result.close();
  });
  it("is refused, with nothing written, when it does not fit its config, has another family, or is there already", async () => {
    const outputDir = join(folder, "never");
    const wrong = await foreignModel("wrong", "bert/masked-lm-relu/model.safetensors", "model.safetensors");
    const misfit = await failure(importModel(wrong, { outputDir }));
    expect(misfit.message).not.toContain(".partial-");
    const other = await foreignModel("other", "torch/bert.bin");
    const config = JSON.parse(await readFile(join(other, "config.json"), "utf8"));
    await writeFile(join(other, "config.json"), JSON.stringify({ ...config, model_type: "perceiver" }));
    expect((await failure(importModel(other, { outputDir }))).code).toBe("MODEL_TYPE");
    const hostile = await foreignModel("hostile", "torch/hostile/system.bin");
    expect((await failure(importModel(hostile, { outputDir }))).code).toBe("PICKLE_GLOBAL");
    expect((await failure(importModel(join(folder, "nowhere"), { outputDir }))).code).toBe("MISSING_FILE");
    expect(existsSync(outputDir)).toBe(false);
    expect((await readdir(folder)).filter((name) => name.startsWith("."))).toEqual([]);
    const good = await foreignModel("good", "torch/bert.bin");
    expect((await failure(importModel(good, { outputDir: wrong }))).code).toBe("OUTPUT_EXISTS");
  });
});

it("a model of the hub is fetched, checked and converted in one go, and again offline", async () => {
  const source = await foreignModel("published", "torch/bert.bin");
  const names = await readdir(source);
  const files = Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await readFile(join(source, name))] as const)),
  );
  const commit = fakeCommit("published");
  const hub = await FakeHub.start({ "owner/published": { revisions: { main: commit }, commits: { [commit]: files } } });
  const cacheFolder = join(folder, "cache");
  const common = { hubUrl: hub.url, cacheFolder };
  try {
    const first = await importModel("hub:owner/published", { ...common, outputDir: join(folder, "online") });
    expect(first).toMatchObject({ commit, family: "bert" });
    const requests = hub.requests.length;
    await importModel("hub:owner/published", { ...common, outputDir: join(folder, "offline"), offline: true });
    expect(hub.requests.length).toBe(requests);
    for (const name of ["config.json", "model.safetensors"]) {
      expect(await readFile(join(folder, "offline", name))).toEqual(await readFile(join(folder, "online", name)));
    }
  } finally {
    await hub.stop();
  }
});
