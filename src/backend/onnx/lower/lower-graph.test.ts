import { describe, expect, it } from "vitest";
import { gradients } from "../../../autodiff/grad.ts";
import type { Graph } from "../../../ir/graph.ts";
import { tensorType } from "../../../ir/shape.ts";
import { checkpoint } from "../../../tensor/call.ts";
import { decompose } from "../../../tensor/decompose/decompose.ts";
import { add, barrier, broadcastTo, constant, convert, mul, tanh } from "../../../tensor/elementwise.ts";
import { dropoutMask, embedding, foldIn, linear } from "../../../tensor/fused.ts";
import { dot } from "../../../tensor/linear-algebra.ts";
import { reshape, split } from "../../../tensor/movement.ts";
import { sum } from "../../../tensor/reduction.ts";
import { scan } from "../../../tensor/scan.ts";
import { trace } from "../../../tensor/trace.ts";
import type { OnnxNode } from "../proto/model.ts";
import { isLoweredWhole, lowerGraph } from "./lower-graph.ts";

const f32 = (...shape: number[]) => tensorType("f32", shape);
const key = tensorType("u32", [2]);

function nodesOf(graph: Graph): readonly OnnxNode[] {
  return lowerGraph(decompose(graph, ({ op }) => isLoweredWhole(op))).model.graph.nodes;
}

const operators = (graph: Graph) => nodesOf(graph).map(({ opType }) => opType);

