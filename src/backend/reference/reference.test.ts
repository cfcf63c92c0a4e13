import { describe, expect, it } from "vitest";
import { decodeFloat16, encodeBfloat16, encodeFloat16 } from "../../base/half-float.ts";
import type { HostTensor } from "../../ir/dtype.ts";
import { tensorType } from "../../ir/shape.ts";
import { add, compare, constant, convert, div, mul, neg, shiftLeft } from "../../tensor/elementwise.ts";
import { gelu } from "../../tensor/fused.ts";
import { dot } from "../../tensor/linear-algebra.ts";
import { gather, scatterAdd } from "../../tensor/movement.ts";
import { scan } from "../../tensor/scan.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { trace } from "../../tensor/trace.ts";
import { erf } from "../host/erf.ts";
import { evaluateGraph } from "./evaluate.ts";
import { createReferenceBackend } from "./reference-backend.ts";

const f32 = (shape: number[], ...data: number[]): HostTensor => ({
  dtype: "f32",
  shape,
  data: Float64Array.from(data),
});
const i32 = (...data: number[]): HostTensor => ({ dtype: "i32", shape: [data.length], data: Int32Array.from(data) });
const u32 = (...data: number[]): HostTensor => ({ dtype: "u32", shape: [data.length], data: Uint32Array.from(data) });

/** Runs a closed computation over given tensors, known as `x0`, `x1`, …, and gives its first result. */
function compute(inputs: readonly HostTensor[], run: (...xs: Tensor[]) => Tensor): number[] {
  const types = Object.fromEntries(inputs.map((tensor, i) => [`x${i}`, tensor]));
  const graph = trace("test", types, (xs) => ({ y: run(...Object.values(xs)) }));
  return [...evaluateGraph(graph, inputs)[0]!.data];
}

describe("erf", () => {
  it("agrees with the closed values of tables (wrong coefficients, wrong branch limits)", () => {
    // Values to 17 digits: Abramowitz & Stegun table 7.1 and mpmath.
    const table = [
      [0.1, 0.1124629160182849],
      [0.46875, 0.49261347321793797],
      [0.5, 0.5204998778130465],
      [1, 0.8427007929497149],
      [2, 0.9953222650189527],
      [4, 0.9999999845827421],
      [4.5, 0.9999999998033839],
    ] as const;
    for (const [x, y] of table) {
      expect(Math.abs(erf(x) - y)).toBeLessThan(3e-16);
      expect(erf(-x)).toBe(-erf(x));
    }
    expect([erf(0), erf(Infinity), erf(-Infinity), erf(NaN), erf(30)]).toEqual([0, 1, -1, NaN, 1]);
  });

  it("joins its branches without a step", () => {
    for (const limit of [0.46875, 4, 6]) {
      expect(Math.abs(erf(limit * (1 + 1e-15)) - erf(limit))).toBeLessThan(2e-15);
    }
  });
});

describe("half formats", () => {
  it("round trips every finite f16 (exponent carry, subnormals)", () => {
    for (let bits = 0; bits < 0x7c00; bits++) expect(encodeFloat16(decodeFloat16(bits))).toBe(bits);
  });

  it("rounds ties to even and overflows to infinity", () => {
    expect([1 + 2 ** -11, 1 + 3 * 2 ** -11, 65_519, 65_520].map(encodeFloat16)).toEqual([
      0x3c00, 0x3c02, 0x7bff, 0x7c00,
    ]);
    expect([1, 1 + 2 ** -8, 1 + 3 * 2 ** -8].map(encodeBfloat16)).toEqual([0x3f80, 0x3f80, 0x3f82]);
  });
});

describe("integers", () => {
  it("wrap in 32 bits (a product through doubles loses low bits)", () => {
    expect(compute([i32(0x7fffffff, -5, -0x80000000)], (x) => mul(x, x))).toEqual([1, 25, 0]);
    expect(compute([u32(0xfffffffb, 0x10001)], (x) => mul(x, x))).toEqual([25, 0x20001]);
    expect(compute([i32(0x7fffffff)], (x) => add(x, 1))).toEqual([-0x80000000]);
    expect(compute([u32(1)], (x) => neg(x))).toEqual([0xffffffff]);
  });

  it("divide toward zero and shift without masking the count", () => {
    expect(compute([i32(-7, 7, -8)], (x) => div(x, 2))).toEqual([-3, 3, -4]);
    expect(compute([u32(3, 3)], (x) => shiftLeft(x, constant([31, 32], "u32")))).toEqual([0x80000000, 0]);
  });

  it("compare u32 without a sign", () => {
    expect(compute([u32(0xffffffff)], (x) => compare("gt", x, 1))).toEqual([1]);
  });

  it("convert by truncation", () => {
    expect(compute([f32([4], -1.7, 1.7, 0, -0.5)], (x) => convert(x, "i32"))).toEqual([-1, 1, 0, 0]);
    expect(compute([f32([3], -0.5, 0, 2)], (x) => convert(x, "bool"))).toEqual([1, 0, 1]);
  });
});

