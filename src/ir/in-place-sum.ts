/** @file Graph outputs that are sums with a graph input: a run may then add to memory in place. */
import type { Graph, Node, Value } from "./graph.ts";

/**
 * For each output that is a sum in which a graph input is a summand, the position of that input. Nothing else reads the
 * input, so that it may lie in the output's own memory. With several such inputs, the first.
 */
export function inPlaceSums(graph: Graph): Map<number, number> {
  const producers = new Map<Value, Node>();
  const useCounts = new Map<Value, number>();
  const use = (value: Value) => useCounts.set(value, (useCounts.get(value) ?? 0) + 1);
  for (const node of graph.nodes) {
    for (const value of node.outputs) producers.set(value, node);
    node.inputs.forEach(use);
  }
  for (const { value } of graph.outputs) use(value);
  const inputs = new Map(graph.inputs.map(({ value }, i) => [value, i]));
  const summand = (value: Value): number | undefined => {
    if (useCounts.get(value) !== 1) return undefined;
    const input = inputs.get(value);
    if (input !== undefined) return input;
    const node = producers.get(value);
    if (node?.op !== "add") return undefined;
    return summand(node.inputs[0]!) ?? summand(node.inputs[1]!);
  };
  const found = new Map<number, number>();
  graph.outputs.forEach(({ value }, output) => {
    const input = inputs.has(value) ? undefined : summand(value);
    if (input !== undefined) found.set(output, input);
  });
  return found;
}
