/**
 * @file Gives a part of a batch the dropout masks that its rows have in the undivided batch.
 *
 * A mask's bit is a function of a key and of the element's number, and enters the number by a sum with the key's first
 * word. So the mask of later rows is one with a moved key. The entries of a list (places that a head reads) are scattered
 * over the undivided list: their mask is gathered from that of the whole list. Which of the two a mask is, and of which
 * lists, is read off the graph: the first axis of every value is followed from the batch's tensors on.
 */
import { BackendError } from "../base/errors.ts";
import type { Batch, BatchPart } from "../data/batch.ts";
import type { Graph, Node, NodeOf, OpName, Value } from "../ir/graph.ts";
import { type Pass, type RewriteFacts, rewriteGraph } from "../ir/pass/rewrite.ts";
import { sizeOf } from "../ir/shape.ts";
import { itemTensor } from "./divide-batch.ts";

/** What the first axis of a value runs over. */
interface Axis {
  /** `rows`, or the names of lists one behind the other. */
  readonly items: readonly string[];
  /** Entries of the axis for each item, e.g. the tokens of a row. */
  readonly inner: number;
}

const ROWS = "rows";

const sameAxis = (a: Axis, b: Axis): boolean => a.inner === b.inner && a.items.join() === b.items.join();

/** Operations whose first axis is not that of their operands, or not always; those that say nothing are in `unknown`. */
type AxisRule<P extends OpName> = (
  node: NodeOf<P>,
  axisOf: (value: Value) => Axis | undefined,
  tracker: Tracker,
) => Axis | undefined;

const unknown = new Set<OpName>([
  "constant",
  "iota",
  "scan",
  "scatterAdd",
  "pad",
  "randomBits",
  "dropoutMask",
  "foldIn",
]);

/** The axis that all operands agree on whose first axis is as long as the result's. */
function common({ inputs, outputs }: Node, axisOf: (value: Value) => Axis | undefined): Axis | undefined {
  const axes = inputs.filter(({ shape }) => shape[0] === outputs[0]!.shape[0]).flatMap((value) => axisOf(value) ?? []);
  const [first] = axes;
  return first !== undefined && axes.every((axis) => sameAxis(axis, first)) ? first : undefined;
}

const reduced: AxisRule<"reduceSum" | "reduceMax"> = ({ params, inputs }, axisOf) =>
  params.axes.includes(0) ? undefined : axisOf(inputs[0]!);

const rules: { readonly [P in OpName]?: AxisRule<P> } = {
  gather: ({ params, inputs }, axisOf) => axisOf(inputs[params.axis === 0 ? 1 : 0]!),
  concatenate: (node, axisOf) => {
    if (node.params.axis !== 0) return common(node, axisOf);
    const parts = node.inputs.map(axisOf);
    const isListed = parts.every((axis) => axis?.inner === 1 && !axis.items.includes(ROWS));
    return isListed ? { items: parts.flatMap((axis) => axis!.items), inner: 1 } : undefined;
  },
  slice: ({ params, inputs }, axisOf, tracker) => {
    const axis = axisOf(inputs[0]!);
    const [start = 0, limit = 0] = [params.starts[0], params.limits[0]];
    if (axis === undefined || params.strides[0] !== 1) return undefined;
    if (start === 0 && limit === inputs[0]!.shape[0]) return axis;
    return tracker.cut(axis, start, limit);
  },
  reshape: ({ inputs, outputs }, axisOf, tracker) => {
    const axis = axisOf(inputs[0]!);
    const length = outputs[0]!.shape[0];
    if (axis === undefined || length === undefined) return undefined;
    const inner = length / tracker.count(axis);
    return Number.isInteger(inner) ? { items: axis.items, inner } : undefined;
  },
  transpose: ({ params, inputs }, axisOf) => (params.permutation[0] === 0 ? axisOf(inputs[0]!) : undefined),
  broadcast: ({ params, inputs, outputs }, axisOf) => {
    const isFirst = params.dims[0] === 0 && inputs[0]!.shape[0] === outputs[0]!.shape[0];
    return isFirst ? axisOf(inputs[0]!) : undefined;
  },
  reduceSum: reduced as AxisRule<"reduceSum">,
  reduceMax: reduced as AxisRule<"reduceMax">,
  argMax: ({ params, inputs }, axisOf) => (params.axis === 0 ? undefined : axisOf(inputs[0]!)),
  dot: ({ params: { lhsBatch, lhsContract }, inputs }, axisOf) => {
    const isFirst = lhsBatch.length > 0 ? lhsBatch[0] === 0 : !lhsContract.includes(0);
    return isFirst ? axisOf(inputs[0]!) : undefined;
  },
};

/** Follows the first axis of every value of a graph. */
class Tracker {
  private readonly axes = new Map<Value, Axis>();
  private readonly sizes: ReadonlyMap<string, number>;

  constructor(graph: Graph, batch: Batch) {
    const { lists = {}, tensors } = batch;
    const listOf = new Map<string, string>();
    for (const [name, { beside }] of Object.entries(lists)) {
      for (const tensor of [name, itemTensor(name), ...Object.keys(beside)]) listOf.set(tensor, name);
    }
    const rowTensor = Object.keys(tensors).find((name) => !listOf.has(name));
    this.sizes = new Map([
      ...Object.keys(lists).map((name) => [name, tensors[name]!.shape[0]!] as const),
      [ROWS, rowTensor === undefined ? 0 : tensors[rowTensor]!.shape[0]!] as const,
    ]);
    for (const { name, value } of graph.inputs) {
      if (!name.startsWith("batch.")) continue;
      this.axes.set(value, { items: [listOf.get(name.slice("batch.".length)) ?? ROWS], inner: 1 });
    }
    for (const node of graph.nodes) this.follow(node);
  }

