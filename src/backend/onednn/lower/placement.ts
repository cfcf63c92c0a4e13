/** @file Decides before lowering where results are to be written: into outputs, and side by side. */
import { dtypeBytes } from "../../../ir/dtype.ts";
import type { Node, Value } from "../../../ir/graph.ts";
import { sizeOf, stridesOf } from "../../../ir/shape.ts";
import type { LowerContext } from "./context.ts";
import { partOf } from "./movement.ts";
import { type Block, type Ref, reshapeView } from "./ref.ts";

/** Pieces that together fill an axis of a value, in order. */
export interface Tiling {
  readonly axis: number;
  readonly parts: readonly Value[];
}

export interface Placement {
  /** Sums that are nothing but pieces side by side, by their result. */
  readonly tilings: ReadonlyMap<Value, Tiling>;
  /** Nodes that those sums consist of: nobody else needs them. */
  readonly skipped: ReadonlySet<Node>;
}

/** The value whose elements another one shows under a new shape or name. */
function rootOf(context: LowerContext, value: Value): Value {
  const node = context.producer(value);
  const renames =
    node?.op === "reshape" || (node?.op === "convert" && context.storageOf(node.inputs[0]!) === node.params.dtype);
  return renames ? rootOf(context, node.inputs[0]!) : value;
}

/** Where the result of a graph is to be written. */
export function outputRef(value: Value, index: number): Ref {
  const { dtype, shape } = value;
  const block: Block = { bytes: sizeOf(shape) * dtypeBytes[dtype], home: { kind: "output", index } };
  return { dtype, shape, strides: stridesOf(shape), block, offset: 0 };
}

/** Lets results of the graph be written where the caller wants them. */
export function placeOutputs(context: LowerContext): Ref[] {
  return context.graph.outputs.map(({ value }, index) => {
    const ref = outputRef(value, index);
    const root = rootOf(context, value);
    context.setHome(root, () => reshapeView(ref, root.shape));
    return ref;
  });
}

interface Piece {
  readonly source: Value;
  readonly start: number;
}

interface Chain {
  readonly parts: readonly Value[];
  readonly nodes: readonly Node[];
}

/** The operands of a chain of sums, and the sums below the top that nobody else uses. */
function summands(context: LowerContext, value: Value): Chain {
  const node = context.producer(value);
  if (node?.op !== "add" || context.soleReader(value) === undefined) return { parts: [value], nodes: [] };
  const chains = node.inputs.map((input) => summands(context, input));
  return { parts: chains.flatMap(({ parts }) => parts), nodes: [node, ...chains.flatMap(({ nodes }) => nodes)] };
}

/** Where a value that is only padded along one axis lies. */
function pieceAlong(context: LowerContext, value: Value, axis: number): Piece | undefined {
  const node = context.producer(value);
  if (node?.op !== "pad" || context.soleReader(value) === undefined) return undefined;
  const { low, high, interior } = node.params;
  const clean = interior.every((count) => count === 0);
  const onlyHere = low.every((count, i) => i === axis || (count === 0 && high[i] === 0));
  return clean && onlyHere ? { source: node.inputs[0]!, start: low[axis]! } : undefined;
}

/** The pieces in order, if they fill the axis without gaps and overlaps. */
function inOrder(pieces: readonly Piece[], axis: number, size: number): Value[] | undefined {
  const sorted = pieces.toSorted((a, b) => a.start - b.start);
  let end = 0;
  for (const { source, start } of sorted) {
    if (start !== end) return undefined;
    end += source.shape[axis]!;
  }
  return end === size ? sorted.map(({ source }) => source) : undefined;
}

/** Slices that tile an axis have gradients that are padded and summed: that is their concatenation. */
function tilingOf(context: LowerContext, node: Node): (Tiling & { readonly nodes: readonly Node[] }) | undefined {
  if (node.op !== "add") return undefined;
  const [y] = node.outputs as readonly [Value];
  const reader = context.soleReader(y);
  if (reader?.op === "add") return undefined;
  const chains = node.inputs.map((value) => summands(context, value));
  const values = chains.flatMap(({ parts }) => parts);
  for (let axis = 0; axis < y.shape.length; axis++) {
    const pieces = values.map((value) => pieceAlong(context, value, axis));
    if (pieces.some((piece) => piece === undefined)) continue;
    const parts = inOrder(pieces as Piece[], axis, y.shape[axis]!);
    if (parts === undefined) continue;
    const pads = values.map((value) => context.producer(value)!);
    return { axis, parts, nodes: [...chains.flatMap(({ nodes }) => nodes), ...pads] };
  }
  return undefined;
}

/** Lets the parts of a concatenation be written into it at once. */
function placeParts(context: LowerContext, whole: Value, { axis, parts }: Tiling): void {
  let start = 0;
  for (const part of parts) {
    const from = start;
    const size = part.shape[axis]!;
    start += size;
    const root = rootOf(context, part);
    if (sizeOf(part.shape) === 0 || root.dtype !== whole.dtype || context.isResult(root)) continue;
    context.setHome(root, () => reshapeView(partOf(context.target(whole), axis, from, size), root.shape));
  }
}

/** Finds what lies side by side, and gives the pieces their places. */
export function placePieces(context: LowerContext): Placement {
  const tilings = new Map<Value, Tiling>();
  const skipped = new Set<Node>();
  for (const node of context.graph.nodes) {
    const tiling = tilingOf(context, node);
    if (tiling !== undefined) {
      tilings.set(node.outputs[0]!, tiling);
      for (const inner of tiling.nodes) skipped.add(inner);
    }
    const whole = tiling ?? (node.op === "concatenate" ? { axis: node.params.axis, parts: node.inputs } : undefined);
    if (whole !== undefined) placeParts(context, node.outputs[0]!, whole);
  }
  return { tilings, skipped };
}