describe("structure", () => {
  it("orders the axes of a product: batch, left free, right free", () => {
    const lhs = f32([2, 1, 2], 1, 2, 3, 4);
    const rhs = f32([3, 2, 2], 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
    // Batch: axis 2 of the left with axis 1 of the right; contracted: axis 0 with axis 2.
    const product = compute([lhs, rhs], (x, y) =>
      dot(x!, y!, { lhsBatch: [2], rhsBatch: [1], lhsContract: [0], rhsContract: [2] }),
    );
    // Batch 0: left (1, 3), right rows (1,2), (5,6), (9,10); batch 1: left (2, 4), right rows (3,4), (7,8), (11,12).
    expect(product).toEqual([7, 23, 39, 22, 46, 70]);
  });

  it("adds up repeated indices and refuses those out of range", () => {
    const x = f32([3, 2], 0, 0, 10, 10, 0, 0);
    const updates = f32([3, 2], 1, 2, 3, 4, 5, 6);
    expect(compute([x, i32(1, 0, 1), updates], (a, b, c) => scatterAdd(a, b, c))).toEqual([3, 4, 16, 18, 0, 0]);
    expect(() => compute([x, i32(3)], (a, b) => gather(a, b))).toThrow(
      expect.objectContaining({ code: "INDEX_OUT_OF_RANGE" }),
    );
  });

  it("scans in both directions with constants, carries and outputs", () => {
    for (const reverse of [false, true]) {
      const graph = trace("scan", { x: tensorType("f32", [3]), factor: tensorType("f32", []) }, ({ x, factor }) => {
        const step = scan(
          ([sum], [entry]) => {
            const next = add(mul(sum!, factor), entry!);
            return { carries: [next], outputs: [mul(next, 10)] };
          },
          [constant(1)],
          [x],
          { reverse },
        );
        return { last: step.carries[0]!, all: step.outputs[0]! };
      });
      const [last, all] = evaluateGraph(graph, [f32([3], 1, 2, 3), f32([], 2)]);
      expect([...last!.data]).toEqual([reverse ? 25 : 19]);
      expect([...all!.data]).toEqual(reverse ? [250, 120, 50] : [30, 80, 190]);
    }
  });
});

describe("the engine", () => {
  it("refuses composites by name", async () => {
    const graph = trace("g", { x: tensorType("f32", [2]) }, ({ x }) => ({ y: gelu(x) }));
    await expect(createReferenceBackend().compile(graph)).rejects.toMatchObject({ code: "OP_NOT_SUPPORTED" });
  });

  it("rounds to the dtype in f32 and not in f64", async () => {
    const graph = trace("g", { x: tensorType("f32", []) }, ({ x }) => ({ y: add(x, 1), z: convert(x, "bf16") }));
    const results: number[][] = [];
    for (const precision of ["f64", "f32"] as const) {
      const backend = createReferenceBackend({ precision });
      const [x, y, z] = [
        backend.allocate(tensorType("f32", [])),
        backend.allocate(tensorType("f32", [])),
        backend.allocate(tensorType("bf16", [])),
      ];
      x.write(Float64Array.of(2 ** -30));
      await (await backend.compile(graph)).run([x], [y, z]);
      results.push([(await y.read())[0]!, (await z.read())[0]!]);
    }
    expect(results).toEqual([
      [1 + 2 ** -30, 2 ** -30],
      [1, encodeBfloat16(2 ** -30)],
    ]);
  });

  it("names the input of a wrong type", async () => {
    const backend = createReferenceBackend();
    const executable = await backend.compile(
      trace("g", { ids: tensorType("i32", [2]) }, ({ ids }) => ({ y: neg(ids) })),
    );
    const wrong = backend.allocate(tensorType("f32", [2]));
    await expect(executable.run([wrong], [wrong])).rejects.toThrow(/"ids" must be i32\[2\]; got f32\[2\]/);
  });
});
