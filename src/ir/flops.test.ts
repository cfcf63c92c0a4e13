import { expect, test } from "vitest";
import { gradients } from "../autodiff/grad.ts";
import { add } from "../tensor/elementwise.ts";
import { attention, linear } from "../tensor/fused.ts";
import { dot } from "../tensor/linear-algebra.ts";
import { sum } from "../tensor/reduction.ts";
import { scan } from "../tensor/scan.ts";
import { trace } from "../tensor/trace.ts";
import { matmulFlops } from "./flops.ts";
import { tensorType } from "./shape.ts";

test("a layer and its two gradients are a product each (would catch a backward pass counted once, or a bias counted)", () => {
  const inputs = { x: tensorType("f32", [2, 5, 7]), w: tensorType("f32", [11, 7]), b: tensorType("f32", [11]) };
  const forward = trace("forward", inputs, ({ x, w, b }) => ({ y: linear(x, w, b) }));
  expect(matmulFlops(forward)).toBe(2 * 10 * 11 * 7);
  const both = trace("both", inputs, ({ x, w, b }) => {
    const [dx, dw, db] = gradients(sum(linear(x, w, b)), [x, w, b]);
    return { dx: dx!, dw: dw!, db: db! };
  });
  // Nothing uses the layer's own result, so it is not in the graph: only the two gradients are.
  expect(matmulFlops(both)).toBe(2 * 2 * 10 * 11 * 7);
});

test("attention is two products a head and four in the backward pass (would catch confused head axes)", () => {
  const [batch, queries, keys, heads, size] = [2, 3, 5, 4, 8];
  const inputs = {
    q: tensorType("f32", [batch, queries, heads, size]),
    k: tensorType("f32", [batch, keys, heads, size]),
    v: tensorType("f32", [batch, keys, heads, size]),
  };
  const one = 2 * batch * heads * queries * keys * size;
  expect(matmulFlops(trace("forward", inputs, ({ q, k, v }) => ({ y: attention(q, k, v) })))).toBe(2 * one);
  const graph = trace("both", inputs, ({ q, k, v }) => {
    const y = attention(q, k, v);
    const [dq, dk, dv] = gradients(sum(y), [q, k, v]);
    return { y, dq: dq!, dk: dk!, dv: dv! };
  });
  expect(matmulFlops(graph)).toBe(6 * one);
});

test("a loop counts every round; batched products count every batch (would catch a body counted once)", () => {
  const inputs = { h: tensorType("f32", [3, 4]), w: tensorType("f32", [4, 4]), x: tensorType("f32", [6, 3, 4]) };
  const graph = trace("loop", inputs, ({ h, w, x }) => {
    const { carries } = scan(
      ([state], [entry]) => ({ carries: [add(linear(state!, w), entry!)], outputs: [] }),
      [h],
      [x],
    );
    return { h: carries[0]! };
  });
  expect(matmulFlops(graph)).toBe(6 * 2 * 3 * 4 * 4);
  const pair = { a: tensorType("f32", [9, 2, 3]), b: tensorType("f32", [9, 3, 5]) };
  const batched = trace("batched", pair, ({ a, b }) => ({
    y: dot(a, b, { lhsBatch: [0], rhsBatch: [0], lhsContract: [2], rhsContract: [1] }),
  }));
  expect(matmulFlops(batched)).toBe(9 * 2 * 2 * 3 * 5);
});
