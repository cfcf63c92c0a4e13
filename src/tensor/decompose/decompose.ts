import { GraphBuilder } from "../../ir/builder.ts";
import type { CompositeName, Graph, Node, Value } from "../../ir/graph.ts";
import { isComposite } from "../../ir/op.ts";
import { Tensor } from "../tensor.ts";
import { withBuilder } from "../trace.ts";
import { expand } from "./table.ts";

export type CompositeNode = Node & { readonly op: CompositeName };

function isCompositeNode(node: Node): node is CompositeNode {
  return isComposite(node.op);
}

/** Adds a graph's nodes to a builder, expanding composites that are not kept, however deep they nest. */
function lowerInto(
  builder: GraphBuilder,
  graph: Graph,
  known: Map<Value, Value>,
  keeps: (node: CompositeNode) => boolean,
  composite?: CompositeNode,
): void {
  for (const node of graph.nodes) {
    const origin = composite ?? node;
    const inputs = node.inputs.map((value) => known.get(value)!);
    let outputs: readonly Value[];
    if (isCompositeNode(node) && !keeps(node)) {
      // The expansion is a small graph of its own, so that composites inside it are treated alike.
      const inner = new GraphBuilder(node.op);
      const symbols = node.inputs.map((value, i) => new Tensor(inner.input(`${i}`, value.dtype, value.shape)));
      const expansion = withBuilder(inner, () =>
        inner.finish(expand(node.op, symbols, node.params as never).map(({ value }, i) => ({ name: `${i}`, value }))),
      );
      const local = new Map(expansion.inputs.map(({ value }, i) => [value, inputs[i]!]));
      lowerInto(builder, expansion, local, keeps, composite ?? node);
      outputs = expansion.outputs.map(({ value }) => local.get(value)!);
    } else if (node.op === "scan") {
      outputs = builder.emit("scan", inputs, { ...node.params, body: decompose(node.params.body, keeps) }, origin);
    } else {
      outputs = builder.emit(node.op, inputs, node.params as never, origin);
    }
    node.outputs.forEach((value, i) => {
      known.set(value, outputs[i]!);
    });
  }
}

/**
 * The same graph with composites expanded into primitives, except those that `keeps` accepts.
 * Unused nodes are dropped; the inputs and their order stay.
 */
export function decompose(graph: Graph, keeps: (node: CompositeNode) => boolean = () => false): Graph {
  const builder = new GraphBuilder(graph.name);
  const known = new Map(
    graph.inputs.map(({ name, value }) => [value, builder.input(name, value.dtype, value.shape)] as const),
  );
  lowerInto(builder, graph, known, keeps);
  return builder.finish(graph.outputs.map(({ name, value }) => ({ name, value: known.get(value)! })));
}
