import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { ConfigError } from "../../base/errors.ts";
import type { JsonObject } from "../../formats/json-text.ts";
import { namedParameters } from "../../nn/module.ts";
import { type BertPreset, bertConfig, bertConfigTable, bertPresets } from "./config.ts";
import { BertForPretraining } from "./model.ts";

const fixture = (name: string) => new URL(`../../../tests/fixtures/bert/${name}/config.json`, import.meta.url);
const shared = new URL("../../../../shared/models/bert-base-uncased/config.json", import.meta.url);
const read = (url: URL): JsonObject => JSON.parse(readFileSync(url, "utf8")) as JsonObject;

/** Keys of a config.json that our table gives back as they were. */
function checkRoundTrip(json: JsonObject): void {
  const { config, ...extras } = bertConfigTable.parse(json, "config.json");
  expect(bertConfigTable.serialize(config, extras)).toMatchObject(json);
  const again = bertConfigTable.parse(bertConfigTable.serialize(config), "config.json");
  expect(again.config).toEqual(config);
}

describe("config.json of Hugging Face comes back field for field (would catch a renamed or dropped key)", () => {
  for (const name of ["masked-lm-gelu-new", "masked-lm-relu", "pretraining", "sequence-classification"]) {
    test(name, () => checkRoundTrip(read(fixture(name))));
  }
  test.skipIf(!existsSync(shared))("bert-base-uncased (skipped without ../shared)", () => {
    checkRoundTrip(read(shared));
    expect(bertConfigTable.parse(read(shared), "config.json").config).toEqual(bertConfig());
  });
});

test("fields mean what their keys say", () => {
  const { config, labels } = bertConfigTable.parse(read(fixture("sequence-classification")), "config.json");
  expect(config).toMatchObject({
    vocabSize: 37,
    hiddenSize: 12,
    numHiddenLayers: 2,
    numAttentionHeads: 3,
    intermediateSize: 20,
    maxPositionEmbeddings: 16,
    hiddenDropoutProb: 0,
    layerNormEps: 1e-12,
  });
  expect(labels).toEqual(["negative", "neutral", "positive"]);
});

/** Encoder with pooler, from the paper's description alone. */
function countEncoder(preset: BertPreset, vocabSize: number): number {
  const { numHiddenLayers: layers, hiddenSize: h, intermediateSize: inner } = bertPresets[preset];
  const embeddings = (vocabSize + 512 + 2) * h + 2 * h;
  const attention = 4 * (h * h + h) + 2 * h;
  const feedForward = h * inner + inner + inner * h + h + 2 * h;
  return embeddings + layers * (attention + feedForward) + h * h + h;
}

test("presets have the published numbers of parameters (would catch a missing bias, norm or untied decoder)", () => {
  const published: Record<BertPreset, number> = {
    tiny: 4_385_920,
    mini: 11_170_560,
    small: 28_763_648,
    medium: 41_373_184,
    base: 109_482_240,
    large: 335_141_888,
  };
  for (const [preset, count] of Object.entries(published) as [BertPreset, number][]) {
    expect(countEncoder(preset, 30_522), preset).toBe(count);
    const config = bertConfig({ preset });
    const parameters = namedParameters(new BertForPretraining(config));
    const sizes = (prefix: string) =>
      [...parameters]
        .filter(([name]) => name.startsWith(prefix))
        .reduce((sum, [, { shape }]) => sum + shape.reduce((a, b) => a * b, 1), 0);
    const h = config.hiddenSize;
    expect(sizes("encoder."), preset).toBe(count);
    // The decoder is the word embedding: only its bias is new.
    expect(sizes("maskedLm."), preset).toBe(h * h + h + 2 * h + 30_522);
    expect(sizes("sequencePair."), preset).toBe(2 * h + 2);
  }
});

test("all problems are reported together, with the fix; unknown sizes name the nearest", () => {
  expect(() => bertConfig({ hiddenSize: 512, numAttentionHeads: 6 })).toThrow(
    /numAttentionHeads: must divide hiddenSize; got 6 and 512\. Use 8/,
  );
  // 200 / 64 is about 3, which is no divisor either.
  expect(() => bertConfig({ hiddenSize: 200, numAttentionHeads: 3 })).toThrow(/Use 4 for heads of 50/);
  const several = () => bertConfig({ hiddenSize: 0, hiddenDropoutProb: 2, vocabSize: 1.5 });
  expect(several).toThrow(/hiddenSize[\s\S]*hiddenDropoutProb|vocabSize[\s\S]*hiddenDropoutProb/);
  expect(() => bertConfig({ preset: "larg" })).toThrow("Use large");
  expect(() => bertConfig({ numLayers: 3 } as never)).toThrow(ConfigError);
  expect(bertConfig({ preset: "tiny", numAttentionHeads: 4 }).numAttentionHeads).toBe(4);
});