describe("lowerGraph", () => {
  it("lets broadcasting operators repeat operands (a materialised bias would cost a pass over memory)", () => {
    const graph = trace("bias", { x: f32(4, 3), b: f32(3) }, ({ x, b }) => ({ y: add(x, broadcastTo(b, [4, 3])) }));
    expect(operators(graph)).not.toContain("Expand");
  });

  it("keeps the full shape when every operand of an operator repeats (the result would come out too small)", () => {
    const graph = trace("both", { a: f32(3), b: f32(3) }, ({ a, b }) => ({
      y: add(broadcastTo(a, [4, 3]), broadcastTo(b, [4, 3])),
    }));
    expect(operators(graph)).toContain("Expand");
  });

  it("leaves transposes to the matrix kernel, in both gradients of a linear layer", () => {
    const graph = trace("linear", { x: f32(2, 4, 3), w: f32(5, 3), b: f32(5) }, ({ x, w, b }) => {
      const y = linear(x, w, b);
      const [dx, dw, db] = gradients(sum(mul(y, y)), [x, w, b]);
      return { y, dx: dx!, dw: dw!, db: db! };
    });
    const nodes = nodesOf(graph);
    expect(nodes.map(({ opType }) => opType)).not.toContain("Transpose");
    const flags = nodes
      .filter(({ opType }) => opType === "Gemm")
      .map(({ attributes }) => `${JSON.stringify(attributes?.transA)}${JSON.stringify(attributes?.transB)}`);
    expect(flags).toContain('{"int":1}{"int":0}');
    expect(flags).toContain('{"int":0}{"int":1}');
  });

  it("turns the weight gradient of a narrow layer over many rows (a sixth slower as it stands)", () => {
    const graph = trace("narrow", { dy: f32(64, 4), x: f32(64, 8) }, ({ dy, x }) => {
      return { dw: dot(dy!, x!, { lhsContract: [0], rhsContract: [0] }) };
    });
    const [product, turn] = nodesOf(graph);
    expect(product).toMatchObject({
      opType: "Gemm",
      inputs: ["input_1", "input_0"],
      attributes: { transA: { int: 1 } },
    });
    expect(turn).toMatchObject({ opType: "Transpose" });
  });

  it("sums columns by a product with ones, not by the slow reduction over the first axis", () => {
    const graph = trace("columns", { x: f32(2, 4, 3) }, ({ x }) => ({ y: sum(x, [0, 1]) }));
    expect(operators(graph)).not.toContain("ReduceSum");
  });

  it("never scatters by ScatterND, which loses repeated updates with two threads", () => {
    const graph = trace("tied", { w: f32(40, 6) }, ({ w }) => {
      const rows = embedding(w, constant([0, 3, 3, 1], "i32"));
      const [dw] = gradients(sum(linear(tanh(rows), w)), [w]);
      return { dw: dw! };
    });
    const names = operators(graph);
    expect(names).not.toContain("ScatterND");
    expect(names.filter((name) => name === "ScatterElements")).toHaveLength(1);
    // Scattered into the decoder's gradient: no table of zeros, no sum of two tables.
    expect(names).not.toContain("ConstantOfShape");
  });

  it("joins the gradients of slices that tile a tensor instead of padding and adding them", () => {
    const graph = trace("split", { x: f32(4, 6) }, ({ x }) => {
      const parts = split(tanh(x), 1, 3);
      const total = parts.map((part, i) => sum(mul(mul(part, part), i + 1))).reduce((a, b) => add(a, b));
      return { dx: gradients(total, [x])[0]! };
    });
    const names = operators(graph);
    expect(names).toContain("Concat");
    expect(names).not.toContain("Pad");
  });

  it("cuts masks with known keys out of the graph, and keeps those whose key is made inside", () => {
    const outside = trace("outside", { key }, ({ key: k }) => ({ m: dropoutMask(foldIn(k, 3), [8], 0.1) }));
    const lowered = lowerGraph(outside);
    expect(lowered.inputs.map(({ origin }) => origin.kind)).toEqual(["mask"]);
    expect(lowered.model.graph.nodes.map(({ opType }) => opType)).toEqual(["Identity"]);
    const inside = trace("inside", { keys: tensorType("u32", [3, 2]) }, ({ keys }) => {
      const { outputs } = scan((_, [k]) => ({ carries: [], outputs: [dropoutMask(k!, [8], 0.1)] }), [], [keys]);
      return { m: outputs[0]! };
    });
    expect(operators(inside)).toEqual(["Scan"]);
    expect(lowerGraph(inside).inputs.map(({ origin }) => origin.kind)).toEqual(["input"]);
  });

  it("ties recomputation to the backward pass, with the masks of the forward pass (else it runs early and is kept)", () => {
    const graph = trace("recomputed", { x: f32(4, 3), w: f32(3, 3), key }, ({ x, w, key: k }) => {
      const piece = checkpoint((a, b) => mul(tanh(linear(a, b)), dropoutMask(k, [4, 3], 0.1)));
      const [first] = piece(x, w);
      const [second] = piece(first!, w);
      return { dw: gradients(sum(mul(second!, second!)), [w])[0]! };
    });
    const { model, inputs } = lowerGraph(decompose(graph, ({ op }) => isLoweredWhole(op)));
    const { nodes } = model.graph;
    expect(inputs.filter(({ origin }) => origin.kind === "mask")).toHaveLength(1);
    const position = new Map(nodes.flatMap(({ outputs }, i) => outputs.map((name) => [name, i] as const)));
    const tokens = nodes.filter(({ opType }) => opType === "Size").map(({ inputs: [token] }) => position.get(token!)!);
    const seed = nodes.findIndex(({ opType }) => opType === "Mul");
    expect(tokens.length).toBeGreaterThan(0);
    // Every barrier waits for something at least as late as the last forward product.
    for (const token of tokens) expect(token).toBeGreaterThan(seed);
    expect(nodes.filter(({ opType }) => opType === "Tanh")).toHaveLength(4);
  });

  it("gives every output a name of its own (ONNX Runtime refuses inputs, constants and twins as outputs)", () => {
    const graph = trace("names", { x: f32(2, 3) }, ({ x }) => {
      const y = tanh(x);
      return { x, y, again: y, view: reshape(y, [6]), same: barrier(x), fixed: constant([1, 2]) };
    });
    const { model, inputs, outputs } = lowerGraph(graph);
    const names = [...inputs.map(({ ref }) => ref.name), ...outputs.map(({ name }) => name)];
    expect(new Set(names).size).toBe(names.length);
    const made = new Set(model.graph.nodes.flatMap(({ outputs: results }) => results));
    for (const { name } of outputs) expect(made.has(name)).toBe(true);
  });

  it("does not ask for graph inputs that nothing reads", () => {
    const graph = trace("unused", { x: f32(2), unused: f32(3) }, ({ x }) => ({ y: tanh(x) }));
    expect(lowerGraph(graph).inputs).toHaveLength(1);
  });

  it("names the node and where it was traced when the device cannot compute in a dtype", () => {
    const graph = trace("half", { x: f32(2) }, ({ x }) => {
      const half = convert(x, "bf16");
      return { y: add(half, half) };
    });
    expect(() => lowerGraph(graph)).toThrow(/computes in f32.*add of bf16\[2\].*lower-graph\.test\.ts/);
  });
});
