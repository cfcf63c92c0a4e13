/** @file Graph outputs that are sums with a graph input: a run may then add to memory in place. */
import type { Graph, Value } from "./graph.ts";
import { ValueUses } from "./value-uses.ts";

/**
 * For each output that is a sum in which a graph input is a summand, the position of that input. Nothing else reads the
 * input, so that it may lie in the output's own memory. With several such inputs, the first.
 */
export function inPlaceSums(graph: Graph): Map<number, number> {
  const uses = new ValueUses(graph);
  const inputs = new Map(graph.inputs.map(({ value }, i) => [value, i]));
  const summand = (value: Value): number | undefined => {
    if (uses.count(value) !== 1) return undefined;
    const input = inputs.get(value);
    if (input !== undefined) return input;
    const node = uses.producer(value);
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
