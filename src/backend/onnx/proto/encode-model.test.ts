import { InferenceSession, Tensor } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { encodeModel } from "./encode-model.ts";
import type { OnnxGraph, OnnxModel } from "./model.ts";
import { ModelProto } from "./schema.ts";

/** cumulative sum over rows through Scan: state [2], sequence [3, 2] */
const scanBody: OnnxGraph = {
  name: "body",
  nodes: [
    { opType: "Add", inputs: ["state", "row"], outputs: ["next"] },
    { opType: "Identity", inputs: ["next"], outputs: ["emitted"] },
  ],
  inputs: [
    { name: "state", dtype: "f32", shape: [2] },
    { name: "row", dtype: "f32", shape: [2] },
  ],
  outputs: [
    { name: "next", dtype: "f32", shape: [2] },
    { name: "emitted", dtype: "f32", shape: [2] },
  ],
};

const model: OnnxModel = {
  opsets: { "": 20, "com.microsoft": 1 },
  graph: {
    name: "every-attribute",
    inputs: [{ name: "x", dtype: "f32", shape: [3, 2] }],
    outputs: [
      { name: "sums", dtype: "f32", shape: [3, 2] },
      { name: "last", dtype: "f32", shape: [] },
      { name: "sliced", dtype: "f32", shape: [1, 2] },
      { name: "fused", dtype: "f32", shape: [3, 3] },
    ],
    initializers: {
      zero: { dtype: "f32", shape: [2], data: new Float32Array([0, 10]) },
      starts: { dtype: "i64", shape: [1], data: new BigInt64Array([-1n]) },
      ends: { dtype: "i64", shape: [1], data: new BigInt64Array([0x7fffffffffffffffn]) },
      axes: { dtype: "i64", shape: [1], data: new BigInt64Array([0n]) },
    },
    nodes: [
      {
        opType: "Scan",
        inputs: ["zero", "x"],
        outputs: ["final", "sums"],
        attributes: { body: { graph: scanBody }, num_scan_inputs: { int: 1 } },
      },
      { opType: "ReduceSum", inputs: ["final"], outputs: ["last"], attributes: { keepdims: { int: 0 } } },
      { opType: "Slice", inputs: ["x", "starts", "ends", "axes"], outputs: ["sliced"] },
      {
        opType: "FusedMatMul",
        domain: "com.microsoft",
        inputs: ["x", "x"],
        outputs: ["fused"],
        attributes: { transB: { int: 1n }, alpha: { float: 0.5 } },
      },
    ],
  },
};

describe("encodeModel", () => {
  // Catches wrong field numbers, a lost inner graph, a float written as int, an int64 constant cut to 32 bits.
  it("is understood by ONNX Runtime, inner graphs, foreign domains and initializers included", async () => {
    const session = await InferenceSession.create(encodeModel(model), { intraOpNumThreads: 1 });
    const result = await session.run({ x: new Tensor("float32", new Float32Array([1, 2, 3, 4, 5, 6]), [3, 2]) });
    expect([...(result.sums!.data as Float32Array)]).toEqual([1, 12, 4, 16, 9, 22]);
    expect(result.last!.dims).toEqual([]);
    expect([...(result.last!.data as Float32Array)]).toEqual([31]);
    expect([...(result.sliced!.data as Float32Array)]).toEqual([5, 6]);
    expect([...(result.fused!.data as Float32Array)]).toEqual([2.5, 5.5, 8.5, 5.5, 12.5, 19.5, 8.5, 19.5, 30.5]);
    await session.release();
  });

  // Catches a bigint attribute whose sign or high word is lost.
  it("keeps 64-bit attributes, strings and lists", () => {
    const bytes = encodeModel({
      opsets: { "": 20 },
      graph: {
        name: "g",
        inputs: [],
        outputs: [],
        nodes: [
          {
            opType: "Any",
            inputs: [],
            outputs: [],
            attributes: {
              ints: { ints: [-1, -9007199254740993n, 3] },
              floats: { floats: [0.5, -2] },
              mode: { string: "naïve" },
              modes: { strings: ["a", "b"] },
              value: { tensor: { dtype: "bool", shape: [2], data: new Uint8Array([1, 0]) } },
            },
          },
        ],
      },
    });
    const decoded = ModelProto.toObject(ModelProto.decode(bytes), { longs: String, bytes: Array, arrays: true });
    const attributes = decoded.graph.node[0].attribute;
    expect(attributes[0]).toMatchObject({ type: 7, ints: ["-1", "-9007199254740993", "3"] });
    expect(attributes[1]).toMatchObject({ type: 6, floats: [0.5, -2] });
    expect(new TextDecoder().decode(Uint8Array.from(attributes[2].s))).toBe("naïve");
    expect(attributes[3].strings).toEqual([[97], [98]]);
    expect(attributes[4].t).toMatchObject({ dims: ["2"], dataType: 9, rawData: [1, 0] });
  });

  // Catches a view over part of a larger buffer encoded from the buffer's start.
  it("encodes only the viewed bytes of an initializer, in tens of milliseconds for 16 MB", () => {
    const backing = new Float32Array(4 * 1024 * 1024 + 8).fill(3);
    backing[4] = 7;
    const constant: OnnxModel = {
      opsets: { "": 20 },
      graph: {
        name: "g",
        nodes: [],
        inputs: [],
        outputs: [],
        initializers: { w: { dtype: "f32", shape: [4 * 1024 * 1024], data: backing.subarray(4, 4 + 4 * 1024 * 1024) } },
      },
    };
    const start = performance.now();
    const bytes = encodeModel(constant);
    expect(performance.now() - start).toBeLessThan(1_000);
    const raw = ModelProto.toObject(ModelProto.decode(bytes)).graph.initializer[0].rawData as Uint8Array;
    expect(raw.byteLength).toBe(16 * 1024 * 1024);
    expect(new DataView(raw.buffer, raw.byteOffset).getFloat32(0, true)).toBe(7);
  });

  // Catches a constant of the wrong length that the engine would read past the end of.
  it("refuses a constant whose bytes do not fit its shape", () => {
    const wrong = { dtype: "i64", shape: [2], data: new Int32Array(2) } as const;
    const graph = { name: "g", nodes: [], inputs: [], outputs: [], initializers: { axes: wrong } };
    expect(() => encodeModel({ opsets: { "": 20 }, graph })).toThrow(
      "axes: initializer bytes must match shape and dtype; i64[2] needs 16 bytes, got 8.",
    );
  });
});
