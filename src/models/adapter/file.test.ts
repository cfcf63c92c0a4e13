import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { relativeDifference } from "../../../tests/support/close.ts";
import { createReferenceBackend } from "../../backend/reference/reference-backend.ts";
import { openSafetensors } from "../../formats/safetensors.ts";
import type { Module } from "../../nn/module.ts";
import { familyOf } from "../families.ts";
import type { ModelState } from "../family.ts";
import type { Encoder } from "../model.ts";
import { type AdapterOptions, resolveAdapter } from "./option.ts";
import { withAdapter } from "./start.ts";
import { baseFingerprint } from "./state.ts";
import { hiddenStates, randomNumbers, tinyConfig } from "./testing.ts";

const backend = createReferenceBackend();
let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "firth-adapter-"));
});
afterAll(async () => {
  await backend.dispose();
  await rm(root, { recursive: true, force: true });
});

type State = ModelState<Module & { readonly encoder: Encoder }>;

let folders = 0;

/** A saved model with random numbers. */
async function savedBase(name: string, seed = 3): Promise<{ readonly folder: string; readonly state: State }> {
  const { family, config } = tinyConfig(name);
  const module = family.pretraining(config);
  const state = { family, config, module, weights: randomNumbers(module, seed) };
  const folder = join(root, `base-${folders++}`);
  await mkdir(folder);
  await family.save(folder, state);
  return { folder, state };
}

/** A classifier with an adapter, both with random numbers, upon a saved model; and its folder. */
async function savedAdapter(name: string, options: AdapterOptions) {
  const base = await savedBase(name);
  const { family, config } = base.state;
  const module = family.classification(config, 3);
  const weights = new Map([...randomNumbers(module, 5), ...base.state.weights]);
  for (const key of weights.keys()) if (!randomNumbers(module).has(key)) weights.delete(key);
  const begun = withAdapter({ family, config, module, weights }, resolveAdapter(options), {
    seed: 1,
    folder: base.folder,
  });
  const own = [...randomNumbers(module, 9)].filter(([key]) => key.includes("dapter."));
  const state: State = { ...begun, module, weights: new Map([...begun.weights, ...own]) };
  const folder = join(root, `adapter-${folders++}`);
  await mkdir(folder);
  await family.save(folder, state, { labels: ["a", "b", "c"] });
  return { base, state, folder };
}

const configOf = async (folder: string) => JSON.parse(await readFile(join(folder, "adapter_config.json"), "utf8"));

describe("LoRA is written as peft writes it", () => {
  test.each([
    ["bert", ["query", "value"], ["bert.pooler", "classifier"], false],
    ["roberta", ["query", "value"], ["classifier"], false],
    ["albert", ["query", "value"], ["albert.pooler", "classifier"], false],
    ["gpt2", ["c_attn"], ["score"], true],
    ["bart", ["q_proj", "v_proj"], ["classification_head"], false],
  ] as const)(
    "%s (bug: ends of names that fit other modules, or a head in parts)",
    async (name, targets, heads, transposed) => {
      const { folder, base } = await savedAdapter(name, { kind: "lora", rank: 2, alpha: 6, dropout: 0.25 });
      const config = await configOf(folder);
      expect(config).toMatchObject({
        ...{ peft_type: "LORA", task_type: "SEQ_CLS", r: 2, lora_alpha: 6, lora_dropout: 0.25, bias: "none" },
        base_model_name_or_path: base.folder,
        fan_in_fan_out: transposed,
      });
      expect(config.target_modules).toEqual(targets);
      expect(config.modules_to_save).toEqual(heads);
    },
  );

  test("a target whose name ends as another's is named in full (bug: output.dense, which attention has too)", async () => {
    const { folder } = await savedAdapter("bert", { kind: "lora", rank: 2, targets: ["output", "intermediate"] });
    expect((await configOf(folder)).target_modules).toEqual([
      "intermediate.dense",
      "bert.encoder.layer.0.output.dense",
      "bert.encoder.layer.1.output.dense",
    ]);
  });

  test("tensors have peft's names and shapes (bug: A and B exchanged, or query, key and value as one)", async () => {
    const { folder, state } = await savedAdapter("bert", { kind: "lora", rank: 2 });
    const file = await openSafetensors(join(folder, "adapter_model.safetensors"));
    const layer = "base_model.model.bert.encoder.layer.1.attention.self";
    expect(file.info(`${layer}.value.lora_A.weight`).shape).toEqual([2, 12]);
    expect(file.info(`${layer}.value.lora_B.weight`).shape).toEqual([12, 2]);
    expect(file.has(`${layer}.key.lora_A.weight`)).toBe(false);
    const { data } = await file.read(`${layer}.value.lora_B.weight`);
    expect(data).toEqual(state.weights.get("encoder.layers.1.attention.qkv.adapter.pairs.1.b"));
    expect([...file.names].filter((key) => !key.includes("lora_")).sort()).toEqual([
      "base_model.model.bert.pooler.dense.bias",
      "base_model.model.bert.pooler.dense.weight",
      "base_model.model.classifier.bias",
      "base_model.model.classifier.weight",
    ]);
    expect(file.metadata.firth_base_fingerprint).toBe(baseFingerprint(state.weights));
    await file.close();
  });
});

