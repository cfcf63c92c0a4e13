/**
 * @file Sums that are something simpler: of parts that were padded to their places, as in the gradient of a split, a
 * concatenation; with the gradient of an embedding, rows added to the other operand instead of to a table of zeros.
 */
import { statisticDtype } from "../../../ir/dtype.ts";
import type { Graph, Node, NodeOf, Value } from "../../../ir/graph.ts";
import type { ValueUses } from "../../../ir/value-uses.ts";

/** Parts side by side along an axis. */
export interface PlannedConcatenation {
  readonly axis: number;
  readonly parts: readonly Value[];
}

/** Rows that are added to a table at ids. */
export interface PlannedRows {
  readonly table: Value;
  readonly gradient: NodeOf<"embeddingGrad">;
}

export interface SumPlan {
  readonly concatenations: ReadonlyMap<Node, PlannedConcatenation>;
  readonly rows: ReadonlyMap<Node, PlannedRows>;
  /** What these sums do themselves. */
  readonly absorbed: ReadonlySet<Node>;
}

type Pad = NodeOf<"pad">;

/** The pads that a sum consists of, with the nodes in between; undefined where it has other operands. */
function padsOf(node: NodeOf<"add">, uses: ValueUses): { pads: Pad[]; inner: Node[] } | undefined {
  const pads: Pad[] = [];
  const inner: Node[] = [];
  for (const value of node.inputs) {
    const pad = uses.soleProducer(value, "pad");
    const sum = uses.soleProducer(value, "add");
    const below = sum === undefined ? undefined : padsOf(sum, uses);
    if (pad !== undefined) {
      pads.push(pad);
      inner.push(pad as Node);
    } else if (below !== undefined) {
      pads.push(...below.pads);
      inner.push(...below.inner, sum as unknown as Node);
    } else {
      return undefined;
    }
  }
  return { pads, inner };
}

/** The operands of the pads in order, if they fill one axis without gap or overlap. */
function tiles(pads: readonly Pad[]): PlannedConcatenation | undefined {
  const padded = ({ params: { low, high } }: Pad) => low.flatMap((count, i) => (count + high[i]! > 0 ? [i] : []));
  const [axis] = padded(pads[0]!);
  const isPlain = (pad: Pad) =>
    pad.params.interior.every((count) => count === 0) && padded(pad).every((own) => own === axis);
  if (axis === undefined || !pads.every(isPlain)) return undefined;
  const sorted = pads.toSorted((a, b) => a.params.low[axis]! - b.params.low[axis]!);
  let end = 0;
  for (const { params, inputs } of sorted) {
    if (params.low[axis] !== end) return undefined;
    end += inputs[0]!.shape[axis]!;
  }
  if (end !== pads[0]!.outputs[0]!.shape[axis]) return undefined;
  return { axis, parts: sorted.map(({ inputs }) => inputs[0]!) };
}

/** An embedding's gradient that only this sum reads. */
function rowsOf(node: NodeOf<"add">, uses: ValueUses, isScattered: (rows: number) => boolean): PlannedRows | undefined {
  const [a, b] = node.inputs as readonly [Value, Value];
  for (const [value, table] of [
    [b, a],
    [a, b],
  ] as const) {
    const gradient = uses.soleProducer(value, "embeddingGrad");
    if (gradient !== undefined && isScattered(gradient.params.rows)) return { table, gradient };
  }
  return undefined;
}

/**
 * @param isHeldWide whether a value is held in the dtype of sums: else a table would be summed in 16 bits
 * @param isScattered whether the gradient of a table of so many rows is a scatter
 */
export function planSums(
  graph: Graph,
  uses: ValueUses,
  isHeldWide: (value: Value) => boolean,
  isScattered: (rows: number) => boolean,
): SumPlan {
  const concatenations = new Map<Node, PlannedConcatenation>();
  const rows = new Map<Node, PlannedRows>();
  const absorbed = new Set<Node>();
  for (const node of [...graph.nodes].reverse()) {
    if (node.op !== "add" || absorbed.has(node)) continue;
    const sum = padsOf(node, uses);
    const concatenation = sum === undefined ? undefined : tiles(sum.pads);
    if (concatenation !== undefined) {
      concatenations.set(node, concatenation);
      for (const inner of sum!.inner) absorbed.add(inner);
      continue;
    }
    const { dtype } = node.outputs[0]!;
    const isWide = dtype === statisticDtype(dtype) || isHeldWide(node.outputs[0]!);
    const planned = isWide ? rowsOf(node, uses, isScattered) : undefined;
    if (planned !== undefined) {
      rows.set(node, planned);
      absorbed.add(planned.gradient as unknown as Node);
    }
  }
  return { concatenations, rows, absorbed };
}
