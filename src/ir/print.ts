import type { Graph, Node, Value } from "./graph.ts";
import { formatType } from "./shape.ts";

function formatParam(value: unknown): string {
  if (ArrayBuffer.isView(value)) {
    const data = value as unknown as ArrayLike<number>;
    const shown = Array.from({ length: Math.min(4, data.length) }, (_, i) => Number(data[i]).toPrecision(6));
    return `{${shown.map(Number).join(", ")}${data.length > 4 ? ", …" : ""}}`;
  }
  if (Array.isArray(value)) return `[${value.join(",")}]`;
  return String(value);
}

/** A graph as text, one node a line, values renumbered in order: stable across runs. */
export function printGraph(graph: Graph, indent = ""): string {
  const names = new Map<Value, string>();
  const nameOf = (value: Value): string => {
    const known = names.get(value) ?? `%${names.size}`;
    names.set(value, known);
    return known;
  };
  const typed = (value: Value): string => `${nameOf(value)}: ${formatType(value)}`;
  const printNode = (node: Node): string => {
    const entries = Object.entries(node.params).filter(([key]) => !["body", "rule", "dtype", "shape"].includes(key));
    const params = entries.map(([key, value]) => `${key}=${formatParam(value)}`).join(" ");
    const inputs = node.inputs.map(nameOf).join(", ");
    const line = `${indent}  ${node.outputs.map(typed).join(", ")} = ${node.op}(${inputs})${params && ` ${params}`}`;
    return node.op === "scan" || node.op === "call"
      ? `${line} ${printGraph(node.params.body, `${indent}  `).trimStart()}`
      : line;
  };
  return [
    `${indent}graph ${graph.name}(${graph.inputs.map(({ name, value }) => `${name} ${typed(value)}`).join(", ")}) {`,
    ...graph.nodes.map(printNode),
    `${indent}  return ${graph.outputs.map(({ name, value }) => `${name}=${nameOf(value)}`).join(", ")}`,
    `${indent}}`,
  ].join("\n");
}
