import { describe, expect, it } from "vitest";
import { ConfigError } from "../base/errors.ts";
import { namedParameters } from "../nn/module.ts";
import { initialWeights } from "../nn/weights.ts";
import { families } from "./families.ts";
import { isCarried } from "./model.ts";
import { CarriedPart, headPrefix, MultiTaskModel, type TaskShape, taskNetwork, taskWeights } from "./multi-task.ts";

const shapes: Readonly<Record<string, TaskShape>> = {
  two: { numLabels: 2, head: { kind: "linear" } },
  three: { numLabels: 3, head: { kind: "linear" } },
  rank: { numLabels: 1, head: { kind: "relevance" } },
  pairs: { numLabels: 3, head: { kind: "stochasticAnswer", numSteps: 2, stepDropout: 0.1, dropout: 0.1 } },
};

const sizes = { vocabSize: 20, hiddenSize: 8, numAttentionHeads: 2, intermediateSize: 16, maxPositionEmbeddings: 16 };

describe.each(families.map((family) => [family.name, family] as const))("several tasks over %s", (name, family) => {
  const known = Object.keys(family.settings);
  const layers = Object.fromEntries(known.filter((key) => /^num\w*Layers$/.test(key)).map((key) => [key, 1]));
  const own = Object.fromEntries(Object.entries(sizes).filter(([key]) => known.includes(key)));
  const extra = name === "albert" ? { embeddingSize: 4 } : {};
  const config = family.configure({ ...own, ...layers, ...extra });
  const model = new MultiTaskModel(family, config, shapes);
  const names = [...namedParameters(model).keys()];

  it("has the encoder once, under its family's names, and the family's own head for each task (bug: an encoder for each)", () => {
    const alone = [...namedParameters(family.classification(config, 2)).keys()];
    expect(names.filter(isCarried)).toEqual(alone.filter(isCarried));
    const head = alone.filter((parameter) => !isCarried(parameter));
    expect(head.length).toBeGreaterThan(0);
    for (const task of ["two", "three", "rank"]) {
      const prefix = headPrefix(task);
      const heads = names.filter((parameter) => parameter.startsWith(prefix));
      expect(heads).toEqual(head.map((parameter) => prefix + parameter));
    }
    expect([...namedParameters(new CarriedPart(model)).keys()]).toEqual(alone.filter(isCarried));
    expect(model.task("two").encoder).toBe(model.encoder);
  });

  it("gives a tagger alone all of its weights, in their shapes, where the family has taggers (bug: a chain's scores left behind)", () => {
    const shape: TaskShape = { numLabels: 3, head: { kind: "tokenClassification", crf: true } };
    const alone = (() => {
      try {
        return family.tokenClassification(config, 3, { crf: true });
      } catch (error) {
        if (error instanceof ConfigError) return undefined;
        throw error;
      }
    })();
    if (alone === undefined) {
      expect(() => new MultiTaskModel(family, config, { tags: shape })).toThrow(ConfigError);
      return;
    }
    const several = new MultiTaskModel(family, config, { tags: shape, two: shapes.two! });
    const weights = taskWeights(initialWeights(several, 3), "tags", shape);
    for (const [parameter, { shape: own }] of namedParameters(alone)) {
      expect(weights.get(parameter)?.length, parameter).toBe(own.reduce((product, dim) => product * dim, 1));
    }
    expect(several.tagger("tags").encoder).toBe(several.encoder);
    expect(several.tagger("tags").crf).toBeDefined();
    expect(() => several.task("tags")).toThrow();
  });

  it.each(Object.keys(shapes))(
    "gives %s alone all of its weights, in their shapes (bug: names that do not meet)",
    (task) => {
      const weights = taskWeights(initialWeights(model, 3), task, shapes[task]!);
      const network = taskNetwork(family, config, shapes[task]!);
      const parameters = namedParameters(network);
      expect(new Set(weights.keys())).toEqual(new Set(parameters.keys()));
      for (const [parameter, { shape }] of parameters) {
        expect(weights.get(parameter)!.length, parameter).toBe(shape.reduce((product, dim) => product * dim, 1));
      }
      expect(network.numLabels).toBe(shapes[task]!.numLabels);
      expect(network.pairLogits !== undefined).toBe(task === "pairs");
    },
  );
});
