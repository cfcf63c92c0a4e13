/** @file Sums and maxima over axes. */
import type { NodeOf, PrimitiveName, Value } from "../../../ir/graph.ts";
import { type Shape, sizeOf, withoutAxes } from "../../../ir/shape.ts";
import type { ReductionAlgorithm } from "../program.ts";
import type { LowerContext, Rule } from "./context.ts";
import { hostPrimitive } from "./host.ts";
import { emitMatmul } from "./pending.ts";
import { viaDense } from "./pointwise.ts";
import { type Ref, reshapeView, transposeView } from "./ref.ts";

/** Column sums of a matrix as ones · matrix: the library's reductions over leading axes are many times slower. */
export function columnSums(context: LowerContext, matrix: Ref, target: Ref): void {
  const [rows, columns] = matrix.shape as readonly [number, number];
  const dtype = matrix.dtype === "bf16" ? "bf16" : "f32";
  viaDense(context, target, (place) =>
    emitMatmul(context.emitter, {
      source: context.emitter.ones(dtype, [1, rows]),
      weights: matrix,
      target: reshapeView(place, [1, columns])!,
    }),
  );
}

/** Reduces the trailing axes of a dense tensor, seen as a matrix. */
function reduceRows(context: LowerContext, algorithm: ReductionAlgorithm, matrix: Ref, target: Ref): void {
  viaDense(context, target, (dense) => {
    const place = reshapeView(dense, [matrix.shape[0]!, 1])!;
    context.emitter.step([matrix], [place], (locate) => ({
      kind: "reduction",
      algorithm,
      source: locate(matrix),
      target: locate(place),
      postOps: [],
      acceptReference: true,
    }));
  });
}

/** Folds float elements over axes, which vanish. @param target of the remaining shape */
export function reduceOver(
  context: LowerContext,
  algorithm: "sum" | "max",
  x: Ref,
  axes: readonly number[],
  target: Ref,
): void {
  const real = axes.filter((axis) => x.shape[axis] !== 1);
  const kept = x.shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
  if (real.length === 0) {
    context.copy(context.reshaped(x, target.shape), target);
    return;
  }
  const sizesOf = (list: readonly number[]): Shape => list.map((axis) => x.shape[axis]!);
  const isLeading = kept.every((axis) => axis > real.at(-1)! || x.shape[axis] === 1);
  const columns = sizeOf(sizesOf(kept));
  if (algorithm === "sum" && isLeading && columns > 1) {
    const matrix = context.dense(context.reshaped(x, [sizeOf(sizesOf(axes)), columns]));
    columnSums(context, matrix, target);
    return;
  }
  const moved = context.dense(transposeView(x, [...kept, ...axes]));
  reduceRows(context, algorithm, reshapeView(moved, [columns, sizeOf(sizesOf(axes))])!, target);
}

const reduction =
  <P extends "reduceSum" | "reduceMax">(algorithm: "sum" | "max"): Rule<P> =>
  (context, node) => {
    const { inputs, outputs, params } = node as NodeOf<"reduceSum">;
    const [x] = inputs as readonly [Value];
    const [y] = outputs as readonly [Value];
    if (params.axes.length === 0) {
      context.alias(y, x);
      return;
    }
    const isFloat = x.dtype === "f32" || x.dtype === "bf16";
    if (!isFloat || sizeOf(x.shape) === 0) {
      hostPrimitive(context, node as NodeOf<"reduceSum">);
      return;
    }
    const axes = params.axes.toSorted((a, b) => a - b);
    const target = context.target(y);
    reduceOver(context, algorithm, context.exact(x), axes, target);
    context.define(y, target);
  };

/** Sums a float tensor down to a shape that broadcasts to it. */
export function sumDownTo(context: LowerContext, x: Ref, target: Ref): void {
  const axes = x.shape.flatMap((size, axis) => (target.shape[axis] === size ? [] : [axis]));
  reduceOver(context, "sum", x, axes, reshapeView(target, withoutAxes(target.shape, axes)) ?? target);
}

export const reductionRules = {
  reduceSum: reduction<"reduceSum">("sum"),
  reduceMax: reduction<"reduceMax">("max"),
} satisfies { readonly [P in PrimitiveName]?: Rule<P> };
