/**
 * @file Gradients of tables that are finished after a run.
 *
 * ONNX Runtime's ScatterElements adds element by element on one thread, tens of times slower than memory. A gradient that
 * the graph only hands out therefore leaves the engine without the rows of the embedding; the rows come out beside it, and
 * the host adds them at their ids, which are an input of the graph. Gradients that the graph goes on with are scattered in it.
 */
import type { Graph, Node, NodeOf, Value } from "../../../ir/graph.ts";

/** Up to this many rows of a table, a product with a one-hot matrix is cheaper than scattering. */
export const FEW_ROWS = 16;

/** Rows to be added to a graph output after the run. */
export interface LateSum {
  /** The graph's output. */
  readonly output: number;
  /** Among the graph's inputs: i32, one id for each row. */
  readonly ids: number;
  /** The rows, of the width of the table. */
  readonly rows: Value;
  /** What the output holds before; zeros when left out. */
  readonly rest: Value | undefined;
}

/** The late sums of a graph, by the output's value. */
export function planLateSums(graph: Graph): Map<Value, LateSum> {
  const producers = new Map<Value, Node>();
  const useCounts = new Map<Value, number>();
  const use = (value: Value) => useCounts.set(value, (useCounts.get(value) ?? 0) + 1);
  for (const node of graph.nodes) {
    for (const value of node.outputs) producers.set(value, node);
    node.inputs.forEach(use);
  }
  for (const { value } of graph.outputs) use(value);

  /** A node of the named operation whose result has this one use. */
  const sole = (value: Value, op: string): Node | undefined => {
    const node = producers.get(value);
    return node?.op === op && useCounts.get(value) === 1 ? node : undefined;
  };
  const inputOf = (ids: Value): number => {
    const node = producers.get(ids);
    if (node?.op === "reshape" || node?.op === "stopGradient") return inputOf(node.inputs[0]!);
    return ids.dtype === "i32" ? graph.inputs.findIndex(({ value }) => value === ids) : -1;
  };
  const lateSum = (table: Value, output: number, rest: Value | undefined): LateSum | undefined => {
    const node = sole(table, "embeddingGrad") as NodeOf<"embeddingGrad"> | undefined;
    if (node === undefined || node.params.rows <= FEW_ROWS || table.dtype !== "f32") return undefined;
    const ids = inputOf(node.inputs[0]!);
    return ids === -1 ? undefined : { output, ids, rows: node.inputs[1]!, rest };
  };

  const planned = new Map<Value, LateSum>();
  graph.outputs.forEach(({ value }, output) => {
    const [one, other] = sole(value, "add")?.inputs ?? [value, undefined];
    const found = lateSum(one!, output, other) ?? (other === undefined ? undefined : lateSum(other, output, one));
    if (found !== undefined) planned.set(value, found);
  });
  return planned;
}
