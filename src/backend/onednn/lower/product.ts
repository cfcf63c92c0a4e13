/** @file Matrix products: which axes become rows, columns and the inner axis, by strides wherever possible. */
import type { NodeOf, PrimitiveName, Value } from "../../../ir/graph.ts";
import { type Shape, sizeOf } from "../../../ir/shape.ts";
import type { LowerContext, Rule } from "./context.ts";
import { hostPrimitive } from "./host.ts";
import { defineProduct, Pending, type Product } from "./pending.ts";
import { type Ref, reshapeView, transposeView } from "./ref.ts";

/** Axes of an operand by role, each list in the order of the result. */
interface Roles {
  readonly batch: readonly number[];
  readonly free: readonly number[];
  readonly contract: readonly number[];
}

const sizesOf = (ref: Ref, axes: readonly number[]): number[] => axes.map((axis) => ref.shape[axis]!);

function others(shape: Shape, axes: readonly number[]): number[] {
  return shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
}

/** The operand as [batch…, first group, second group], copied where the axes of a group do not lie one in another. */
function grouped(
  context: LowerContext,
  ref: Ref,
  batch: readonly number[],
  first: readonly number[],
  second: readonly number[],
): Ref {
  const moved = transposeView(ref, [...batch, ...first, ...second]);
  const shape = [...sizesOf(ref, batch), sizeOf(sizesOf(ref, first)), sizeOf(sizesOf(ref, second))];
  return reshapeView(moved, shape) ?? context.reshaped(context.cast(moved, moved.dtype), shape);
}

/** The pairs of contracted axes in the order in which one operand stores them, where that saves copies. */
function contractOrder(ref: Ref, axes: readonly number[]): number[] {
  return axes.map((_, i) => i).sort((i, j) => ref.strides[axes[j]!]! - ref.strides[axes[i]!]! || i - j);
}

/** Joins leading batch axes where both operands allow, so that the kernels see few of them. */
function joinBatch(source: Ref, weights: Ref): [Ref, Ref] {
  const rank = source.shape.length;
  if (rank <= 3) return [source, weights];
  const join = (ref: Ref) => reshapeView(ref, [sizeOf(ref.shape.slice(0, -2)), ...ref.shape.slice(-2)]);
  const [left, right] = [join(source), join(weights)];
  return left === undefined || right === undefined ? [source, weights] : [left, right];
}

/** The product of two tensors by the roles of their axes. @param shape the result's: batch, left free, right free */
export function generalProduct(
  context: LowerContext,
  lhs: Ref,
  left: Roles,
  rhs: Ref,
  right: Roles,
  shape: Shape,
): Pending {
  const order = contractOrder(lhs, left.contract);
  const inOrder = (axes: readonly number[]) => order.map((i) => axes[i]!);
  const [source, weights] = joinBatch(
    grouped(context, lhs, left.batch, left.free, inOrder(left.contract)),
    grouped(context, rhs, right.batch, inOrder(right.contract), right.free),
  );
  const dims = [...source.shape.slice(0, -1), weights.shape.at(-1)!];
  return new Pending(context, { source, weights }, dims, shape);
}

const inLibrary = (value: Value): boolean => value.dtype === "f32" || value.dtype === "bf16";

export const dot: Rule<"dot"> = (context, node) => {
  const { lhsBatch, rhsBatch, lhsContract, rhsContract } = node.params;
  const [a, b] = node.inputs as [Value, Value];
  const [y] = node.outputs as [Value];
  if (!inLibrary(a) || [a, b, y].some(({ shape }) => sizeOf(shape) === 0)) {
    hostPrimitive(context, node);
    return;
  }
  const [lhs, rhs] = [context.exact(a), context.exact(b)];
  const left = { batch: lhsBatch, free: others(a.shape, [...lhsBatch, ...lhsContract]), contract: lhsContract };
  const right = { batch: rhsBatch, free: others(b.shape, [...rhsBatch, ...rhsContract]), contract: rhsContract };
  defineProduct(context, y, generalProduct(context, lhs, left, rhs, right, y.shape));
};

export const linear = (context: LowerContext, node: NodeOf<"linear">): void => {
  const [x, weight, bias] = node.inputs as [Value, Value, Value | undefined];
  const [y] = node.outputs as [Value];
  const product: Product = {
    source: context.rows(context.exact(x)),
    weights: transposeView(context.exact(weight), [1, 0]),
    ...(bias === undefined ? {} : { bias: context.dense(context.floatRef(bias)) }),
  };
  const dims = [product.source.shape[0]!, weight.shape[0]!];
  defineProduct(context, y, new Pending(context, product, dims, y.shape));
};

export const productRules = { dot } satisfies { readonly [P in PrimitiveName]?: Rule<P> };
