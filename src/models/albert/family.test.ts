import { cp, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { storedNumbers } from "../../../tests/support/stored-numbers.ts";
import { writeWeights } from "../../formats/model-weights.ts";
import { namedParameters } from "../../nn/module.ts";
import type { TransformerEncoder } from "../transformer/encoder.ts";
import { albertConfig } from "./config.ts";
import { albert, albertFamily } from "./family.ts";
import { albertEncoder } from "./model.ts";

const fixtures = fileURLToPath(new URL("../../../tests/fixtures/albert/", import.meta.url));
let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "firth-albert-"));
});
afterAll(() => rm(root, { recursive: true }));

const json = async (folder: string) => JSON.parse(await readFile(join(folder, "config.json"), "utf8"));
const sizeOf = (encoder: TransformerEncoder): number =>
  [...namedParameters(encoder).values()].reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);

test("the published sizes have the published numbers of parameters (bug: layers or embeddings that are not shared)", () => {
  // AlbertModel of albert-{base,large,xlarge,xxlarge}-v2.
  const published = { base: 11_683_584, large: 17_683_968, xlarge: 58_724_864, xxlarge: 222_595_584 };
  for (const [preset, expected] of Object.entries(published)) {
    expect(sizeOf(albertEncoder(albertConfig({ preset }))), preset).toBe(expected);
  }
});

test("what is shared is counted once, the rest a layer (bug: sharing the wrong part)", () => {
  const sizes = {
    numHiddenLayers: 4,
    hiddenSize: 8,
    numAttentionHeads: 2,
    intermediateSize: 12,
    vocabSize: 10,
  } as const;
  const size = (sharing: "all" | "attention" | "feedForward" | "none") =>
    sizeOf(albertEncoder(albertConfig({ ...sizes, sharing })));
  const attention = 4 * (8 * 8 + 8) + 16;
  const feedForward = 8 * 12 + 12 + 12 * 8 + 8 + 16;
  expect(size("attention") - size("all")).toBe(3 * feedForward);
  expect(size("feedForward") - size("all")).toBe(3 * attention);
  expect(size("none") - size("all")).toBe(3 * (attention + feedForward));
});

const masked = [
  "masked-lm-two-groups",
  "masked-lm-unshared",
  "masked-lm-shared-attention",
  "masked-lm-shared-feed-forward",
];

test.each(["pretraining", ...masked])("%s: config.json and weights come back as they were", async (name) => {
  const source = join(fixtures, name);
  const target = await mkdtemp(join(root, "saved-"));
  const loaded = await albertFamily.loadPretraining(source, 1);
  await albertFamily.save(target, loaded);
  const { firth_sharing: sharing = "all", ...rest } = await json(source);
  expect(await json(target)).toEqual({ ...rest, firth_sharing: sharing, architectures: ["AlbertForPreTraining"] });
  const written = await storedNumbers(target);
  for (const [key, tensor] of await storedNumbers(source)) expect(written.get(key), key).toEqual(tensor);
});

describe("a part that layers share", () => {
  test("is written with every group, so that transformers computes the same, and read as one", async () => {
    const sizes = { preset: "tiny", vocabSize: 20, hiddenSize: 8, intermediateSize: 8, embeddingSize: 4 };
    const config = albertConfig({ ...sizes, sharing: "attention" });
    expect(config.numHiddenGroups).toBe(2);
    const target = await mkdtemp(join(root, "shared-"));
    await albertFamily.save(target, albert(config, { seed: 1 }));
    const numbers = await storedNumbers(target);
    const key = (group: number, name: string) => `albert.encoder.albert_layer_groups.${group}.albert_layers.0.${name}`;
    const dataOf = (group: number, name: string) => numbers.get(key(group, name))!.data;
    expect(dataOf(1, "attention.query.weight")).toEqual(dataOf(0, "attention.query.weight"));
    expect(dataOf(1, "ffn.weight")).not.toEqual(dataOf(0, "ffn.weight"));
    const { module } = await albertFamily.loadPretraining(target, 2);
    expect([...namedParameters(module).keys()].filter((name) => name.includes("layers.1.attention"))).toEqual([]);
  });

  test("is refused where the groups' numbers differ (bug: the last group's taken in silence)", async () => {
    const folder = join(root, "untied");
    await cp(join(fixtures, "masked-lm-shared-attention"), folder, { recursive: true });
    const tensors = await storedNumbers(folder);
    for (const { name, data } of tensors.values()) {
      if (name.includes("groups.2.albert_layers.0.attention.dense.bias")) data[0]! += 1;
    }
    await writeWeights(folder, [...tensors.values()]);
    await expect(albertFamily.loadPretraining(folder, 1)).rejects.toMatchObject({ code: "SHARED_WEIGHTS_DIFFER" });
  });
});

test("settings that contradict each other are refused", () => {
  expect(() => albertConfig({ sharing: "attention", numHiddenGroups: 2 })).toThrow("must be numHiddenLayers, 12");
  expect(() => albertConfig({ numHiddenGroups: 13 })).toThrow("must be at most numHiddenLayers");
  expect(() => albertConfig({ innerGroupNum: 2 })).toThrow("innerGroupNum: must be 1");
});
