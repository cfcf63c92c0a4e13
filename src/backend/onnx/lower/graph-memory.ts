/** @file What a lowered graph will take, told before it is compiled. */
import { sizeOf } from "../../../ir/shape.ts";
import type { GraphMemory } from "../../backend.ts";
import { ELEMENT_TYPES } from "../proto/element-type.ts";
import { executionOrder } from "./execution-order.ts";
import type { LoweredGraph } from "./lower-graph.ts";
import { planMemory } from "./memory-plan.ts";

/** Allowance for what ONNX Runtime keeps for a node: kernel, names, attributes, shapes. */
const NODE_BYTES = 12_000;

/** Memory of a graph in ONNX Runtime: intermediate results in its own order, masks, constants, the session itself. */
export function graphMemory({ model, inputs, outputs, results, lateSums }: LoweredGraph): GraphMemory {
  const { nodes, initializers = {} } = model.graph;
  const external = new Set([...inputs.map(({ ref }) => ref.name), ...outputs.map(({ name }) => name)]);
  for (const name of Object.keys(initializers)) external.add(name);
  const { peakBytes } = planMemory(nodes, executionOrder(nodes), (name) => results.get(name), external);
  const masks = inputs.reduce((sum, { ref, origin }) => {
    return origin.kind === "mask" ? sum + sizeOf(ref.shape) * ELEMENT_TYPES[ref.dtype].byteSize : sum;
  }, 0);
  // Rows of late sums lie in memory of the executable's own.
  const late = outputs.reduce((sum, { name, shape }) => {
    return lateSums.some(({ rows }) => rows.name === name) ? sum + 4 * sizeOf(shape) : sum;
  }, 0);
  const constants = Object.values(initializers).reduce((sum, { data }) => sum + data.byteLength, 0);
  return { workBytes: peakBytes, heldBytes: masks + late + 2 * constants + NODE_BYTES * nodes.length };
}
