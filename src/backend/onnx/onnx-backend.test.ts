import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { gradients } from "../../autodiff/grad.ts";
import { Random } from "../../base/random.ts";
import { allocateHostData, type HostData, type HostTensor } from "../../ir/dtype.ts";
import type { Graph } from "../../ir/graph.ts";
import { sizeOf, tensorType } from "../../ir/shape.ts";
import { decompose } from "../../tensor/decompose/decompose.ts";
import { add, constant, convert, div, iota, mul, sin, tanh } from "../../tensor/elementwise.ts";
import { attention, crossEntropy, dropoutMask, embedding, foldIn, gelu, layerNorm } from "../../tensor/fused.ts";
import { dot } from "../../tensor/linear-algebra.ts";
import { reshape, scatterAdd } from "../../tensor/movement.ts";
import { max, sum } from "../../tensor/reduction.ts";
import { scan } from "../../tensor/scan.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { emitOne, trace } from "../../tensor/trace.ts";
import { evaluateGraph } from "../reference/evaluate.ts";
import { randomBitsAt } from "../wasm/random-mask.ts";
import { createOnnxBackend, OnnxBackend } from "./onnx-backend.ts";

const f32 = (...shape: number[]) => tensorType("f32", shape);
const u32 = (...shape: number[]) => tensorType("u32", shape);
let backend: OnnxBackend;

beforeAll(async () => {
  backend = await createOnnxBackend({ threads: 2 });
}, 60_000);
afterAll(() => backend.dispose());

const lowered = (graph: Graph) => decompose(graph, (node) => backend.fuses(node));

async function runOn(graph: Graph, inputs: readonly HostData[]): Promise<HostData[]> {
  const executable = await backend.compile(lowered(graph));
  const given = graph.inputs.map(({ value }, i) => {
    const buffer = backend.allocate(value);
    buffer.write(inputs[i]!);
    return buffer;
  });
  const results = graph.outputs.map(({ value }) => backend.allocate(value));
  await executable.run(given, results);
  const data = await Promise.all(results.map((buffer) => buffer.read()));
  await executable.dispose();
  for (const buffer of [...given, ...results]) buffer.dispose();
  return data;
}

function randomInputs(graph: Graph, seed = 1): HostTensor[] {
  const random = new Random(seed);
  return graph.inputs.map(({ value }) => {
    const data = allocateHostData(value.dtype, sizeOf(value.shape));
    for (let i = 0; i < data.length; i++) {
      data[i] = value.dtype === "f32" ? random.nextNormal() : random.nextUint32();
    }
    return { dtype: value.dtype, shape: value.shape, data };
  });
}

/** Compares with the reference interpreter: relative to each output's largest element. */
async function expectLikeReference(graph: Graph, tolerance = 3e-6): Promise<void> {
  const inputs = randomInputs(graph);
  const expected = evaluateGraph(decompose(graph), inputs);
  const actual = await runOn(
    graph,
    inputs.map(({ data }) => data),
  );
  expected.forEach((tensor, o) => {
    const data = Array.from(tensor.data, Number);
    const scale = data.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-3);
    data.forEach((x, i) => {
      const error = Math.abs(actual[o]![i]! - x) / scale;
      if (!(error <= tolerance)) {
        expect.fail(`${graph.outputs[o]!.name}[${i}] is ${actual[o]![i]}, not ${x}`);
      }
    });
  });
}

/** A scalar that weighs every element differently, so that errors of scale, sign or order show in the gradient. */
function probe(y: Tensor): Tensor {
  return sum(mul(y, reshape(sin(mul(iota([sizeOf(y.shape)], 0, "f32"), 3)), y.shape)));
}