describe("an adapter's folder is loaded like a model", () => {
  test.each(["bert", "roberta", "albert", "gpt2", "bart"])(
    "%s with LoRA: merged, with the same numbers and classes (bug: the model's own head kept)",
    async (name) => {
      const { folder, state } = await savedAdapter(name, { kind: "lora", rank: 2 });
      const family = await familyOf(folder);
      const loaded = await family.loadClassification(folder, 7);
      expect(loaded).toMatchObject({ labels: ["a", "b", "c"], newParameters: [] });
      expect(loaded.adapter).toBeUndefined();
      const [apart, together] = [
        await hiddenStates(backend, state.module, state.weights),
        await hiddenStates(backend, loaded.module, loaded.weights),
      ];
      expect(relativeDifference(together, apart)).toBeLessThan(1e-5);
      const heads = [...loaded.weights].filter(([key]) => !/^(encoder|network)\.(?!pooler)/.test(key));
      expect(heads.length).toBeGreaterThan(0);
      for (const [key, data] of heads) expect(data, key).toEqual(state.weights.get(key));
    },
  );

  test("with small networks: they stay, and are saved again (bug: saved as a model without them)", async () => {
    const { folder, state } = await savedAdapter("bert", { kind: "houlsby", size: 4, activation: "relu" });
    const family = await familyOf(folder);
    const loaded = await family.loadClassification(folder, 7);
    expect(loaded.adapter?.options).toEqual({ kind: "houlsby", size: 4, activation: "relu" });
    const apart = await hiddenStates(backend, state.module, state.weights);
    expect(await hiddenStates(backend, loaded.module, loaded.weights)).toEqual(apart);
    const again = join(root, `again-${folders++}`);
    await mkdir(again);
    await family.save(again, loaded, { labels: ["a", "b", "c"] });
    const third = await family.loadClassification(again, 8);
    expect(await hiddenStates(backend, third.module, third.weights)).toEqual(apart);
  });

  test("as the model that it changes, for other uses of the encoder", async () => {
    const { folder, state } = await savedAdapter("bert", { kind: "lora", rank: 2 });
    const loaded = await (await familyOf(folder)).loadPretraining(folder, 7);
    const apart = await hiddenStates(backend, state.module, state.weights);
    expect(relativeDifference(await hiddenStates(backend, loaded.module, loaded.weights), apart)).toBeLessThan(1e-5);
  });

  test("whatever it is for (bug: a classifier's adapter loaded as a pre-trained model)", async () => {
    const { folder } = await savedAdapter("gpt2", { kind: "lora", rank: 2 });
    const loaded = await (await familyOf(folder)).loadAny(folder, 7);
    expect("classificationLogits" in loaded.module).toBe(true);
    expect(loaded.labels).toEqual(["a", "b", "c"]);
  });
});

describe("folders that cannot be are refused", () => {
  const code = (name: string) => expect.objectContaining({ code: name });

  test("an adapter of another model, by its weights and by its sizes (bug: numbers added to any weights)", async () => {
    const { folder } = await savedAdapter("bert", { kind: "lora", rank: 2 });
    const other = await savedBase("bert", 11);
    const family = await familyOf(folder);
    const load = (base: string) => family.loadAny(folder, 7, { base });
    await expect(load(other.folder)).rejects.toThrow(code("ADAPTER_BASE_MISMATCH"));
    await expect(load(other.folder)).rejects.toThrow(
      /belongs to another model: its model's weights are [0-9a-f]{16}, those of/,
    );
    const roberta = await savedBase("roberta");
    await expect(load(roberta.folder)).rejects.toThrow(code("ADAPTER_BASE_MISMATCH"));
  });

  test("a model that is gone, or an adapter itself, says what to do", async () => {
    const { folder, base } = await savedAdapter("bert", { kind: "lora", rank: 2 });
    const family = await familyOf(folder);
    await cp(base.folder, join(root, "moved"), { recursive: true });
    await rm(base.folder, { recursive: true });
    await expect(family.loadAny(folder, 7)).rejects.toThrow(code("ADAPTER_BASE_MISSING"));
    await expect(family.loadAny(folder, 7)).rejects.toThrow(/firth import.*base_model_name_or_path/);
    expect((await family.loadAny(folder, 7, { base: join(root, "moved") })).newParameters).toEqual([]);
    await expect(family.loadAny(folder, 7, { base: folder })).rejects.toThrow(code("ADAPTER_OF_ADAPTER"));
  });

  test("kinds of adapters and settings that are not computed here (bug: computed as if they were plain)", async () => {
    const { folder } = await savedAdapter("bert", { kind: "lora", rank: 2 });
    const config = await configOf(folder);
    const family = await familyOf(folder);
    for (const [changes, expected] of [
      [{ use_dora: true }, "ADAPTER_UNSUPPORTED"],
      [{ bias: "all" }, "ADAPTER_UNSUPPORTED"],
      [{ peft_type: "IA3" }, "ADAPTER_UNSUPPORTED"],
      [{ r: 0 }, "ADAPTER_CONFIG"],
      [{ alpha_pattern: { "query(": 8 } }, "ADAPTER_CONFIG"],
      [{ alpha_pattern: { query: "x" } }, "ADAPTER_CONFIG"],
    ] as const) {
      await writeFile(join(folder, "adapter_config.json"), JSON.stringify({ ...config, ...changes }));
      await expect(family.loadAny(folder, 7)).rejects.toThrow(code(expected));
    }
  });
});
