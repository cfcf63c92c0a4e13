/**
 * @file Gradients of tables that are finished after a run.
 *
 * ONNX Runtime's ScatterElements adds element by element on one thread, tens of times slower than memory. A gradient that
 * the graph only hands out therefore leaves the engine without the rows of the embedding; the rows come out beside it, and
 * the host adds them at their ids, which are an input of the graph. Gradients that the graph goes on with are scattered in it.
 */
import type { Graph, Value } from "../../../ir/graph.ts";
import { ValueUses } from "../../../ir/value-uses.ts";

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
  const uses = new ValueUses(graph);
  const inputOf = (ids: Value): number => {
    const node = uses.producer(ids);
    if (node?.op === "reshape" || node?.op === "stopGradient") return inputOf(node.inputs[0]!);
    return ids.dtype === "i32" ? graph.inputs.findIndex(({ value }) => value === ids) : -1;
  };
  const lateSum = (table: Value, output: number, rest: Value | undefined): LateSum | undefined => {
    const node = uses.soleProducer(table, "embeddingGrad");
    if (node === undefined || node.params.rows <= FEW_ROWS || table.dtype !== "f32") return undefined;
    const ids = inputOf(node.inputs[0]!);
    return ids === -1 ? undefined : { output, ids, rows: node.inputs[1]!, rest };
  };

  const planned = new Map<Value, LateSum>();
  graph.outputs.forEach(({ value }, output) => {
    const [one, other] = uses.soleProducer(value, "add")?.inputs ?? [value, undefined];
    const found = lateSum(one!, output, other) ?? (other === undefined ? undefined : lateSum(other, output, one));
    if (found !== undefined) planned.set(value, found);
  });
  return planned;
}
