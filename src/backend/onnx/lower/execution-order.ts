/** @file In which order ONNX Runtime runs a model's nodes. */
import type { OnnxNode } from "../proto/model.ts";
import { usedNames } from "./emitter.ts";

/**
 * The positions of nodes in ONNX Runtime's own order: a depth-first walk from the nodes whose results no other node
 * reads, the last of them first, and from each node into the operands that were made last.
 * @source onnxruntime, `Graph::ReverseDFSFrom` and `GraphViewer::GraphViewer`
 */
export function executionOrder(nodes: readonly OnnxNode[]): number[] {
  const maker = new Map<string, number>();
  nodes.forEach((node, i) => {
    for (const name of node.outputs) if (name !== "") maker.set(name, i);
  });
  const operands = nodes.map((node) => {
    const makers = new Set<number>();
    for (const name of usedNames(node)) {
      const made = maker.get(name);
      if (made !== undefined) makers.add(made);
    }
    return [...makers].sort((a, b) => a - b);
  });
  const isRead = new Uint8Array(nodes.length);
  for (const list of operands) for (const i of list) isRead[i] = 1;
  const order: number[] = [];
  const visited = new Uint8Array(nodes.length);
  const stack = nodes.flatMap((_, i) => (isRead[i] === 1 ? [] : [{ i, leaves: false }]));
  for (let entry = stack.pop(); entry !== undefined; entry = stack.pop()) {
    const { i, leaves } = entry;
    if (leaves) {
      order.push(i);
      continue;
    }
    if (visited[i] === 1) continue;
    visited[i] = 1;
    stack.push({ i, leaves: true });
    for (const operand of operands[i]!) if (visited[operand] === 0) stack.push({ i: operand, leaves: false });
  }
  return order;
}
