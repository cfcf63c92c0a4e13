import { expect, test } from "vitest";
import { tinySpec } from "../../tests/support/tiny-run.ts";
import type { Backend } from "../backend/backend.ts";
import { createReferenceBackend } from "../backend/reference/reference-backend.ts";
import { type TrainOptionsInput, trainOptionsTable } from "./options.ts";
import { train } from "./trainer.ts";

const reference = createReferenceBackend();

test("what fails before the first step leaves no store behind (bug: weights and moments of a network for good)", async () => {
  let stores = 0;
  const counting: Backend = Object.create(reference, {
    createStore: {
      value: (...given: Parameters<Backend["createStore"]>) => {
        const store = reference.createStore(...given);
        const dispose = store.dispose.bind(store);
        stores++;
        store.dispose = () => {
          stores--;
          dispose();
        };
        return store;
      },
    },
  });
  const evaluation = () => {
    throw new Error("no room");
  };
  await expect(train(tinySpec(counting, { maxSteps: 1 }, { evaluation }))).rejects.toThrow("no room");
  expect(stores).toBe(0);
});

test("rates of decay of 1 and an epsilon of 0 are refused together (bug: NaN in weights without a gradient yet)", () => {
  const options: TrainOptionsInput = { maxSteps: 1, batchSize: 1, beta1: 1, beta2: 1, epsilon: 0 };
  expect(() => trainOptionsTable.resolve(options)).toThrow(/3 problems[\s\S]*beta1[\s\S]*beta2[\s\S]*epsilon/);
});
