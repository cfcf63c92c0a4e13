/** @file How much work a graph's matrix products are. */
import type { Graph, Node } from "./graph.ts";
import { sizeOf } from "./shape.ts";

/** Multiplications and additions of one node's matrix products; 0 for everything else. */
function nodeFlops(node: Node): number {
  switch (node.op) {
    case "dot": {
      const [lhs] = node.inputs;
      const contracted = node.params.lhsContract.reduce((product, axis) => product * lhs!.shape[axis]!, 1);
      return 2 * sizeOf(node.outputs[0]!.shape) * contracted;
    }
    case "linear":
      return 2 * sizeOf(node.outputs[0]!.shape) * node.inputs[1]!.shape[1]!;
    case "quantizedLinear":
      return 2 * sizeOf(node.outputs[0]!.shape) * node.inputs[1]!.shape[0]!;
    case "attention":
      return 2 * productOfHeads(node);
    case "attentionGrad":
      // Of query, key, value and probabilities; the probabilities themselves are kept from the forward pass.
      return 4 * productOfHeads(node);
    case "scan":
      return node.params.length * matmulFlops(node.params.body);
    case "call":
      return matmulFlops(node.params.body);
    default:
      return 0;
  }
}

/** One product over all heads: [T, D] by [D, S]. */
function productOfHeads(node: Node): number {
  const [query, key] = node.inputs;
  return 2 * sizeOf(query!.shape) * key!.shape[1]!;
}

/**
 * Floating point operations of a graph's matrix products, 2·M·N·K each; elementwise work, reductions and gathers are
 * not counted.
 */
export function matmulFlops(graph: Graph): number {
  return graph.nodes.reduce((sum, node) => sum + nodeFlops(node), 0);
}

/** Work that grows with the number of tokens, and work that grows with the pairs of tokens that meet in attention. */
export interface FlopsByGrowth {
  readonly tokens: number;
  readonly pairs: number;
}

/** `matmulFlops` split by what the work grows with; attention must still be there as a composite. */
export function flopsByGrowth(graph: Graph): FlopsByGrowth {
  let [tokens, pairs] = [0, 0];
  for (const node of graph.nodes) {
    if (node.op === "call") {
      const inner = flopsByGrowth(node.params.body);
      tokens += inner.tokens;
      pairs += inner.pairs;
    } else if (node.op === "attention" || node.op === "attentionGrad") pairs += nodeFlops(node);
    else tokens += nodeFlops(node);
  }
  return { tokens, pairs };
}
