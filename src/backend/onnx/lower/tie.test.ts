import { describe, expect, test } from "vitest";
import { gradients } from "../../../autodiff/grad.ts";
import { tensorType } from "../../../ir/shape.ts";
import { checkpoint } from "../../../tensor/call.ts";
import { decompose } from "../../../tensor/decompose/decompose.ts";
import { gelu, linear } from "../../../tensor/fused.ts";
import { sum } from "../../../tensor/reduction.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { trace } from "../../../tensor/trace.ts";
import { executionOrder } from "./execution-order.ts";
import { isLoweredWhole, lowerGraph } from "./lower-graph.ts";
import { planMemory } from "./memory-plan.ts";

const [rows, width, layers] = [64, 256, 6];
const bytes = rows * width * 4;

/** A chain of layers with the gradients of all weights, lowered; each layer keeps two tensors of `bytes`. */
function chain(isRecomputed: boolean) {
  const types = Object.fromEntries(
    Array.from({ length: layers }, (_, i) => [`w${i}`, tensorType("f32", [width, width])]),
  );
  const graph = trace("chain", { x: tensorType("f32", [rows, width]), ...types }, (inputs) => {
    const weights = Object.keys(types).map((name) => (inputs as Record<string, Tensor>)[name]!);
    const y = weights.reduce((h, w) => {
      const layer = (operand: Tensor) => gelu(linear(operand, w));
      return isRecomputed ? checkpoint((operand) => layer(operand!))(h)[0]! : layer(h);
    }, inputs.x as Tensor);
    const slopes = gradients(sum(y), weights);
    return Object.fromEntries(slopes.map((slope, i) => [`d${i}`, slope]));
  });
  return lowerGraph(decompose(graph, ({ op }) => isLoweredWhole(op)));
}

function planOf({ model, results }: ReturnType<typeof chain>) {
  const { nodes, inputs, outputs, initializers = {} } = model.graph;
  const external = new Set([...inputs, ...outputs].map(({ name }) => name).concat(Object.keys(initializers)));
  const order = executionOrder(nodes);
  return { order, nodes, ...planMemory(nodes, order, (name) => results.get(name), external) };
}

describe("ties", () => {
  test("every node runs once, after what it reads (bug: a tie that closes a circle)", () => {
    const { order, nodes } = planOf(chain(true));
    expect(order.toSorted((a, b) => a - b)).toEqual(nodes.map((_, i) => i));
    const done = new Set<string>();
    const made = new Set(nodes.flatMap(({ outputs }) => outputs));
    for (const i of order) {
      expect(nodes[i]!.inputs.filter((name) => made.has(name) && !done.has(name))).toEqual([]);
      for (const name of nodes[i]!.outputs) done.add(name);
    }
  });

  test("weight gradients are made on the way, so that recomputing saves memory (bug: made last, all they read is kept)", () => {
    const [kept, again] = [planOf(chain(false)), planOf(chain(true))];
    // Layer by layer its operand stays; inside the layer at work there are a few more of that size.
    expect(again.peakBytes).toBeLessThan((layers + 5) * bytes);
    expect(kept.peakBytes).toBeGreaterThan(2 * (layers - 1) * bytes);
  });
});
