import { internalError } from "../base/errors.ts";
import type { Graph, Node, Value } from "./graph.ts";
import { inferTypes } from "./op.ts";
import { formatType, sameType } from "./shape.ts";

function verifyNode(node: Node, where: string, defined: Set<Value>): void {
  for (const value of node.inputs) {
    if (!defined.has(value)) throw internalError(`${where}: %${value.id} is used before it is made`);
  }
  const types = inferTypes(node.op, node.inputs, node.params as never);
  if (types.length !== node.outputs.length) {
    throw internalError(`${where}: has ${node.outputs.length} results, its rule gives ${types.length}`);
  }
  node.outputs.forEach((value, i) => {
    if (!sameType(value, types[i]!)) {
      throw internalError(`${where}: result ${i} is ${formatType(value)}, its rule gives ${formatType(types[i]!)}`);
    }
    if (defined.has(value)) throw internalError(`${where}: %${value.id} is made twice`);
    defined.add(value);
  });
  if (node.op === "scan" || node.op === "call") verifyGraph(node.params.body);
}

/** Checks a graph: order, single assignment, types by their rules, unique names; throws an internal error. */
export function verifyGraph(graph: Graph): void {
  const defined = new Set<Value>();
  for (const { name, value } of graph.inputs) {
    if (defined.has(value)) throw internalError(`graph "${graph.name}": input ${name} appears twice`);
    defined.add(value);
  }
  graph.nodes.forEach((node, i) => {
    verifyNode(node, `graph "${graph.name}", node ${i} (${node.op}, ${node.source ?? "unknown source"})`, defined);
  });
  for (const { name, value } of graph.outputs) {
    if (!defined.has(value)) throw internalError(`graph "${graph.name}": output ${name} is never made`);
  }
  for (const [kind, list] of [
    ["input", graph.inputs],
    ["output", graph.outputs],
  ] as const) {
    const names = new Set(list.map(({ name }) => name));
    if (names.size !== list.length) throw internalError(`graph "${graph.name}": ${kind} names are not unique`);
  }
}
