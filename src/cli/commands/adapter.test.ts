import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { runCommand as command } from "../../../tests/support/run-command.ts";
import { loadClassifier, saveClassifier } from "../../api/load.ts";
import { saveModel } from "../../api/model.ts";
import { type AdapterOptions, resolveAdapter } from "../../models/adapter/option.ts";
import { withAdapter } from "../../models/adapter/start.ts";
import { randomNumbers } from "../../models/adapter/testing.ts";
import { familyOf } from "../../models/families.ts";
import { tinyModel, wordTokenizer } from "../../transfer/vocabulary/testing.ts";

let root = "";
let base = "";
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "firth-adapter-command-"));
  base = join(root, "base");
  await saveModel(base, tinyModel("bert", wordTokenizer()));
});
afterAll(() => rm(root, { recursive: true, force: true }));
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

/** A classifier with an adapter upon the model, in a folder. */
async function saved(name: string, options: AdapterOptions): Promise<string> {
  const model = tinyModel("bert", wordTokenizer());
  const module = model.family.classification(model.config, 2);
  const own = randomNumbers(module, 5);
  const weights = new Map([...own].map(([key, data]) => [key, model.weights.get(key) ?? data]));
  const state = withAdapter({ ...model, module, weights }, resolveAdapter(options), { seed: 1, folder: base });
  const folder = join(root, name);
  const { tokenizer } = model;
  await saveClassifier(folder, { ...state, tokenizer, labels: ["no", "yes"], maxSeqLength: 12 });
  return folder;
}

const run = (...args: string[]) => command("adapter", ...args);

test("firth adapter merge makes an ordinary model, with tokenizer and classes (bug: the adapter's files go along)", async () => {
  const adapter = await saved("lora", { kind: "lora", rank: 2 });
  expect(existsSync(join(adapter, "model.safetensors"))).toBe(false);
  const out = join(root, "merged");
  const told = await run("merge", adapter, "--out", out, "--json");
  expect(told.code, told.error).toBeUndefined();
  expect(JSON.parse(told.out)).toMatchObject({ adapter, base, folder: out, family: "bert" });
  expect(existsSync(join(out, "adapter_config.json"))).toBe(false);
  const [apart, merged] = [await loadClassifier(adapter), await loadClassifier(out)];
  expect(merged).toMatchObject({ labels: ["no", "yes"], maxSeqLength: 12, newParameters: [] });
  expect(merged.weights).toEqual(apart.weights);
  const described = await command("info", adapter);
  expect(described.out).toMatch(/kind +LORA, rank 2, alpha 16\nof the model +.*base\n/);
  const again = await run("merge", adapter, "--out", out);
  expect(again).toMatchObject({ code: 1, out: "" });
  expect(again.error).toContain("(OUTPUT_EXISTS)");
});

test("an adapter of peft, which has neither config.json nor tokenizer, becomes a model (bug: classes by the base, not by the head)", async () => {
  const adapter = fileURLToPath(new URL("../../../tests/fixtures/bert/lora", import.meta.url));
  const out = join(root, "peft");
  const told = await run("merge", adapter, "--out", out);
  expect(told.code, told.error).toBeUndefined();
  expect((await readdir(out)).sort()).toEqual(["config.json", "fixture.json", "model.safetensors"]);
  const family = await familyOf(out);
  const [merged, apart] = [await family.loadClassification(out, 0), await family.loadAny(adapter, 0)];
  expect(merged).toMatchObject({ labels: ["negative", "neutral", "positive"], newParameters: [] });
  expect(merged.weights).toEqual(apart.weights);
});

test("what cannot be merged says why, and leaves nothing (bug: merged without what is lost)", async () => {
  const adapter = await saved("houlsby", { kind: "houlsby", size: 3 });
  const out = join(root, "none");
  const told = await run("merge", adapter, "--out", out);
  expect(told.error).toMatch(/are no change of the weights: they cannot be merged.*\(ADAPTER_NOT_MERGEABLE\)/s);
  expect((await run("merge", base, "--out", out)).error).toContain("(NOT_AN_ADAPTER)");
  const lora = await saved("other", { kind: "lora", rank: 2 });
  expect((await run("merge", lora, "--out", out, "--base", join(root, "nowhere"))).error).toContain(
    "(ADAPTER_BASE_MISSING)",
  );
  expect(existsSync(out)).toBe(false);
});
