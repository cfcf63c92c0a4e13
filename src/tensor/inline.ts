import type { Graph, Node, Value } from "../ir/graph.ts";
import { Tensor } from "./tensor.ts";
import { currentBuilder } from "./trace.ts";

/** Repeats nodes in the current trace; `known` maps their operands and receives their results. */
export function replay(nodes: readonly Node[], known: Map<Value, Value>): void {
  const builder = currentBuilder();
  for (const node of nodes) {
    const inputs = node.inputs.map((value) => known.get(value) ?? value);
    const outputs = builder.emit(node.op, inputs, node.params as never, node);
    node.outputs.forEach((value, i) => {
      known.set(value, outputs[i]!);
    });
  }
}

/** Repeats a whole graph in the current trace with the given tensors as its inputs. */
export function inline(graph: Graph, inputs: readonly Tensor[]): Tensor[] {
  const known = new Map(graph.inputs.map(({ value }, i) => [value, inputs[i]!.value]));
  replay(graph.nodes, known);
  return graph.outputs.map(({ value }) => new Tensor(known.get(value) ?? value));
}
