/** @file Whether a program is one and the same for small sizes and large ones. */
import { BackendError } from "../base/errors.ts";
import type { Graph, Node } from "../ir/graph.ts";
import type { Dimensions } from "./dimension.ts";

/** A program traced with the two large sizes and a small one. */
export type TracedThrice = readonly [Graph, Graph, Graph];

function refuse(node: Node | undefined, reason: string): BackendError {
  const what =
    node === undefined ? "the computation" : `${node.op}${node.source === undefined ? "" : ` at ${node.source}`}`;
  return new BackendError(
    `${what} ${reason}, so no one file serves all sizes. This is a fault of the export: please report it.`,
    {
      code: "EXPORT_SIZES",
      path: "export",
    },
  );
}

/** Numbers in the parameters of a node, in order; those of nested graphs are not among them. */
function numbersIn(params: unknown): number[] {
  if (typeof params === "number") return [params];
  if (Array.isArray(params) || ArrayBuffer.isView(params)) {
    return Array.from(params as ArrayLike<unknown>).flatMap(numbersIn);
  }
  if (params === null || typeof params !== "object" || "nodes" in params) return [];
  return Object.values(params).flatMap(numbersIn);
}

/** All numbers that a node is made of: its parameters and the shapes of its results. */
const numbersOf = (node: Node): number[] => [
  ...numbersIn(node.params),
  ...node.outputs.flatMap(({ shape }) => [shape.length, ...shape]),
];

/**
 * Makes sure that a program takes the same way for small sizes as for large ones: what hangs on a threshold between them
 * (a length cut at a limit, a branch) looks like a fixed number in graphs of large sizes alone.
 * @throws {BackendError} EXPORT_SIZES naming the line of the model
 */
export function requireOneProgram([first, second, small]: TracedThrice, dimensions: Dimensions): void {
  if (first.nodes.length !== small.nodes.length) throw refuse(undefined, "has other operations for small sizes");
  first.nodes.forEach((node, i) => {
    const [other, tiny] = [second.nodes[i], small.nodes[i]!];
    if (node.op !== tiny.op || node.op !== other?.op) throw refuse(node, "is another operation for other sizes");
    const [a, b, c] = [node, other, tiny].map(numbersOf) as [number[], number[], number[]];
    if (a.length !== b.length || a.length !== c.length)
      throw refuse(node, "holds a constant of another size for other sizes");
    a.forEach((number, k) => {
      // What large graphs differ in is explained where they are joined.
      const found = dimensions.explain([number, b[k]!]);
      if (found !== undefined && !Object.is(dimensions.smallValue(found), c[k])) {
        throw refuse(node, `holds ${number} for large sizes and ${c[k]} for small ones`);
      }
    });
  });
}
