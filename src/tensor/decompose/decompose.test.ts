import { expect, test } from "vitest";
import type { Graph, Node } from "../../ir/graph.ts";
import { isComposite } from "../../ir/op.ts";
import { tensorType } from "../../ir/shape.ts";
import { verifyGraph } from "../../ir/verify.ts";
import { checkpoint } from "../call.ts";
import { add, constant, mul } from "../elementwise.ts";
import { dropoutMask, foldIn, gelu, layerNorm, linear } from "../fused.ts";
import { scan } from "../scan.ts";
import { trace } from "../trace.ts";
import { decompose } from "./decompose.ts";

const f32 = (...shape: number[]) => tensorType("f32", shape);

/** Every node, bodies included. */
function allNodes(graph: Graph): Node[] {
  return graph.nodes.flatMap((node) =>
    node.op === "scan" || node.op === "call" ? [node, ...allNodes(node.params.body)] : [node],
  );
}

const nested = () =>
  trace(
    "nested",
    { x: f32(2, 3), w: f32(3, 3), g: f32(3), b: f32(3), key: tensorType("u32", [2]), spare: f32(9) },
    ({ x, w, g, b, key }) => {
      const [block] = checkpoint((h) => layerNorm(gelu(linear(h!, w, b)), g, b, 1e-5), "block")(x);
      const { carries, outputs } = scan(
        ([h]) => {
          const next = checkpoint((s) => gelu(linear(s!, w)), "step")(h!)[0]!;
          return { carries: [next], outputs: [add(next, 1)] };
        },
        [block!],
        [],
        { length: 4 },
      );
      return { z: mul(carries[0]!, dropoutMask(foldIn(key, 3), [2, 3], 0.5)), a: outputs[0]!, x };
    },
  );

test("only primitives remain, at any depth: in checkpoints, in loops, in both (would catch a body left alone)", () => {
  const graph = nested();
  expect(allNodes(graph).some(({ op }) => isComposite(op))).toBe(true);
  const flat = decompose(graph);
  verifyGraph(flat);
  expect(allNodes(flat).filter(({ op }) => isComposite(op))).toEqual([]);
  expect(allNodes(flat).filter(({ op }) => op === "dot")).toHaveLength(2);
});

test("names, order and types of inputs and outputs stay, unused inputs too (engines bind buffers by position)", () => {
  const graph = nested();
  const flat = decompose(graph);
  const facts = (list: Graph["inputs"]) => list.map(({ name, value: { dtype, shape } }) => ({ name, dtype, shape }));
  expect(facts(flat.inputs)).toEqual(facts(graph.inputs));
  expect(facts(flat.outputs)).toEqual(facts(graph.outputs));
  expect(flat.outputs[2]!.value).toBe(flat.inputs[0]!.value);
});

test("every primitive carries the line of the composite it comes from (would catch lines of the decomposition)", () => {
  const graph = trace("test", { x: f32(2, 3), g: f32(3) }, ({ x, g }) => {
    const y = layerNorm(x, g, g, 1e-5);
    return { y: add(y, constant(1)) };
  });
  const [normLine, ...rest] = [...new Set(graph.nodes.map(({ source }) => source))];
  expect(normLine).toMatch(/^tensor\/decompose\/decompose\.test\.ts:\d+$/);
  const flat = decompose(graph);
  expect(new Set(flat.nodes.map(({ source }) => source))).toEqual(new Set([normLine, ...rest]));
  expect(flat.nodes[0]!.source).toBe(normLine);
});

test("kept composites stay whole, also inside what is expanded (would catch fused kernels lost in checkpoints)", () => {
  const kept = decompose(nested(), ({ op }) => op === "linear" || op === "layerNorm");
  verifyGraph(kept);
  const composites = allNodes(kept)
    .map(({ op }) => op)
    .filter(isComposite);
  expect(composites.sort()).toEqual(["layerNorm", "linear", "linear"]);
});

test("what an expansion computes for nobody is dropped (would catch layerNorm's statistics being stored)", () => {
  const graph = trace("test", { x: f32(2, 3), g: f32(3) }, ({ x, g }) => ({ y: layerNorm(x, g, g, 1e-5) }));
  const flat = decompose(graph);
  const used = new Set([...flat.nodes.flatMap(({ inputs }) => inputs), ...flat.outputs.map(({ value }) => value)]);
  expect(flat.nodes.filter(({ outputs }) => !outputs.some((value) => used.has(value)))).toEqual([]);
});
