import { expect, test } from "vitest";
import { evaluateGraph } from "../backend/reference/evaluate.ts";
import { Random } from "../base/random.ts";
import { tensorType } from "../ir/shape.ts";
import { adamW } from "../optim/adamw.ts";
import { updateProgram } from "../optim/update-rule.ts";
import { compare, constant, mul, select } from "./elementwise.ts";
import { mapScalars } from "./map-scalars.ts";
import { sum } from "./reduction.ts";
import { trace } from "./trace.ts";

const scalar = tensorType("f32", []);

test("AdamW over a matrix is AdamW of every element (bugs: an element's neighbour, a scalar taken for an element)", () => {
  const { graph, inputs } = updateProgram(adamW({ epsilon: 1e-3 }));
  const shape = [2, 3];
  const types = inputs.map((input) => ("section" in input ? tensorType("f32", shape) : scalar));
  const mapped = trace("mapped", Object.fromEntries(types.map((type, i) => [`${i}`, type])), (symbols) => {
    const results = mapScalars(graph, Object.values(symbols), shape);
    return Object.fromEntries(results.map((x, i) => [`${i}`, x]));
  });
  const random = new Random(5);
  const data = types.map((type) => ({
    ...type,
    data: Float64Array.from({ length: type.shape.length === 0 ? 1 : 6 }, () => 0.1 + Math.abs(random.nextNormal())),
  }));
  const found = evaluateGraph(mapped, data);
  for (let at = 0; at < 6; at++) {
    const alone = evaluateGraph(
      graph,
      data.map(({ data: all }) => ({ ...scalar, data: Float64Array.of(all[all.length === 1 ? 0 : at]!) })),
    );
    alone.forEach(({ data: one }, i) => {
      expect(found[i]!.shape).toEqual(shape);
      expect(found[i]!.data[at], `result ${i}, element ${at}`).toBe(one[0]);
    });
  }
});

test("what depends on scalars alone is computed once, and results that are constants fill the shape", () => {
  const graph = trace("rule", { x: scalar, rate: scalar }, ({ x, rate }) => ({
    y: select(compare("gt", x, 0), mul(x, mul(rate, rate)), 0),
    zero: constant(0),
  }));
  const mapped = trace("mapped", { x: tensorType("f32", [4]), rate: scalar }, ({ x, rate }) => {
    const [y, zero] = mapScalars(graph, [x, rate], x.shape);
    return { y: y!, zero: zero! };
  });
  const products = mapped.nodes.filter(({ op }) => op === "mul").map(({ outputs }) => outputs[0]!.shape);
  expect(products).toEqual([[], [4]]);
  const [y, zero] = evaluateGraph(mapped, [
    { dtype: "f32", shape: [4], data: Float64Array.of(-1, 2, 3, 0) },
    { ...scalar, data: Float64Array.of(3) },
  ]);
  expect([...y!.data]).toEqual([0, 18, 27, 0]);
  expect([...zero!.data]).toEqual([0, 0, 0, 0]);
});

test("a graph that looks beyond an element is refused (bug: a sum over the whole tensor)", () => {
  const over = trace("over", { x: tensorType("f32", [2]) }, ({ x }) => ({ y: sum(x) }));
  const use = (): unknown =>
    trace("use", { x: tensorType("f32", [2]) }, ({ x }) => ({ y: mapScalars(over, [x], [2])[0]! }));
  expect(use).toThrow(/"over" works on more than scalars/);
  const plain = trace("plain", { x: scalar }, ({ x }) => ({ y: x }));
  const wrong = (): unknown =>
    trace("wrong", { x: tensorType("f32", [2]) }, ({ x }) => ({ y: mapScalars(plain, [x], [3])[0]! }));
  expect(wrong).toThrow(/neither a scalar nor \[3\]/);
});