  private follow(node: Node): void {
    if (unknown.has(node.op)) return;
    const rule = rules[node.op] as AxisRule<OpName> | undefined;
    const axis = rule === undefined ? common(node, this.of) : rule(node as never, this.of, this);
    const [result] = node.outputs;
    if (axis === undefined || result === undefined || result.shape[0] !== this.count(axis) * axis.inner) return;
    this.axes.set(result, axis);
  }

  readonly of = (value: Value): Axis | undefined => this.axes.get(value);

  /** Items of an axis. */
  count({ items }: Axis): number {
    return items.reduce((sum, name) => sum + this.sizes.get(name)!, 0);
  }

  /** The lists that lie in [start, limit) of an axis, where they do so as a whole. */
  cut({ items, inner }: Axis, start: number, limit: number): Axis | undefined {
    let at = 0;
    const kept: string[] = [];
    for (const name of items) {
      const end = at + this.sizes.get(name)! * inner;
      if (at >= start && end <= limit) kept.push(name);
      at = end;
    }
    const axis = { items: kept, inner };
    return this.count(axis) * inner === limit - start ? axis : undefined;
  }
}

/** Operations behind which a mask is still that mask. */
const passing = new Set<OpName>(["convert", "barrier", "stopGradient"]);

/** What the first axis of a mask runs over: that of the first value it is applied to. */
function axisOfMask(mask: Value, nodes: readonly Node[], tracker: Tracker): Axis | undefined {
  const same = new Set([mask]);
  for (const node of nodes) {
    if (!node.inputs.some((value) => same.has(value))) continue;
    if (passing.has(node.op)) same.add(node.outputs[0]!);
    else
      return common({ ...node, inputs: node.inputs.filter((value) => !same.has(value)), outputs: [mask] }, tracker.of);
  }
  return undefined;
}

function unsupported(node: Node, what: string): BackendError {
  const at = node.source === undefined ? "" : ` Traced at ${node.source}.`;
  return new BackendError(`${what}, so a batch cannot be divided. Set train.lanes: 1.${at}`, {
    code: "LANES_UNSUPPORTED",
    path: "train.lanes",
    details: { op: node.op, source: node.source },
  });
}

/** The mask of rows from `firstRow` on: its elements' numbers begin where those rows do. */
function movedMask({ node, inputs, emit }: RewriteFacts, start: number): Value[] {
  const data = Uint32Array.of(start, 0);
  const [offset] = emit("constant", [], { dtype: "u32", shape: [2], data });
  const [key] = emit("add", [inputs[0]!, offset!], {});
  return emit("dropoutMask", [key!], (node as NodeOf<"dropoutMask">).params);
}

/** Entries of the mask of undivided lists. @param items for each list the input with its entries' numbers */
function gatheredMask(
  { node, inputs, emit }: RewriteFacts,
  items: readonly { readonly numbers: Value; readonly room: number }[],
): readonly Value[] {
  const { shape, rate } = (node as NodeOf<"dropoutMask">).params;
  let before = 0;
  const places = items.map(({ numbers, room }) => {
    const start = before;
    before += room;
    if (start === 0) return numbers;
    const [scalar] = emit("constant", [], { dtype: "i32", shape: [], data: Int32Array.of(start) });
    const [offset] = emit("broadcast", [scalar!], { shape: numbers.shape, dims: [] });
    return emit("add", [numbers, offset!], {})[0]!;
  });
  const [whole] = emit("dropoutMask", inputs, { shape: [before, ...shape.slice(1)], rate });
  const all = places.length === 1 ? places[0]! : emit("concatenate", places, { axis: 0 })[0]!;
  return emit("gather", [whole!, all], { axis: 0 });
}

/**
 * The graph with the masks of the undivided batch.
 * @param graph traced for a part of a batch, `call`s expanded, composites as they are
 * @param batch the part, with the undivided batch's lists
 * @throws {BackendError} LANES_UNSUPPORTED for randomness that belongs to no rows or list of the batch
 */
export function undividedMasks(graph: Graph, batch: Batch & { readonly part: BatchPart }): Graph {
  const { firstRow, rooms } = batch.part;
  const tracker = new Tracker(graph, batch);
  const axes = new Map<Value, Axis>();
  const check = (nodes: readonly Node[], isInner: boolean): void => {
    for (const node of nodes) {
      if (node.op === "scan") check(node.params.body.nodes, true);
      if (node.op !== "dropoutMask" && node.op !== "randomBits") continue;
      const [mask] = node.outputs;
      const axis = isInner || node.op === "randomBits" ? undefined : axisOfMask(mask!, nodes, tracker);
      const isRows = axis?.items.length === 1 && axis.items[0] === ROWS;
      if (axis === undefined || (axis.inner !== 1 && !isRows)) {
        throw unsupported(node, "random numbers are drawn for something else than rows or places of the batch");
      }
      axes.set(mask!, axis);
    }
  };
  check(graph.nodes, false);
  const names = graph.inputs.map(({ name }) => name);
  return rewriteGraph(graph, () => {
    const rewrite: Pass["rewrite"] = (facts) => {
      const axis = axes.get(facts.node.outputs[0]!);
      if (axis === undefined) return undefined;
      if (axis.items[0] !== ROWS) {
        const items = axis.items.map((name) => ({
          numbers: facts.graphInputs[names.indexOf(`batch.${itemTensor(name)}`)]!,
          room: rooms[name]!,
        }));
        return gatheredMask(facts, items);
      }
      const start = (firstRow * sizeOf(facts.node.outputs[0]!.shape)) / tracker.count(axis);
      return start === 0 ? undefined : movedMask(facts, start);
    };
    return [{ rewrite }];
  });
}
