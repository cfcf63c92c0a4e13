import { describe, expect, it } from "vitest";
import { add, constant, convert, full, iota, mul } from "../tensor/elementwise.ts";
import { dot } from "../tensor/linear-algebra.ts";
import { reshape, sliceAxis } from "../tensor/movement.ts";
import { sum } from "../tensor/reduction.ts";
import type { Tensors } from "../tensor/trace.ts";
import { fileGraph } from "./file-graph.ts";
import type { SizeOf } from "./program.ts";

const none = { parameters: new Map(), quantized: new Set<string>() };

/** The graph of a function of x f32 `[b, s, 6]`. */
const graphOf = (run: (x: Tensors[string], size: SizeOf) => Tensors[string]) =>
  fileGraph(
    {
      name: "test",
      inputs: { x: { dtype: "f32", dims: ["b", "s", 6] } },
      run: (_context, { x }, size) => ({ y: run(x!, size)! }),
    },
    none,
  );
const operators = (graph: ReturnType<typeof graphOf>) => graph.nodes.map(({ opType }) => opType);
const constants = ({ initializers }: ReturnType<typeof graphOf>): number[][] =>
  Object.values(initializers).map(({ data }) => Array.from(data as unknown as ArrayLike<number | bigint>, Number));

describe("fileGraph", () => {
  it("keeps and joins open axes by reshapes with 0 and −1, without computing sizes", () => {
    const split = graphOf((x, size) => reshape(mul(x!, x!), [size("b"), size("s"), 2, 3]));
    expect(operators(split)).toEqual(["Mul", "Reshape"]);
    expect(constants(split)).toEqual([[0, 0, 2, 3]]);
    expect(split.outputs).toEqual([{ name: "y", dtype: "f32", shape: ["b", "s", 2, 3] }]);
    const joined = graphOf((x) => reshape(mul(x!, x!), [-1, 6]));
    expect(constants(joined)).toEqual([[-1, 6]]);
  });

  it("computes numbers that are sizes from the shapes of inputs", () => {
    const graph = graphOf((_x, size) => mul(iota([size("b")]), constant(size("s"), "i32")));
    expect(operators(graph)).toEqual(expect.arrayContaining(["Shape", "Range", "Mul"]));
    for (const value of constants(graph).flat()) expect(value).toBeLessThan(4096);
  });

  it("refuses a number that depends on a size in a way of its own (a mean over tokens would be that of the trace)", () => {
    expect(() => graphOf((x, size) => mul(x!, 1 / size("s")))).toThrow(/EXPORT_SIZES|depends on sizes/);
    expect(() => graphOf((x, size) => add(x!, full(x!.shape, Math.log(size("b")))))).toThrow(/depends on sizes/);
    expect(() => graphOf((_x, size) => iota([size("s") * 2 + 5]))).toThrow(/nothing explains/);
  });

  it("refuses a computation whose operations hang on a size", () => {
    expect(() => graphOf((x, size) => (size("s") > 7_500 ? mul(x!, 2) : add(add(x!, 1), 2)))).toThrow(/other/);
  });

  it("refuses what hangs on a limit below the sizes of the traces (it would be taken for a fixed number)", () => {
    const few = (size: SizeOf) => Math.min(size("s"), 512);
    expect(() => graphOf((x, size) => sum(sliceAxis(x!, 1, 0, few(size)), [1]))).toThrow(/other operations for small/);
    expect(() => graphOf((_x, size) => add(iota([size("b")]), constant(few(size), "i32")))).toThrow(
      /512 for large sizes and 3 for small ones/,
    );
    expect(() => graphOf((x, size) => (size("b") > 8 ? mul(x!, 2) : add(x!, 2)))).toThrow(/another operation/);
  });

  it("writes operators of the standard only, a scaled product of stacks too", () => {
    const graph = graphOf((x) => dot(x!, x!, { lhsBatch: [0], rhsBatch: [0], lhsContract: [2], rhsContract: [2] }));
    expect(graph.nodes.every(({ domain }) => domain === undefined)).toBe(true);
    expect(operators(graph)).toEqual(["Transpose", "MatMul"]);
    expect(graph.outputs[0]!.shape).toEqual(["b", "s", "s"]);
  });

  it("names every result, one that is an input and one that is there twice too (ONNX Runtime refuses both)", () => {
    const graph = fileGraph(
      {
        name: "test",
        inputs: { x: { dtype: "f32", dims: ["b", 6] } },
        run: (_context, { x }) => {
          const y = sum(x!, [1]);
          return { same: x!, y, again: y, whole: convert(y, "i32") };
        },
      },
      none,
    );
    const made = graph.nodes.flatMap(({ outputs }) => outputs);
    expect(new Set(made).size).toBe(made.length);
    expect(made).toEqual(expect.arrayContaining(["same", "y", "again", "whole"]));
  });
});
