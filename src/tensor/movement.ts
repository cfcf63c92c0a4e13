import { refuse } from "../ir/rule.ts";
import { type Shape, sameShape } from "../ir/shape.ts";
import type { Tensor } from "./tensor.ts";
import { emitOne } from "./trace.ts";

/** Turns negative axes (counted from the end) into axes. */
export function normalizeAxis(x: Tensor, axis: number): number {
  const result = axis < 0 ? axis + x.rank : axis;
  if (!(result >= 0 && result < x.rank)) refuse("axis", `axis ${axis} is not in [${-x.rank}, ${x.rank})`, [x]);
  return result;
}

/**
 * Same elements under another shape; one dimension may be −1 and is worked out.
 * @throws {ShapeError} SHAPE_MISMATCH also where −1 has no single answer: several of them, or beside a dimension of 0
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  if (!shape.includes(-1)) return sameShape(shape, x.shape) ? x : emitOne("reshape", [x], { shape });
  const known = shape.reduce((product, dim) => (dim === -1 ? product : product * dim), 1);
  const open = x.size / known;
  if (shape.indexOf(-1) !== shape.lastIndexOf(-1) || !Number.isInteger(open)) {
    refuse("reshape", `-1 cannot be worked out in [${shape}] for ${x.size} elements`, [x]);
  }
  return reshape(
    x,
    shape.map((dim) => (dim === -1 ? open : dim)),
  );
}

/** Result axis i is operand axis `permutation[i]`; without a permutation the last two axes are exchanged. */
export function transpose(x: Tensor, permutation?: readonly number[]): Tensor {
  const axes = x.shape.map((_, axis) => axis);
  const order = permutation ?? [...axes.slice(0, -2), x.rank - 1, x.rank - 2];
  return order.every((axis, i) => axis === i) && order.length === x.rank
    ? x
    : emitOne("transpose", [x], { permutation: order });
}

/** Inserts an axis of size 1. */
export function expandDims(x: Tensor, axis: number): Tensor {
  const at = axis < 0 ? axis + x.rank + 1 : axis;
  return reshape(x, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)]);
}

/** Entries [start, limit) of one axis. */
export function sliceAxis(x: Tensor, axis: number, start: number, limit: number): Tensor {
  const at = normalizeAxis(x, axis);
  if (start === 0 && limit === x.shape[at]) return x;
  return emitOne("slice", [x], {
    starts: x.shape.map((_, i) => (i === at ? start : 0)),
    limits: x.shape.map((size, i) => (i === at ? limit : size)),
    strides: x.shape.map(() => 1),
  });
}

/** Cuts an axis into equal parts. */
export function split(x: Tensor, axis: number, parts: number): Tensor[] {
  const at = normalizeAxis(x, axis);
  const size = x.shape[at]! / parts;
  if (!Number.isInteger(size)) refuse("split", `axis ${axis} does not divide into ${parts} equal parts`, [x]);
  return Array.from({ length: parts }, (_, i) => sliceAxis(x, at, i * size, (i + 1) * size));
}

export function concatenate(tensors: readonly Tensor[], axis: number): Tensor {
  return tensors.length === 1
    ? tensors[0]!
    : emitOne("concatenate", tensors, { axis: tensors[0] === undefined ? axis : normalizeAxis(tensors[0], axis) });
}

/** Entries of an axis by index; the axis is replaced by the axes of the indices (i32). */
export function gather(x: Tensor, indices: Tensor, axis = 0): Tensor {
  return emitOne("gather", [x, indices], { axis: normalizeAxis(x, axis) });
}

/** The operand with updates added at indices of an axis; repeated indices add up. */
export function scatterAdd(x: Tensor, indices: Tensor, updates: Tensor, axis = 0): Tensor {
  return emitOne("scatterAdd", [x, indices, updates], { axis: normalizeAxis(x, axis) });
}
