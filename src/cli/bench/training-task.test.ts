import { describe, expect, test } from "vitest";
import { families } from "../../models/families.ts";
import { benchmarkModels, type TrainingTaskOptions, trainingTask } from "./training-task.ts";

const size = { vocab: 64, batch: 3, seq: 40, seed: 1 } satisfies Omit<TrainingTaskOptions, "model">;

describe("training tasks of the benchmark", () => {
  test("every family has one (would catch a family whose objective or settings do not fit)", () => {
    for (const { name } of families) {
      const { objective, state } = trainingTask({ ...size, model: `${name}-tiny` });
      expect(objective.modelIssues(state.module), name).toEqual([]);
    }
  });

  test.each([
    ["bert-tiny", "maskedTokens", 3 * 6],
    ["albert-tiny", "maskedTokens", 3 * 6],
    ["gpt2-tiny", "predictedTokens", 3 * 40],
    ["bart-tiny", "targetTokens", 3 * 40],
  ])(
    "%s: its objective's count of scored places (would catch a family under another's objective)",
    (model, count, n) => {
      expect(trainingTask({ ...size, model }).batch.counts).toEqual({ [count]: n });
    },
  );

  test("rows are full, on both sides (would catch work that is counted but is padding)", () => {
    for (const model of benchmarkModels.filter((name) => name.endsWith("-tiny"))) {
      const { batch } = trainingTask({ ...size, model });
      expect(batch.numTokens, model).toBe(batch.numPlaces);
      for (const [name, { data, shape }] of Object.entries(batch.tensors)) {
        if (!/sequenceIds$/i.test(name)) continue;
        expect(shape, model).toEqual([3, 40]);
        expect(new Set(data), `${model} ${name}`).toEqual(new Set([1]));
      }
    }
  });

  test("rows may be longer than the size's positions (would catch a table that ends inside a row)", () => {
    for (const model of ["bert-tiny", "roberta-tiny", "bart-tiny"]) {
      const { state } = trainingTask({ ...size, model, batch: 1, seq: 600 });
      expect(state.module.encoder.maxPositionEmbeddings, model).toBe(600);
    }
  });

  test("a size's own vocabulary is its family's; layers are those of both stacks (would catch BERT's for all)", () => {
    const { vocab, state } = trainingTask({ model: "albert-tiny", batch: 1, seq: 8, seed: 1 });
    expect([vocab, state.module.encoder.vocabSize]).toEqual([30_000, 30_000]);
    const { module } = trainingTask({ ...size, model: "bart-tiny", layers: 3 }).state;
    expect([module.encoder.numHiddenLayers, module.decoder?.numHiddenLayers]).toEqual([3, 3]);
  });
});