describe("OnnxBackend", () => {
  it("wraps unsigned and signed sums, products and maxima beyond 2³¹ (the kernels saturate or lose them)", async () => {
    for (const dtype of ["u32", "i32"] as const) {
      const type = tensorType(dtype, [4, 6]);
      const graph = trace("wrap", { x: type, y: type }, ({ x, y }) => ({
        product: mul(x, y),
        rows: emitOne("reduceSum", [x], { axes: [1] }),
        columns: emitOne("reduceSum", [x], { axes: [0] }),
        most: max(x, [0, 1]),
        first: emitOne("argMax", [x], { axis: 1 }),
        scattered: scatterAdd(x, constant([1, 1, 1, 0], "i32"), y),
      }));
      await expectLikeReference(graph, 0);
    }
  });

  it("divides whole numbers toward zero, and zero divisors give 0 (bug: an integer division traps)", async () => {
    const values = [0, 1, 2, 3, -1, -7, 2 ** 31 - 1, -(2 ** 31)];
    const pairs = values.flatMap((a) => values.map((b) => [a, b] as const));
    for (const dtype of ["i32", "u32"] as const) {
      const type = tensorType(dtype, [pairs.length]);
      const graph = trace("div", { a: type, b: type }, ({ a, b }) => ({ q: div(a, b) }));
      const [as, bs] = [0, 1].map((side) => {
        const given = pairs.map((pair) => pair[side]!);
        return dtype === "i32" ? Int32Array.from(given) : Uint32Array.from(given);
      }) as [Int32Array, Int32Array];
      const expected = as.map((a, i) => (bs[i] === 0 ? 0 : Math.trunc(a / bs[i]!)));
      expect((await runOn(graph, [as, bs]))[0]).toEqual(expected);
    }
  });

  it("multiplies over batch and inner axes in any order of axes", async () => {
    const graph = trace("dots", { a: f32(2, 3, 4, 6), b: f32(2, 3, 6, 5), c: f32(3, 2, 6) }, ({ a, b, c }) => ({
      stack: dot(a, b, { lhsBatch: [0, 1], rhsBatch: [0, 1], lhsContract: [3], rhsContract: [2] }),
      crossed: dot(a, a, { lhsBatch: [0, 2], rhsBatch: [0, 2], lhsContract: [3], rhsContract: [3] }),
      inner: dot(a, c, { lhsContract: [0, 1, 3], rhsContract: [1, 0, 2] }),
      outer: dot(c, reshape(c, [36]), {}),
    }));
    await expectLikeReference(graph);
  });

  it("differentiates the fused composites like their decompositions", async () => {
    const graph = trace(
      "composites",
      { q: f32(2, 4, 3, 8), k: f32(2, 5, 3, 8), v: f32(2, 5, 3, 8), bias: f32(2, 1, 1, 5), g: f32(8), key: u32(2) },
      ({ q, k, v, bias, g, key }) => {
        const mask = dropoutMask(key, [2, 3, 4, 5], 0.2);
        const mixed = attention(q, k, v, { bias, dropoutMask: mask });
        const y = gelu(layerNorm(mixed, g, mul(g, 0.5), 1e-5));
        const rows = crossEntropy(reshape(y, [24, 8]), constant([...Array(23).fill(2), -100], "i32"));
        const [dq, dk, dv, dBias, dg] = gradients(probe(rows), [q, k, v, bias, g]);
        return { y, rows, dq: dq!, dk: dk!, dv: dv!, dBias: dBias!, dg: dg! };
      },
    );
    await expectLikeReference(graph, 1e-5);
  });

  it("adds up thousands of repeated indices on two threads (a racing scatter loses updates)", async () => {
    const [count, width, rows] = [8192, 64, 50];
    const ids = Int32Array.from({ length: count }, (_, i) => (i * i) % rows);
    const graph = trace("race", { dOut: f32(count, width), table: f32(rows, width) }, ({ dOut, table }) => {
      const picked = embedding(table, constant(ids, "i32"));
      return { dTable: gradients(sum(mul(picked, dOut)), [table])[0]! };
    });
    const dOut = new Float32Array(count * width).fill(1);
    const hits = new Array<number>(rows).fill(0);
    for (const id of ids) hits[id]! += 1;
    for (let attempt = 0; attempt < 5; attempt++) {
      const [dTable] = await runOn(graph, [dOut, new Float32Array(rows * width)]);
      for (let i = 0; i < rows * width; i++) expect(dTable![i]).toBe(hits[Math.floor(i / width)]);
    }
  });

  it("makes the same masks outside the graph, inside it, and by definition", async () => {
    const rate = 0.3;
    const graph = trace("masks", { key: u32(2), keys: u32(2, 2) }, ({ key, keys }) => {
      const { outputs } = scan(
        (_, [k]) => ({ carries: [], outputs: [dropoutMask(foldIn(k!, 5), [777], rate)] }),
        [],
        [keys],
      );
      return { outside: dropoutMask(foldIn(key, 5), [777], rate), inside: outputs[0]! };
    });
    const words = Uint32Array.of(123_456_789, 4_000_000_000);
    const [outside, inside] = await runOn(graph, [words, Uint32Array.of(1, 2, ...words)]);
    expect([...inside!.slice(777)]).toEqual([...outside!]);
    const plain = trace("plain", { key: u32(2) }, ({ key }) => ({ m: dropoutMask(key, [777], rate) }));
    const [mask] = await runOn(plain, [words]);
    const key = [words[0]!, words[1]!] as const;
    mask!.forEach((value, i) => {
      expect(value).toBe(randomBitsAt(key, i) < Math.floor(rate * 2 ** 32) ? 0 : Math.fround(1 / (1 - rate)));
    });
  });

  it("runs a loop backwards over its sequences with constants of the enclosing graph", async () => {
    const graph = trace("loop", { w: f32(3, 3), h: f32(2, 3), xs: f32(4, 2, 3) }, ({ w, h, xs }) => {
      const step = ([carry]: readonly Tensor[], [x]: readonly Tensor[]) => {
        const next = tanh(add(dot(carry!, w, { lhsContract: [1], rhsContract: [0] }), x!));
        return { carries: [next], outputs: [mul(next, 2)] };
      };
      const { carries, outputs } = scan(step, [h], [xs], { reverse: true });
      const [dw, dh, dx] = gradients(add(probe(carries[0]!), probe(outputs[0]!)), [w, h, xs]);
      return { last: carries[0]!, stacked: outputs[0]!, dw: dw!, dh: dh!, dx: dx! };
    });
    await expectLikeReference(graph);
  });

  it("names the graph input whose buffer does not fit", async () => {
    const graph = trace("typed", { weights: f32(2, 3) }, ({ weights }) => ({ y: tanh(weights) }));
    const executable = await backend.compile(graph);
    const y = backend.allocate(f32(2, 3));
    await expect(executable.run([backend.allocate(f32(3, 2))], [y])).rejects.toThrow(
      /input "weights": the graph has f32\[2,3\], the buffer f32\[3,2\]/,
    );
    await expect(executable.run([], [y])).rejects.toThrow(/takes 1 input buffers; got 0/);
    await executable.dispose();
    await expect(executable.run([y], [y])).rejects.toThrow(/was disposed and is run again/);
  });

  it("runs overlapping calls one after the other, each on its own buffers and masks", async () => {
    const graph = trace("overlap", { x: f32(4096), key: u32(2) }, ({ x, key }) => ({
      y: mul(x, convert(dropoutMask(key, [4096], 0.5), "f32")),
    }));
    const executable = await backend.compile(graph);
    const runs = Array.from({ length: 12 }, (_, i) => {
      const [x, key, y] = [backend.allocate(f32(4096)), backend.allocate(u32(2)), backend.allocate(f32(4096))];
      x.write(new Float32Array(4096).fill(i + 1));
      key.write(Uint32Array.of(i, 7));
      return { x, key, y };
    });
    await Promise.all(runs.map(({ x, key, y }) => executable.run([x, key], [y])));
    for (const [i, { y }] of runs.entries()) {
      const data = await y.read();
      data.forEach((value, j) => {
        expect(value).toBe(randomBitsAt([i, 7], j) < 2 ** 31 ? 0 : 2 * (i + 1));
      });
    }
    await executable.dispose();
  });

  it("measures its own matrix product, so that a step can be judged by it", async () => {
    const { engine, gemmGflops, threads } = await backend.probe();
    expect({ engine, threads }).toEqual({ engine: "onnx", threads: 2 });
    expect(gemmGflops).toBeGreaterThan(1);
  });

  it("ends though its probe could not be made (bug: the workers and the binding stay, and keep the process alive)", async () => {
    let isDisposed = false;
    const refusing = {
      kind: "c-api",
      version: "",
      providers: [],
      createSession: () => Promise.reject(new Error("no memory")),
      dispose: async () => {
        isDisposed = true;
      },
    } as const;
    const failing = new OnnxBackend({ binding: refusing, reason: "for a test" }, { threads: 1 });
    await expect(failing.probe()).rejects.toThrow("no memory");
    await failing.dispose();
    expect(isDisposed).toBe(true);
  });
});
