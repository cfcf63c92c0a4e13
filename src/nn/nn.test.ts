import { describe, expect, test } from "vitest";
import { evaluateGraph } from "../backend/reference/evaluate.ts";
import { Random } from "../base/random.ts";
import { tensorType } from "../ir/shape.ts";
import { decompose } from "../tensor/decompose/decompose.ts";
import { softmax } from "../tensor/fused.ts";
import { trace } from "../tensor/trace.ts";
import { blockDiagonalBias } from "./attention-bias.ts";
import { normal, truncatedNormal } from "./initializer.ts";
import { Embedding, LayerNorm, Linear } from "./layers.ts";
import { Module, namedParameters, type Parameter } from "./module.ts";
import { adoptWeights, initialWeights } from "./weights.ts";

const init = truncatedNormal(0.02);

class Encoder extends Module {
  readonly words = new Embedding(7, 4, init);
  readonly layers = [new Linear(4, 4, init), new Linear(4, 4, init)];
  readonly norm = new LayerNorm(4, 1e-5);
}

class Tied extends Module {
  readonly encoder = new Encoder();
  readonly decoder: Parameter;
  readonly note = "not a parameter";
  constructor() {
    super();
    this.decoder = this.encoder.words.weight;
  }
}

class Classifier extends Module {
  readonly encoder = new Encoder();
  readonly classifier = new Linear(4, 3, init);
}

test("parameters are named by their path, tied ones once, under the first (would catch a copy that drifts apart)", () => {
  const model = new Tied();
  const parameters = namedParameters(model);
  expect([...parameters.keys()]).toEqual([
    "encoder.words.weight",
    "encoder.layers.0.weight",
    "encoder.layers.0.bias",
    "encoder.layers.1.weight",
    "encoder.layers.1.bias",
    "encoder.norm.weight",
    "encoder.norm.bias",
  ]);
  expect(parameters.get("encoder.words.weight")).toBe(model.decoder);
  const decaying = [...parameters].filter(([, { decays }]) => decays).map(([name]) => name);
  expect(decaying).toEqual(["encoder.words.weight", "encoder.layers.0.weight", "encoder.layers.1.weight"]);
  expect(() => namedParameters(new (class extends Module {})())).toThrow("without parameters");
});

describe("initialisers", () => {
  const moments = (data: Float32Array) => {
    const mean = data.reduce((sum, x) => sum + x, 0) / data.length;
    return { mean, deviation: Math.sqrt(data.reduce((sum, x) => sum + (x - mean) ** 2, 0) / data.length) };
  };
  const count = 40_000;

  test("normal has the given deviation", () => {
    const { mean, deviation } = moments(normal(0.5)([200, 200], new Random(1)));
    expect(Math.abs(mean)).toBeLessThan((5 * 0.5) / Math.sqrt(count));
    expect(Math.abs(deviation - 0.5)).toBeLessThan((5 * 0.5) / Math.sqrt(2 * count));
  });

  test("truncatedNormal ends at two deviations, without a heap there (would catch clipping instead of redrawing)", () => {
    const data = truncatedNormal(0.02)([200, 200], new Random(2));
    const { mean, deviation } = moments(data);
    // The deviation of a standard normal cut at ±2 is 0.87962566.
    expect(Math.abs(mean)).toBeLessThan((5 * 0.0176) / Math.sqrt(count));
    expect(Math.abs(deviation / 0.02 - 0.87963)).toBeLessThan(5 / Math.sqrt(2 * count));
    expect(Math.max(...data.map(Math.abs))).toBeLessThanOrEqual(0.04 * (1 + 1e-6));
    expect(Math.max(...data.map(Math.abs))).toBeGreaterThan(0.0395);
    const atEdge = data.filter((x) => Math.abs(x) > 0.0399).length;
    expect(atEdge / count).toBeLessThan(0.002);
  });
});

test("shared parts of two models of one seed begin alike, other seeds and other parameters differ", () => {
  const [tied, classifier] = [initialWeights(new Tied(), 5), initialWeights(new Classifier(), 5)];
  for (const [name, data] of tied) expect(classifier.get(name), name).toEqual(data);
  expect(initialWeights(new Tied(), 6).get("encoder.words.weight")).not.toEqual(tied.get("encoder.words.weight"));
  expect(tied.get("encoder.layers.0.weight")).not.toEqual(tied.get("encoder.layers.1.weight"));
  expect([...tied.get("encoder.norm.weight")!]).toEqual([1, 1, 1, 1]);
  expect([...tied.get("encoder.layers.0.bias")!]).toEqual([0, 0, 0, 0]);
});

test("weights are adopted by name and size; the rest stays new (would catch a head of another size being taken)", () => {
  const target = initialWeights(new Classifier(), 1);
  const source = new Map(initialWeights(new Tied(), 2)).set("classifier.weight", new Float32Array(99));
  const { weights, adopted } = adoptWeights(target, source);
  expect(adopted).toEqual([...initialWeights(new Tied(), 2).keys()]);
  expect(weights.get("encoder.words.weight")).toBe(source.get("encoder.words.weight"));
  expect(weights.get("classifier.weight")).toBe(target.get("classifier.weight"));
});

test("packed tokens attend to their own sequence alone, padding to padding (would catch rows that see neighbours)", () => {
  const sequenceIds = Int32Array.from([1, 1, 2, 0, 1, 2, 2, 2]);
  const graph = trace("bias", { ids: tensorType("i32", [2, 4]) }, ({ ids }) => ({
    weights: softmax(blockDiagonalBias(ids)),
  }));
  const [weights] = evaluateGraph(decompose(graph), [{ dtype: "i32", shape: [2, 4], data: sequenceIds }]);
  expect(weights!.shape).toEqual([2, 1, 4, 4]);
  const row = (...numbers: number[]) => numbers;
  const third = 1 / 3;
  const expected = [
    ...[row(0.5, 0.5, 0, 0), row(0.5, 0.5, 0, 0), row(0, 0, 1, 0), row(0, 0, 0, 1)],
    ...[row(1, 0, 0, 0), row(0, third, third, third), row(0, third, third, third), row(0, third, third, third)],
  ].flat();
  [...weights!.data].forEach((x, i) => {
    expect(x).toBeCloseTo(expected[i]!, 12);
  });
});
