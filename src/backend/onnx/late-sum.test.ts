import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { gradients } from "../../autodiff/grad.ts";
import { BackendError } from "../../base/errors.ts";
import { Random } from "../../base/random.ts";
import type { HostTensor } from "../../ir/dtype.ts";
import { sizeOf, tensorType } from "../../ir/shape.ts";
import { decompose } from "../../tensor/decompose/decompose.ts";
import { add, mul } from "../../tensor/elementwise.ts";
import { embedding, linear } from "../../tensor/fused.ts";
import { reshape } from "../../tensor/movement.ts";
import { sum } from "../../tensor/reduction.ts";
import { emitOne, trace } from "../../tensor/trace.ts";
import { evaluateGraph } from "../reference/evaluate.ts";
import { lowerGraph } from "./lower/lower-graph.ts";
import { createOnnxBackend, type OnnxBackend } from "./onnx-backend.ts";

const [rows, width] = [40, 6];
let backend: OnnxBackend;
beforeAll(async () => {
  backend = await createOnnxBackend({ threads: 2 });
}, 60_000);
afterAll(() => backend.dispose());

const random = new Random(3);
const floats = (...shape: number[]): HostTensor => ({
  dtype: "f32",
  shape,
  data: Float32Array.from({ length: sizeOf(shape) }, () => random.next() - 0.5),
});
const integers = (data: number[], shape: number[]): HostTensor => ({
  dtype: "i32",
  shape,
  data: Int32Array.from(data),
});
const f32 = (...shape: number[]) => tensorType("f32", shape);

/** A tied table, a second table at the same tokens, and ids that repeat: what BERT's embeddings are. */
const tied = trace(
  "tied",
  { words: f32(rows, width), places: f32(20, width), ids: tensorType("i32", [2, 3]), at: tensorType("i32", [2, 3]) },
  ({ words, places, ids, at }) => {
    const x = add(embedding(words!, ids!), embedding(places!, at!));
    const logits = linear(reshape(x, [6, width]), words!);
    const [dWords, dPlaces] = gradients(sum(mul(logits, logits)), [words!, places!]);
    return { dWords: dWords!, dPlaces: dPlaces! };
  },
);
const tiedInputs = [
  floats(rows, width),
  floats(20, width),
  integers([3, 3, 39, 0, 3, 7], [2, 3]),
  integers([0, 1, 2, 0, 1, 2], [2, 3]),
];

async function run(graph: typeof tied, inputs: readonly HostTensor[], times = 1) {
  const executable = await backend.compile(decompose(graph, (node) => backend.fuses(node)));
  const given = inputs.map((tensor) => backend.allocate(tensor));
  const taken = graph.outputs.map(({ value }) => backend.allocate(value));
  try {
    given.forEach((buffer, i) => {
      buffer.write(inputs[i]!.data);
    });
    for (let i = 0; i < times; i++) await executable.run(given, taken);
    return await Promise.all(taken.map((buffer) => buffer.read()));
  } finally {
    await executable.dispose();
    for (const buffer of [...given, ...taken]) buffer.dispose();
  }
}

const operators = (graph: typeof tied) =>
  lowerGraph(decompose(graph, (node) => backend.fuses(node))).model.graph.nodes.map(({ opType }) => opType);

function expectClose(actual: ArrayLike<number>, wanted: ArrayLike<number>): void {
  expect(actual.length).toBe(wanted.length);
  for (let i = 0; i < wanted.length; i++) expect(actual[i]).toBeCloseTo(wanted[i]!, 4);
}

describe("gradients of tables", () => {
  // Bugs: repeated ids overwrite each other; a second run adds to what the first left; rows of the wrong table.
  it("are whole after every run, for a tied table and one that is not", async () => {
    const wanted = evaluateGraph(decompose(tied), tiedInputs);
    const actual = await run(tied, tiedInputs, 3);
    for (const [i, { data }] of wanted.entries()) expectClose(actual[i] as Float32Array, data as Float32Array);
  });

  // Bug: the slow operator stays, and the test above would pass all the same.
  it("need no scattering in the engine", () => {
    expect(operators(tied)).not.toContain("ScatterElements");
  });

  // Bug: a gradient that the graph goes on with lacks its rows.
  it("are scattered in the engine where the graph reads them", async () => {
    const graph = trace(
      "read",
      { words: f32(rows, width), ids: tensorType("i32", [4]), scale: f32() },
      ({ words, ids, scale }) => {
        const x = embedding(words!, ids!);
        const [slope] = gradients(sum(mul(x, x)), [words!]);
        return { slope: slope!, norm: mul(sum(mul(slope!, slope!)), scale!) };
      },
    );
    const inputs = [floats(rows, width), integers([1, 1, 2, 39], [4]), floats()];
    expect(operators(graph)).toContain("ScatterElements");
    const wanted = evaluateGraph(decompose(graph), inputs);
    const actual = await run(graph, inputs);
    for (const [i, { data }] of wanted.entries()) expectClose(actual[i] as Float32Array, data as Float32Array);
  });

  // Bug: an id outside of the table is passed over in silence.
  it("refuse ids outside of the table", async () => {
    const graph = trace("outside", { ids: tensorType("i32", [2]), dy: f32(2, width) }, ({ ids, dy }) => ({
      slope: emitOne("embeddingGrad", [ids!, dy!], { rows }),
    }));
    await expect(run(graph, [integers([1, rows], [2]), floats(2, width)])).rejects.toThrow(BackendError);
  });
});
