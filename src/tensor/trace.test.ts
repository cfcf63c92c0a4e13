import { describe, expect, test } from "vitest";
import { FirthError } from "../base/errors.ts";
import { printGraph } from "../ir/print.ts";
import { tensorType } from "../ir/shape.ts";
import { verifyGraph } from "../ir/verify.ts";
import { checkpoint } from "./call.ts";
import { add, broadcastTo, constant, mul, sub } from "./elementwise.ts";
import { expandDims, reshape, split } from "./movement.ts";
import { scan } from "./scan.ts";
import type { Tensor } from "./tensor.ts";
import { trace } from "./trace.ts";

const f32 = (...shape: number[]) => tensorType("f32", shape);

test("work that no output needs is left out, the rest keeps its order (would catch dead gradients being computed)", () => {
  const graph = trace("test", { x: f32(2), unused: f32(3) }, ({ x, unused }) => {
    const kept = mul(x, x);
    add(unused, 1);
    return { y: sub(kept, x) };
  });
  expect(graph.nodes.map(({ op }) => op)).toEqual(["mul", "sub"]);
  expect(graph.inputs.map(({ name }) => name)).toEqual(["x", "unused"]);
});

test("tensors of a finished trace are refused with a clear message (would catch graphs with foreign values)", () => {
  let stale: Tensor | undefined;
  trace("first", { x: f32(2) }, ({ x }) => {
    stale = mul(x, x);
    return { y: x };
  });
  expect(() => trace("second", { x: f32(2) }, ({ x }) => ({ y: add(x, stale!) }))).toThrow(
    'a value of another trace is used in "second"',
  );
  expect(() => trace("second", { x: f32(2) }, () => ({ y: stale! }))).toThrow(FirthError);
  expect(() => add(stale!, 1)).toThrow("only inside trace()");
});

test("a failed trace leaves nothing behind (would catch operations that land in an abandoned graph)", () => {
  expect(() =>
    trace("broken", { x: f32(2) }, () => {
      throw new Error("mine");
    }),
  ).toThrow("mine");
  expect(() => constant(1)).toThrow("only inside trace()");
  expect(trace("next", { x: f32(2) }, ({ x }) => ({ y: add(x, x) })).nodes).toHaveLength(1);
});

test("a closure captures each outer tensor once, through any number of levels (would catch repeated or lost captures)", () => {
  const graph = trace("outer", { x: f32(2), w: f32(2), xs: f32(3, 2) }, ({ x, w, xs }) => {
    const [y] = checkpoint((h) => {
      const { carries } = scan(([s], [e]) => ({ carries: [add(mul(s!, w), mul(e!, w))], outputs: [] }), [h!], [xs]);
      return add(carries[0]!, w);
    }, "block")(x);
    return { y: y! };
  });
  verifyGraph(graph);
  const [call] = graph.nodes;
  expect(new Set(call!.inputs)).toEqual(new Set(graph.inputs.map(({ value }) => value)));
  expect(call!.inputs).toHaveLength(3);
  expect(printGraph(graph)).toContain("numConsts=1");
});

describe("broadcasting", () => {
  const shapeOf = (a: number[], b: number[]) =>
    trace("test", { a: f32(...a), b: f32(...b) }, (s) => ({ y: add(s.a, s.b) })).outputs[0]!.value.shape;
  test("stretches both operands at once, and new axes in front (NumPy's rules)", () => {
    expect(shapeOf([3, 1], [1, 4])).toEqual([3, 4]);
    expect(shapeOf([4], [2, 3, 1])).toEqual([2, 3, 4]);
    expect(shapeOf([], [2, 0])).toEqual([2, 0]);
    expect(shapeOf([1, 3], [0, 3])).toEqual([0, 3]);
  });
  test("refuses what does not fit, also a target of lower rank", () => {
    expect(() => shapeOf([2, 3], [3, 2])).toThrow("f32[2,3], f32[3,2]");
    expect(() => shapeOf([2], [0])).toThrow("do not broadcast");
    expect(() => trace("test", { x: f32(1, 3) }, ({ x }) => ({ y: broadcastTo(x, [3]) }))).toThrow("do not fit");
  });
  test("gives numbers the other operand's dtype (would catch 1 becoming a float beside integers)", () => {
    const graph = trace("test", { x: tensorType("i32", [2]) }, ({ x }) => ({ y: sub(1, x) }));
    expect(graph.outputs[0]!.value.dtype).toBe("i32");
    expect(graph.nodes.at(-1)!.inputs[1]).toBe(graph.inputs[0]!.value);
  });
});

describe("reshape", () => {
  const to = (from: number[], shape: number[]) =>
    trace("test", { x: f32(...from) }, ({ x }) => ({ y: reshape(x, shape) })).outputs[0]!.value.shape;
  test("works out one dimension", () => {
    expect(to([2, 6], [-1, 4])).toEqual([3, 4]);
    expect(to([0, 6], [-1, 3])).toEqual([0, 3]);
    expect(to([], [-1])).toEqual([1]);
  });
  test("says so where it cannot (would catch NaN or half a row as a dimension)", () => {
    expect(() => to([0, 6], [0, -1])).toThrow("-1 cannot be worked out in [0,-1] for 0 elements; got f32[0,6].");
    expect(() => to([2, 3], [4, -1])).toThrow("for 6 elements");
    expect(() => to([4], [-1, -1])).toThrow("cannot be worked out");
    expect(() => to([4], [-2, -2])).toThrow("whole numbers");
  });
});

test("axes count from either end", () => {
  const graph = trace("test", { x: f32(2, 6) }, ({ x }) => {
    const parts = split(x, -1, 3);
    return { last: parts[2]!, wide: expandDims(x, -1) };
  });
  expect(graph.outputs.map(({ value }) => value.shape)).toEqual([
    [2, 2],
    [2, 6, 1],
  ]);
  expect(graph.nodes[0]!.params).toMatchObject({ starts: [0, 4], limits: [2, 6] });
  expect(() => trace("test", { x: f32(2, 6) }, ({ x }) => ({ y: split(x, 1, 4)[0]! }))).toThrow("4 equal parts");
  expect(() => trace("test", { x: f32(2, 6) }, ({ x }) => ({ y: split(x, 2, 2)[0]! }))).toThrow("axis 2 is not in");
});
