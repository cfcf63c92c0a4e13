import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Backend } from "../backend/backend.ts";
import { Random } from "../base/random.ts";
import { bertConfig } from "../models/bert/config.ts";
import { bertFamily } from "../models/bert/family.ts";
import { namedParameters } from "../nn/module.ts";
import { openEngine } from "../runtime.ts";
import { testTable, testTokenizer, testWords } from "../tasks/testing.ts";
import { type EmbeddingModel, type EmbedOptions, embed, embedRows, openEmbedder } from "./embed.ts";

const tokenizer = testTokenizer();
const config = bertConfig({
  vocabSize: tokenizer.vocabSize,
  hiddenSize: 32,
  numHiddenLayers: 2,
  numAttentionHeads: 2,
  intermediateSize: 64,
  maxPositionEmbeddings: 64,
});
const module = bertFamily.pretraining(config);
const weights = new Map(
  [...namedParameters(module)].map(([name, { shape }]) => {
    const random = new Random(3, name);
    const size = shape.reduce((product, dim) => product * dim, 1);
    return [name, Float32Array.from({ length: size }, () => 0.3 * random.nextNormal())];
  }),
);
const model = { family: bertFamily, config, module, weights, tokenizer } as unknown as EmbeddingModel;
const random = new Random(9, "texts");
const texts = Array.from({ length: 20 }, () =>
  Array.from({ length: 1 + random.nextInt(30) }, () => testWords[random.nextInt(testWords.length)]).join(" "),
);

const distance = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Math.max(...Array.from(a, (x, i) => Math.abs(x - b[i]!)));

describe("embed", () => {
  let engine: Backend;
  beforeAll(async () => {
    engine = await openEngine({ threads: 1 });
  });
  afterAll(async () => {
    await engine.dispose();
  });
  const run = (inputs: readonly string[], options: EmbedOptions = {}) => embed(model, inputs, { engine, ...options });

  it.each(["cls", "mean", "max"] as const)(
    "%s gives each text the same vector alone and packed beside others (catches pooling over a neighbour or padding)",
    async (pooling) => {
      const together = await run(texts, { pooling });
      for (const i of [0, 7, 19]) {
        const [alone] = await run([texts[i]!], { pooling });
        expect(distance(together[i]!, alone!)).toBeLessThan(1e-5);
        expect(Math.hypot(...alone!)).toBeCloseTo(1, 5);
      }
      expect(distance(together[0]!, together[1]!)).toBeGreaterThan(2e-3);
    },
  );

  it("pools what it says, of the layer it says (catches pooled padding, an off-by-one layer)", async () => {
    const text = "the very good film";
    const plain = { normalize: false } as const;
    // Two layers: 2 and −1 are the last one, 0 and −3 the embeddings.
    const one = async (options: EmbedOptions) => (await run([text], { ...plain, ...options }))[0];
    const [last, same] = [await one({ layer: 2 }), await one({})];
    const [lowest, bottom] = [await one({ layer: 0 }), await one({ layer: -3 })];
    expect(distance(last!, same!)).toBe(0);
    expect(distance(lowest!, bottom!)).toBe(0);
    expect(distance(last!, lowest!)).toBeGreaterThan(0.1);
    // The embeddings' layer norm has this gain and bias: its mean over features of (x − bias) / gain is 0 for a token.
    const gain = weights.get("encoder.embeddings.layerNorm.weight")!;
    const bias = weights.get("encoder.embeddings.layerNorm.bias")!;
    const [first] = await run([text], { ...plain, layer: 0, pooling: "cls" });
    const sum = first!.reduce((total, x, i) => total + (x - bias[i]!) / gain[i]!, 0);
    expect(Math.abs(sum)).toBeLessThan(1e-3);
    const [mean, most] = await Promise.all([
      run([text], { ...plain, pooling: "mean" }),
      run([text], { ...plain, pooling: "max" }),
    ]);
    mean[0]!.forEach((x, i) => {
      expect(x).toBeLessThanOrEqual(most[0]![i]! + 1e-6);
    });
    // The last layer for the first token alone is the last layer.
    const [short] = await run([text], { ...plain, pooling: "cls" });
    const [head] = await run([text], { ...plain, pooling: "cls", layer: 2 });
    expect(distance(short!, head!)).toBe(0);
    expect(distance(short!, mean[0]!)).toBeGreaterThan(2e-3);
  });

  it("turns little in int8 (catches wrong scales)", async () => {
    const [exact, rounded] = [await run(texts), await run(texts, { quantize: "int8" })];
    const cosines = exact.map((vector, i) => vector.reduce((sum, x, k) => sum + x * rounded[i]![k]!, 0));
    expect(Math.min(...cosines)).toBeGreaterThan(0.97);
    expect(distance(exact[0]!, rounded[0]!)).toBeGreaterThan(1e-6);
  });

  it("keeps the fields and the order of rows", async () => {
    const rows = texts.map((text, id) => ({ id, text, more: { id } }));
    const got = [];
    for await (const row of embedRows(model, testTable("rows", rows), { engine, batchSize: 3 })) got.push(row);
    const wanted = await run(texts);
    expect(got.map(({ fields }) => fields)).toEqual(rows);
    got.forEach(({ vector }, i) => {
      expect(distance(vector, wanted[i]!)).toBeLessThan(1e-5);
    });
  });

  it("refuses wrong options together, empty texts, and use after its end", async () => {
    await expect(run(["good"], { layer: 3, batchSize: 0, maxSeqLength: 65 })).rejects.toThrow(
      /3 problems.*from -3 to 2; got 3.*≥ 1; got 0.*from 5 to 64; got 65/s,
    );
    await expect(run(["good", " "])).rejects.toThrow("texts[1]: the text is empty");
    const embedder = await openEmbedder(model, { engine });
    await embedder.dispose();
    await expect(embedder.embed(["good"])).rejects.toMatchObject({ code: "DISPOSED" });
  });
});
