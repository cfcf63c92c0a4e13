/** @file Views of memory that the lowering works with: movement of elements is mostly a matter of strides. */
import type { TensorType } from "../../../ir/dtype.ts";
import { type Shape, sizeOf, stridesOf } from "../../../ir/shape.ts";

/** A piece of memory whose place is chosen after all steps are known. */
export interface Block {
  readonly bytes: number;
  readonly home:
    | { readonly kind: "arena" }
    | { readonly kind: "input" | "output" | "constant"; readonly index: number };
}

/** A tensor in a block. Strides are in elements, 0 where an axis only repeats; the offset is in bytes. */
export interface Ref extends TensorType {
  readonly strides: readonly number[];
  readonly block: Block;
  readonly offset: number;
}

/** Whether the elements lie in row-major order without gaps (axes of size 1 lie anywhere). */
export function isDense({ shape, strides }: Pick<Ref, "shape" | "strides">): boolean {
  const dense = stridesOf(shape);
  return sizeOf(shape) === 0 || shape.every((size, axis) => size === 1 || strides[axis] === dense[axis]);
}

/** Whether some axis repeats the same elements. */
export function repeats({ shape, strides }: Pick<Ref, "shape" | "strides">): boolean {
  return shape.some((size, axis) => size > 1 && strides[axis] === 0);
}

/** Whether two views lie over the same elements in the same order. */
export function samePlace(a: Ref, b: Ref): boolean {
  return (
    a.block === b.block &&
    a.offset === b.offset &&
    a.dtype === b.dtype &&
    a.shape.length === b.shape.length &&
    a.shape.every((size, axis) => size === b.shape[axis] && (size === 1 || a.strides[axis] === b.strides[axis]))
  );
}

/** The same elements in row-major order under another shape; undefined where strides cannot say it. */
export function reshapeView(ref: Ref, shape: Shape): Ref | undefined {
  if (sizeOf(shape) === 0 || isDense(ref)) return { ...ref, shape, strides: stridesOf(shape) };
  const strides = new Array<number>(shape.length).fill(0);
  const old = ref.shape.flatMap((size, axis) => (size === 1 ? [] : [{ size, stride: ref.strides[axis]! }]));
  let to = 0;
  for (let from = 0; from < old.length; ) {
    // The shortest runs of old and new axes with equally many elements.
    let [oldSize, newSize] = [old[from]!.size, shape[to]!];
    let [oldEnd, newEnd] = [from + 1, to + 1];
    while (oldSize !== newSize) {
      if (oldSize < newSize) oldSize *= old[oldEnd++]!.size;
      else newSize *= shape[newEnd++]!;
    }
    for (let i = from; i + 1 < oldEnd; i++) {
      if (old[i]!.stride !== old[i + 1]!.stride * old[i + 1]!.size) return undefined;
    }
    let stride = old[oldEnd - 1]!.stride;
    for (let axis = newEnd - 1; axis >= to; axis--) {
      strides[axis] = stride;
      stride *= shape[axis]!;
    }
    [from, to] = [oldEnd, newEnd];
  }
  return { ...ref, shape, strides };
}

export function transposeView(ref: Ref, permutation: readonly number[]): Ref {
  return {
    ...ref,
    shape: permutation.map((axis) => ref.shape[axis]!),
    strides: permutation.map((axis) => ref.strides[axis]!),
  };
}

/** Repeats along new or size-1 axes, as primitive `broadcast`. */
export function broadcastView(ref: Ref, shape: Shape, dims: readonly number[]): Ref {
  const strides = new Array<number>(shape.length).fill(0);
  dims.forEach((dim, axis) => {
    if (ref.shape[axis] === shape[dim]) strides[dim] = ref.strides[axis]!;
  });
  return { ...ref, shape, strides };
}

/** Elements start, start + step, … of every axis; the shape is that of the result. */
export function sliceView(
  ref: Ref,
  starts: readonly number[],
  shape: Shape,
  steps: readonly number[],
  elementBytes: number,
): Ref {
  const skipped = starts.reduce((sum, start, axis) => sum + start * ref.strides[axis]!, 0);
  return {
    ...ref,
    shape,
    strides: ref.strides.map((stride, axis) => stride * steps[axis]!),
    offset: sizeOf(shape) === 0 ? ref.offset : ref.offset + skipped * elementBytes,
  };
}

/** Views of one shape with neighbouring axes joined where all of them allow, and axes of size 1 dropped. */
export function collapse(refs: readonly Ref[]): Ref[] {
  const [first] = refs as readonly [Ref];
  const kept: number[][] = [];
  first.shape.forEach((size, axis) => {
    if (size === 1) return;
    const last = kept.at(-1);
    const before = last?.at(-1);
    const joins = before !== undefined && refs.every(({ strides }) => strides[before] === strides[axis]! * size);
    if (last !== undefined && joins) last.push(axis);
    else kept.push([axis]);
  });
  const shape = kept.map((axes) => sizeOf(axes.map((axis) => first.shape[axis]!)));
  return refs.map((ref) => ({ ...ref, shape, strides: kept.map((axes) => ref.strides[axes.at(-1)!]!) }));
}
