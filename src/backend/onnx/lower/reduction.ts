import type { PrimitiveName } from "../../../ir/graph.ts";
import { type Shape, sizeOf } from "../../../ir/shape.ts";
import type { OnnxElementType } from "../proto/element-type.ts";
import type { LowerContext, Rule } from "./context.ts";
import type { Emitter, Ref } from "./emitter.ts";
import { matrixProduct } from "./product.ts";

/** Reduces over axes and keeps or drops them. */
export function reduce(emitter: Emitter, opType: string, x: Ref, axes: Shape, keep = false): Ref {
  const shape = x.shape.flatMap((size, axis) => (axes.includes(axis) ? (keep ? [1] : []) : [size]));
  return emitter.op(
    opType,
    [x, emitter.ints(axes)],
    { dtype: x.dtype, shape },
    { keepdims: { int: keep ? 1 : 0 }, noop_with_empty_axes: { int: 1 } },
  );
}

/**
 * Column sums of a matrix [M, N] → [N] as ones[1, M] · x: the reduction kernel over a leading axis is many times slower.
 */
export function columnSums(emitter: Emitter, x: Ref): Ref {
  const [rows, columns] = x.shape as [number, number];
  const dtype = x.dtype === "f64" ? "f64" : "f32";
  return emitter.reshape(matrixProduct(emitter, emitter.filled(dtype, [1, rows], 1), x), [columns]);
}

/** Whether the axes are the leading ones, so that the sum is one over the rows of a matrix. */
function isLeading(axes: Shape, rank: number): boolean {
  return axes.length > 0 && axes.length < rank && axes.every((axis) => axis < axes.length);
}

export function sumOver(emitter: Emitter, x: Ref, axes: Shape): Ref {
  if (axes.length === 0) return x;
  const kept = x.shape.filter((_, axis) => !axes.includes(axis));
  if (axes.every((axis) => x.shape[axis] === 1)) return emitter.reshape(x, kept);
  const isFloat = x.dtype === "f32" || x.dtype === "f64";
  if (isFloat && isLeading(axes, x.shape.length)) {
    const columns = sizeOf(kept);
    const rows = sizeOf(x.shape) / columns;
    return emitter.reshape(columnSums(emitter, emitter.reshape(x, [rows, columns])), kept);
  }
  return reduce(emitter, "ReduceSum", x, axes);
}

function inType(context: LowerContext, x: Ref, dtype: OnnxElementType, run: (x: Ref) => Ref): Ref[] {
  return [context.emitter.cast(run(context.emitter.cast(x, dtype)), x.dtype)];
}

const argMax: Rule<"argMax"> = (context, { inputs, outputs, params: { axis } }) => {
  const { emitter } = context;
  const x = context.ref(inputs[0]!);
  // Every u32 and i32 is exact in f64; i64 has no kernel.
  const exact = x.dtype === "u32" || x.dtype === "bool" ? emitter.cast(x, x.dtype === "u32" ? "f64" : "i32") : x;
  const indices = emitter.op(
    "ArgMax",
    [exact],
    { dtype: "i64", shape: outputs[0]!.shape },
    { axis: { int: axis }, keepdims: { int: 0 } },
  );
  return [emitter.cast(indices, "i32")];
};

export const reductionRules = {
  reduceSum: (context, { inputs, params: { axes } }) => {
    const x = context.ref(inputs[0]!);
    // Sums of i32 saturate instead of wrapping; the cast back from i64 wraps.
    const wide = x.dtype === "u32" || x.dtype === "i32" ? "i64" : x.dtype;
    return inType(context, x, wide, (y) => sumOver(context.emitter, y, axes));
  },
  reduceMax: (context, { inputs, params: { axes } }) => {
    const x = context.ref(inputs[0]!);
    if (axes.length === 0) return [x];
    // Maxima of i64 lose the values above 2³¹; every u32 is exact in f64.
    return inType(context, x, x.dtype === "u32" ? "f64" : x.dtype, (y) =>
      reduce(context.emitter, "ReduceMax", y, axes),
    );
  },
  argMax,
} satisfies { readonly [P in PrimitiveName]?: Rule<P> };
