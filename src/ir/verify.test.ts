import { expect, test } from "vitest";
import { add } from "../tensor/elementwise.ts";
import { linear } from "../tensor/fused.ts";
import { scan } from "../tensor/scan.ts";
import { trace } from "../tensor/trace.ts";
import type { Graph, Node, Value } from "./graph.ts";
import { tensorType } from "./shape.ts";
import { verifyGraph } from "./verify.ts";

const x = tensorType("f32", [2, 3]);
const good = (): Graph => trace("good", { x }, (s) => ({ y: add(add(s.x, s.x), s.x) }));
const value = (dtype: Value["dtype"], ...shape: number[]): Value => ({ id: 9999, dtype, shape });
const replaceNode = (graph: Graph, at: number, node: Partial<Node>): Graph => ({
  ...graph,
  nodes: graph.nodes.map((old, i) => (i === at ? ({ ...old, ...node } as Node) : old)),
});

test("a traced graph passes", () => {
  expect(() => verifyGraph(good())).not.toThrow();
});

test("use before definition is found, with the place (would catch a pass that reorders nodes)", () => {
  const graph = good();
  expect(() => verifyGraph({ ...graph, nodes: [...graph.nodes].reverse() })).toThrow(
    /node 0 \(add, ir\/verify\.test\.ts:\d+\): %\d+ is used before it is made/,
  );
  expect(() => verifyGraph(replaceNode(graph, 1, { inputs: [value("f32", 2, 3), graph.inputs[0]!.value] }))).toThrow(
    "%9999 is used before",
  );
});

test("a result of another type or number than the rule's is found (would catch a pass that forgets a reshape)", () => {
  const graph = good();
  expect(() => verifyGraph(replaceNode(graph, 0, { outputs: [value("f32", 3, 2)] }))).toThrow(
    "result 0 is f32[3,2], its rule gives f32[2,3]",
  );
  expect(() => verifyGraph(replaceNode(graph, 0, { outputs: [value("i32", 2, 3)] }))).toThrow("i32[2,3]");
  expect(() => verifyGraph(replaceNode(graph, 0, { outputs: [] }))).toThrow("has 0 results");
});

test("operands that do not fit are found", () => {
  const graph = good();
  const other = { ...graph, inputs: [...graph.inputs, { name: "z", value: value("f32", 5) }] };
  expect(() =>
    verifyGraph(replaceNode(other, 0, { inputs: [other.inputs[0]!.value, other.inputs[1]!.value] })),
  ).toThrow("f32[2,3], f32[5]");
});

test("single assignment and unique names are demanded", () => {
  const graph = good();
  expect(() => verifyGraph({ ...graph, nodes: [graph.nodes[0]!, ...graph.nodes] })).toThrow("is made twice");
  const [input] = graph.inputs as [Graph["inputs"][0]];
  const [output] = graph.outputs as [Graph["outputs"][0]];
  expect(() => verifyGraph({ ...graph, inputs: [input, input] })).toThrow("appears twice");
  expect(() => verifyGraph({ ...graph, inputs: [input, { name: "x", value: value("f32") }] })).toThrow(
    "input names are not unique",
  );
  expect(() => verifyGraph({ ...graph, outputs: [output, output] })).toThrow("output names are not unique");
  expect(() => verifyGraph({ ...graph, outputs: [{ name: "y", value: value("f32") }] })).toThrow("y is never made");
});

test("bodies are verified too (would catch a broken loop in a sound graph)", () => {
  const graph = trace("loop", { x, w: tensorType("f32", [3, 3]) }, (s) => {
    const { carries } = scan(([h]) => ({ carries: [add(linear(h!, s.w), h!)], outputs: [] }), [s.x], [], { length: 2 });
    return { h: carries[0]! };
  });
  expect(() => verifyGraph(graph)).not.toThrow();
  const [loop] = graph.nodes as [Node & { op: "scan" }];
  const body = { ...loop.params.body, nodes: [...loop.params.body.nodes].reverse() };
  expect(() => verifyGraph(replaceNode(graph, 0, { params: { ...loop.params, body } } as Partial<Node>))).toThrow(
    'graph "scan", node 0',
  );
});
