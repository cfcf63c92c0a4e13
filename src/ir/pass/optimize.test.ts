import { describe, expect, test } from "vitest";
import { gradients } from "../../autodiff/grad.ts";
import { evaluateGraph } from "../../backend/reference/evaluate.ts";
import { Random } from "../../base/random.ts";
import { checkpoint } from "../../tensor/call.ts";
import { decompose } from "../../tensor/decompose/decompose.ts";
import {
  add,
  barrier,
  constant,
  convert,
  div,
  full,
  mul,
  neg,
  stopGradient,
  sub,
  tanh,
} from "../../tensor/elementwise.ts";
import { gelu, linear } from "../../tensor/fused.ts";
import { reshape, transpose } from "../../tensor/movement.ts";
import { sum } from "../../tensor/reduction.ts";
import { scan } from "../../tensor/scan.ts";
import { trace } from "../../tensor/trace.ts";
import type { Graph } from "../graph.ts";
import { tensorType } from "../shape.ts";
import { verifyGraph } from "../verify.ts";
import { optimize } from "./optimize.ts";

const ops = (graph: Graph): string[] => graph.nodes.map(({ op }) => op);
const f32 = (...shape: number[]) => tensorType("f32", shape);

/** The graph with its passes, after checking that it still computes the same. */
function optimized(graph: Graph): Graph {
  const plain = decompose(graph);
  const result = optimize(plain);
  verifyGraph(result);
  const random = new Random(3);
  const inputs = graph.inputs.map(({ value: { dtype, shape } }) => {
    const length = shape.reduce((a, b) => a * b, 1);
    const numbers = Array.from({ length }, () => (dtype === "f32" ? random.nextNormal() : random.nextUint32()));
    return { dtype, shape, data: dtype === "f32" ? Float32Array.from(numbers) : Uint32Array.from(numbers) };
  });
  const [expected, actual] = [evaluateGraph(plain, inputs), evaluateGraph(result, inputs)];
  expected.forEach(({ data }, i) => {
    expect(Array.from(actual[i]!.data)).toEqual(Array.from(data));
  });
  expect(result.inputs.map(({ name }) => name)).toEqual(graph.inputs.map(({ name }) => name));
  expect(result.outputs.map(({ name }) => name)).toEqual(graph.outputs.map(({ name }) => name));
  return result;
}

describe("identities", () => {
  test("operations without effect go, on either side only where that is sound (bug: 1/x or 0 − x taken for x)", () => {
    const graph = trace("units", { x: f32(2, 3) }, ({ x }) => ({
      same: mul(add(x, full([2, 3], 0)), 1),
      left: add(0, mul(1, x)),
      kept: div(sub(0, x), 1),
      inverse: div(1, x),
      stopped: stopGradient(neg(neg(x))),
    }));
    expect(ops(optimized(graph)).filter((op) => op !== "broadcast" && op !== "constant")).toEqual(["sub", "div"]);
  });

  test("a double transpose is one in the right order (bug: permutations composed the wrong way round)", () => {
    const graph = trace("turns", { x: f32(2, 3, 4) }, ({ x }) => ({
      joint: transpose(transpose(x, [1, 2, 0]), [0, 2, 1]),
      back: transpose(transpose(x, [1, 2, 0]), [2, 0, 1]),
      flat: reshape(reshape(x, [6, 4]), [24]),
    }));
    const result = optimized(graph);
    expect(result.outputs[1]!.value).toBe(result.inputs[0]!.value);
    expect(ops(result)).toEqual(["transpose", "reshape"]);
  });

  test("rounding to bf16 stays, going to f32 and back does not (bug: every convert of a convert is dropped)", () => {
    const graph = trace("rounds", { x: f32(5) }, ({ x }) => {
      const rounded = convert(x, "bf16");
      return { rounded: convert(rounded, "f32"), twice: convert(convert(convert(rounded, "f32"), "bf16"), "f32") };
    });
    const result = optimized(graph);
    expect(ops(result)).toEqual(["convert", "convert"]);
    expect(result.outputs[0]!.value).toBe(result.outputs[1]!.value);
  });
});

describe("constant folding", () => {
  test("whole numbers wrap and floats round at every step (bug: products above 2⁵³, or one rounding at the end)", () => {
    const whole = trace("whole", { x: tensorType("u32", [1]) }, ({ x }) => ({
      x: mul(x, add(mul(constant([0xdeadbeef], "u32"), constant([0x9e3779b9], "u32")), constant([1], "u32"))),
    }));
    expect(ops(optimized(whole))).toEqual(["constant", "mul"]);
    const float = trace("float", {}, () => {
      const small = constant([2 ** -25], "f32");
      return { y: mul(add(add(constant([1], "f32"), small), small), constant([3], "f32")) };
    });
    const [node, ...others] = optimize(float).nodes;
    expect(others).toEqual([]);
    expect(node!.op === "constant" && [...node!.params.data]).toEqual([3]);
  });

  test("large results are left to the engine (bug: a graph that carries megabytes of zeros)", () => {
    const graph = trace("large", { x: f32(4096) }, ({ x }) => ({ y: mul(x, tanh(full([4096], 0.5))) }));
    expect(ops(optimized(graph))).toContain("broadcast");
  });
});

describe("common subexpressions", () => {
  test("equal work is done once; parameters and the order of a difference tell apart", () => {
    const graph = trace("twins", { x: f32(2, 2), y: f32(2, 2) }, ({ x, y }) => ({
      sum: add(tanh(add(x, y)), tanh(add(y, x))),
      differences: mul(sub(x, y), sub(y, x)),
      sums: add(sum(x, 0), sum(x, 1)),
    }));
    const made = ops(optimized(graph));
    expect(["tanh", "sub", "reduceSum"].map((name) => made.filter((op) => op === name).length)).toEqual([1, 2, 2]);
  });

  test("a recomputed piece stays apart from the first pass (bug: sharing undoes checkpoint)", () => {
    const inputs = { x: f32(4, 8), w: f32(8, 8) };
    const build = (isKept: boolean) =>
      trace("recompute", inputs, ({ x, w }) => {
        const layer = (h: typeof x) => gelu(linear(h, w));
        const run = isKept ? (h: typeof x) => [layer(h)] : checkpoint((h) => layer(h!));
        const y = sum(run(run(x)[0]!)[0]!);
        return { y, dx: gradients(y, [x])[0]! };
      });
    const dots = (graph: Graph) => ops(optimized(graph)).filter((op) => op === "dot").length;
    expect(dots(build(true))).toBe(4);
    expect(dots(build(false))).toBe(6);
    const apart = trace("apart", { x: f32(3) }, ({ x }) => ({ y: add(tanh(barrier(x)), tanh(x)) }));
    expect(ops(optimized(apart)).filter((op) => op === "tanh")).toHaveLength(2);
  });
});

test("bodies of loops are optimised, with their own values (bug: a body shares a value of the graph around it)", () => {
  const graph = trace("loop", { h: f32(3), xs: f32(4, 3) }, ({ h, xs }) => {
    const { carries, outputs } = scan(
      ([state], [x]) => {
        const next = tanh(add(mul(state!, 1), x!));
        return { carries: [next], outputs: [add(tanh(next), tanh(next))] };
      },
      [h],
      [xs],
    );
    return { last: carries[0]!, all: outputs[0]!, outer: tanh(h) };
  });
  const node = optimized(graph).nodes.find(({ op }) => op === "scan")!;
  expect(node.op === "scan" && ops(node.params.body)).toEqual(["add", "tanh", "tanh", "add"]);
});
