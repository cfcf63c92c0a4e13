import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { createReferenceBackend } from "../../backend/reference/reference-backend.ts";
import type { Batch } from "../../data/batch.ts";
import type { HostTensor } from "../../ir/dtype.ts";
import { namedParameters } from "../../nn/module.ts";
import { initialWeights } from "../../nn/weights.ts";
import { BatchProgram } from "../../train/batch-program.ts";
import { traceForward } from "../../train/forward-graph.ts";
import { ModelStore } from "../../train/model-store.ts";
import { familyOf } from "../families.ts";
import type { EncoderInputs } from "../model.ts";
import { biLstmConfig } from "./config.ts";
import { biLstmFamily } from "./family.ts";

const backend = createReferenceBackend();
afterAll(() => backend.dispose());
const config = biLstmConfig({
  vocabSize: 12,
  embeddingSize: 3,
  lstmSize: 2,
  hiddenDropoutProb: 0,
  initializerRange: 1,
});
const model = biLstmFamily.tokenClassification(config, 2);
const weights = initialWeights(model, 3);

function batchOf(ids: readonly number[][], sequences: readonly number[][]): Batch {
  const shape = [ids.length, ids[0]!.length];
  const integers = (rows: readonly (readonly number[])[]): HostTensor => {
    return { dtype: "i32", shape, data: Int32Array.from(rows.flat()) };
  };
  const none = ids.map((row) => row.map(() => 0));
  const tensors = {
    ...{ inputIds: integers(ids), sequenceIds: integers(sequences) },
    ...{ positionIds: integers(none), tokenTypeIds: integers(none) },
  };
  return { tensors, counts: {}, numSequences: 1, numTokens: 1, numPlaces: 1 };
}

/** All states, and those of one side, of the tokens of rows. */
async function states(ids: readonly number[][], sequences: readonly number[][]) {
  const store = new ModelStore(backend, model, ["value"]);
  store.write("value", weights);
  const program = new BatchProgram({
    ...{ backend, store },
    trace: (batch) =>
      traceForward(store.parameters, batch, { compute: "f32" }, (context, symbols) => {
        const inputs = symbols as unknown as EncoderInputs;
        const { lastHiddenState } = model.encoder.encode(context, inputs);
        return { all: lastHiddenState, ...model.encoder.oneSided!.states(context, inputs) };
      }),
  });
  const outputs = (await program.run(batchOf(ids, sequences))) as Record<"all" | "left" | "right", Float32Array>;
  await program.dispose();
  store.dispose();
  return outputs;
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** One direction of the first layer in plain numbers. */
function direction(name: "forward" | "backward", ids: readonly number[]): number[][] {
  const read = (part: string): Float32Array => weights.get(`encoder.layers.0.${name}.${part}`)!;
  const [w, u, b] = [read("inputWeight"), read("recurrentWeight"), read("bias")];
  const table = weights.get("encoder.embeddings.weight")!;
  let [hidden, cell] = [
    [0, 0],
    [0, 0],
  ];
  const order = name === "forward" ? [...ids.keys()] : [...ids.keys()].reverse();
  const found: number[][] = [];
  for (const at of order) {
    const gate = (row: number): number =>
      [0, 1, 2].reduce((sum, i) => sum + w[row * 3 + i]! * table[ids[at]! * 3 + i]!, b[row]!) +
      [0, 1].reduce((sum, i) => sum + u[row * 2 + i]! * hidden[i]!, 0);
    cell = [0, 1].map((i) => sigmoid(gate(2 + i)) * cell[i]! + sigmoid(gate(i)) * Math.tanh(gate(4 + i)));
    hidden = [0, 1].map((i) => sigmoid(gate(6 + i)) * Math.tanh(cell[i]!));
    found[at] = hidden;
  }
  return found;
}

describe("a biLSTM", () => {
  test("has the states of the equations, in both directions (bugs: gates in another order, a state of the wrong neighbour)", async () => {
    const ids = [3, 5, 7, 4];
    const { left, right } = await states([ids], [[1, 1, 1, 1]]);
    direction("forward", ids)
      .flat()
      .forEach((value, i) => {
        expect(left[i]).toBeCloseTo(value, 5);
      });
    direction("backward", ids)
      .flat()
      .forEach((value, i) => {
        expect(right[i]).toBeCloseTo(value, 5);
      });
  });

  test("keeps the sequences of a row apart, and is not moved by padding (bug: a state that goes on into the next text)", async () => {
    const packed = await states([[3, 5, 7, 4, 6, 0]], [[1, 1, 1, 2, 2, 0]]);
    const first = await states([[3, 5, 7]], [[1, 1, 1]]);
    const second = await states([[4, 6]], [[1, 1]]);
    const alone = [...first.all, ...second.all];
    alone.forEach((value, i) => {
      expect(packed.all[i], `${i}`).toBeCloseTo(value, 5);
    });
  });

  test("is saved and loaded as a tagger", async () => {
    const folder = await mkdtemp(join(tmpdir(), "firth-bilstm-"));
    try {
      await biLstmFamily.save(folder, { config, module: model, weights }, { labels: ["a", "b"] });
      const family = await familyOf(folder);
      const loaded = await family.loadTokenClassification(folder, 0);
      expect([loaded.newParameters, loaded.labels]).toEqual([[], ["a", "b"]]);
      for (const name of namedParameters(model).keys())
        expect(loaded.weights.get(name), name).toEqual(weights.get(name));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
