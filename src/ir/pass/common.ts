/** @file The same operation on the same operands, computed once. */
import type { HostData } from "../dtype.ts";
import type { Node, OpName, Value } from "../graph.ts";
import type { Pass } from "./rewrite.ts";

/** A barrier exists to keep two computations of one thing apart; bodies of loops are not compared. */
const neverShared = new Set<OpName>(["barrier", "scan", "call"]);
const commutative = new Set<OpName>(["add", "mul", "max", "min", "and", "or", "xor"]);

/** Larger constants are not compared. */
const MOST_BYTES = 4096;

function bytesOf(data: HostData): string | undefined {
  if (data.byteLength > MOST_BYTES) return undefined;
  return String.fromCharCode(...new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

/** Equal for nodes that give equal results; undefined for nodes that are never shared. */
function keyOf(node: Node, inputs: readonly Value[]): string | undefined {
  if (neverShared.has(node.op)) return undefined;
  const ids = inputs.map(({ id }) => id);
  if (commutative.has(node.op)) ids.sort((a, b) => a - b);
  if (node.op !== "constant") return `${node.op}(${ids.join(",")})${JSON.stringify(node.params)}`;
  const { dtype, shape, data } = node.params;
  const bytes = bytesOf(data);
  return bytes === undefined ? undefined : `constant ${dtype}[${shape.join(",")}]${bytes}`;
}

/** Shares the results of equal nodes. What lies behind a `barrier`, as a recomputed layer does, stays apart. */
export function commonSubexpressions(): Pass {
  const made = new Map<string, readonly Value[]>();
  return {
    rewrite: ({ node, inputs }) => {
      const key = keyOf(node, inputs);
      return key === undefined ? undefined : made.get(key);
    },
    remember: (node) => {
      const key = keyOf(node, node.inputs);
      if (key !== undefined && !made.has(key)) made.set(key, node.outputs);
    },
  };
}
