import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { ShapeError } from "../base/errors.ts";
import { add, constant } from "../tensor/elementwise.ts";
import { attention, crossEntropy, layerNorm, linear } from "../tensor/fused.ts";
import { dot, matmul } from "../tensor/linear-algebra.ts";
import { concatenate, gather } from "../tensor/movement.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { trace } from "../tensor/trace.ts";
import { GraphBuilder } from "./builder.ts";
import type { TensorType } from "./dtype.ts";
import type { Graph, OpName, OpParams } from "./graph.ts";
import { inferTypes, opSpecs } from "./op.ts";
import { formatType, tensorType } from "./shape.ts";

const f32 = (...shape: number[]): TensorType => tensorType("f32", shape);
const i32 = (...shape: number[]): TensorType => tensorType("i32", shape);

/** The ShapeError of a computation over inputs `x0`, `x1`, …. */
function refusal(types: readonly TensorType[], run: (...xs: Tensor[]) => Tensor): ShapeError {
  try {
    trace("test", Object.fromEntries(types.map((type, i) => [`x${i}`, type])), (xs) => ({
      y: run(...Object.values(xs)),
    }));
  } catch (error) {
    if (error instanceof ShapeError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

test("a refusal names both operands and the caller's line (would catch a line inside Firth, or in the test runner)", () => {
  const error = refusal([f32(8, 128, 64), f32(32, 65)], (x, w) => {
    return linear(x!, w!); // the refused line
  });
  const line = readFileSync(new URL(import.meta.url), "utf8")
    .split("\n")
    .findIndex((text) => /the refused lin[e]$/.test(text));
  expect(error.message).toBe(
    `linear: inner dimensions differ: the weight is [out, in]; got f32[8,128,64], f32[32,65]. Traced at ir/rule.test.ts:${line + 1}.`,
  );
  expect(error.code).toBe("SHAPE_MISMATCH");
});

test("a line is named as well when a function refuses before it adds a node", () => {
  const error = refusal([f32(2, 3), f32(4, 5)], (x, y) => matmul(x!, y!));
  expect(error.message).toContain("f32[2,3], f32[4,5]");
  expect(error.message).toMatch(/Traced at ir\/rule\.test\.ts:\d+\.$/);
});

describe("wrong operands are refused with their types", () => {
  const cases: Record<string, [readonly TensorType[], (...xs: Tensor[]) => Tensor, string]> = {
    "operands that do not broadcast": [[f32(2, 3), f32(2)], (a, b) => add(a!, b!), "f32[2,3], f32[2]"],
    "two dtypes": [[f32(2), i32(2)], (a, b) => add(a!, b!), "f32[2], i32[2]"],
    "batch axes of two sizes": [
      [f32(2, 3, 4), f32(3, 4, 5)],
      (a, b) => dot(a!, b!, { lhsBatch: [0], rhsBatch: [0], lhsContract: [2], rhsContract: [1] }),
      "f32[2,3,4], f32[3,4,5]",
    ],
    "a bias of the wrong width": [[f32(2, 3), f32(4, 3), f32(3)], (x, w, b) => linear(x!, w!, b), "must be [4]"],
    "a gain of the wrong width": [[f32(2, 3), f32(2), f32(2)], (x, g, b) => layerNorm(x!, g!, b!, 1e-5), "f32[2]"],
    "keys of another head size": [
      [f32(1, 2, 3, 4), f32(1, 2, 3, 5), f32(1, 2, 3, 5)],
      (q, k, v) => attention(q!, k!, v!),
      "f32[1,2,3,5]",
    ],
    "a bias that does not reach the scores": [
      [f32(1, 2, 3, 4), f32(1, 5, 3, 4), f32(1, 5, 3, 4), f32(1, 1, 2, 2)],
      (q, k, v, bias) => attention(q!, k!, v!, { bias }),
      "must broadcast to [1,3,2,5]",
    ],
    "labels that are not whole numbers": [[f32(2, 3), f32(2)], (x, labels) => crossEntropy(x!, labels!), "f32[2]"],
    "logits that are whole numbers": [[i32(2, 3), i32(2)], (x, labels) => crossEntropy(x!, labels!), "float dtype"],
    "a gain of another dtype": [
      [f32(2, 3), tensorType("bf16", [3]), f32(3)],
      (x, g, b) => layerNorm(x!, g!, b!, 1e-5),
      "f32[2,3], bf16[3], f32[3]",
    ],
    "float indices": [[f32(2, 3), f32(1)], (x, at) => gather(x!, at!), "indices must be i32"],
    "parts that differ off the axis": [[f32(2, 3), f32(2, 4)], (a, b) => concatenate([a!, b!], 0), "f32[2,4]"],
    "too many numbers": [[], () => constant([1, 2, 3], "f32", [3, 1, 2]), ""],
  };
  for (const [name, [types, run, text]] of Object.entries(cases)) {
    if (text !== "") test(name, () => expect(refusal(types, run).message).toContain(text));
  }
});

describe("bounds of a slice", () => {
  const cut = (starts: number[], limits: number[], strides: number[]) =>
    inferTypes("slice", [f32(5, 4)], { starts, limits, strides }).map(formatType);
  test("give the sizes rounded up", () => {
    expect(cut([1, 0], [5, 4], [2, 3])).toEqual(["f32[2,2]"]);
    expect(cut([5, 0], [5, 4], [1, 1])).toEqual(["f32[0,4]"]);
  });
  test("must be whole numbers inside (would catch half a column taken from a split that does not divide)", () => {
    expect(() => cut([0.5, 0], [3.5, 4], [1, 1])).toThrow("whole numbers");
    expect(() => cut([0, 0], [3, 4], [1.5, 1])).toThrow(ShapeError);
    expect(() => cut([0, 0], [6, 4], [1, 1])).toThrow(ShapeError);
    expect(() => cut([0], [5], [1])).toThrow(ShapeError);
    expect(() => cut([0, 0, 0], [5, 4, 1], [1, 1, 1])).toThrow(ShapeError);
  });
});

describe("scan", () => {
  /** A body that takes one carry and one entry and gives the first `results` of them. */
  const bodyWith = (results: number, change = f32(3)): Graph => {
    const builder = new GraphBuilder("body");
    const carry = builder.input("carry", "f32", [3]);
    const entry = builder.input("entry", change.dtype, change.shape);
    return builder.finish([carry, entry].slice(0, results).map((value, i) => ({ name: `${i}`, value })));
  };
  const infer = (body: Graph, numCarries: number, inputs: readonly TensorType[], length = 7) =>
    inferTypes("scan", inputs, { body, numConsts: 0, numCarries, length, reverse: false }).map(formatType);

  test("gives carries as they are and outputs stacked", () => {
    expect(infer(bodyWith(2), 1, [f32(3), f32(7, 3)])).toEqual(["f32[3]", "f32[7,3]"]);
  });
  test("needs a body with a result for every carry (would catch a state that is silently dropped)", () => {
    expect(() => infer(bodyWith(1), 2, [f32(3), f32(3)])).toThrow("too few for 0 constants and 2 carries");
    expect(() => infer(bodyWith(2), 3, [f32(3), f32(3)])).toThrow(ShapeError);
  });
  test("refuses sequences of another length and a length that is no number of steps", () => {
    expect(() => infer(bodyWith(2), 1, [f32(3), f32(6, 3)])).toThrow("f32[6,3], f32[7,3]");
    expect(() => infer(bodyWith(2), 1, [f32(3), f32(7, 3)], 7.5)).toThrow(ShapeError);
  });
  test("refuses a carry that changes its type", () => {
    const body = bodyWith(2);
    const swapped: Graph = { ...bodyWith(2, i32(3)), outputs: [] };
    const outputs = [swapped.inputs[1]!, swapped.inputs[0]!];
    expect(infer(body, 2, [f32(3), f32(3)])).toHaveLength(2);
    expect(() => infer({ ...swapped, outputs }, 1, [f32(3), i32(7, 3)])).toThrow("changes its type");
  });
});

test("no operation accepts a wrong number of operands (would catch a rule that never counts)", () => {
  const params: Partial<{ [P in OpName]: OpParams[P] }> = {
    constant: { dtype: "f32", shape: [1], data: new Float32Array(1) },
    iota: { dtype: "i32", shape: [1], axis: 0 },
    slice: { starts: [0], limits: [1], strides: [1] },
    pad: { low: [0], high: [0], interior: [0] },
    dot: { lhsBatch: [], rhsBatch: [], lhsContract: [0], rhsContract: [0] },
    reduceSum: { axes: [0] },
    reduceMax: { axes: [0] },
    argMax: { axis: 0 },
    broadcast: { shape: [1], dims: [0] },
    reshape: { shape: [1] },
    transpose: { permutation: [0] },
    gather: { axis: 0 },
    scatterAdd: { axis: 0 },
    randomBits: { shape: [1] },
    dropoutMask: { shape: [1], rate: 0 },
  };
  const skipped: OpName[] = ["concatenate", "scan", "call"];
  for (const op of Object.keys(opSpecs) as OpName[]) {
    if (skipped.includes(op)) continue;
    const nine = Array.from({ length: 9 }, () => f32(1));
    expect(() => inferTypes(op, nine, (params[op] ?? { shape: [1] }) as never), op).toThrow(ShapeError);
  }
});

test("statistics, scores and losses over 16-bit floats are f32 (would catch losses that round to three digits)", () => {
  const half = (...shape: number[]): TensorType => tensorType("bf16", shape);
  const types = (op: OpName, inputs: readonly TensorType[], params: object) =>
    inferTypes(op, inputs, params as never).map(formatType);
  expect(types("layerNorm", [half(2, 5), half(5), half(5)], { epsilon: 1e-5 })).toEqual([
    "bf16[2,5]",
    "f32[2]",
    "f32[2]",
  ]);
  expect(types("crossEntropy", [half(4, 9), i32(4)], {})).toEqual(["f32[4]", "f32[4]"]);
  const heads = [half(1, 3, 2, 4), half(1, 3, 2, 4), half(1, 3, 2, 4)];
  const settings = { scale: 1, bias: true, mask: false };
  expect(types("attention", [...heads, f32(1, 1, 3, 3)], settings)).toEqual(["bf16[1,3,2,4]", "bf16[1,2,3,3]"]);
  expect(() => types("attention", [...heads, half(1, 1, 3, 3)], settings)).toThrow("the bias must be f32");
});
