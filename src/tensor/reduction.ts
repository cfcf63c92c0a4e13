import { div, mul } from "./elementwise.ts";
import { normalizeAxis, reshape } from "./movement.ts";
import type { Tensor } from "./tensor.ts";
import { emitOne } from "./trace.ts";

export interface ReduceOptions {
  /** Keep reduced axes with size 1. */
  readonly keepDims?: boolean;
}

function resolveAxes(x: Tensor, axes: number | readonly number[] | undefined): number[] {
  if (axes === undefined) return x.shape.map((_, axis) => axis);
  return (typeof axes === "number" ? [axes] : [...axes]).map((axis) => normalizeAxis(x, axis));
}

function keep(x: Tensor, reduced: Tensor, axes: readonly number[], options: ReduceOptions): Tensor {
  return options.keepDims === true
    ? reshape(
        reduced,
        x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size)),
      )
    : reduced;
}

/** Sum over axes (all when left out). */
export function sum(x: Tensor, axes?: number | readonly number[], options: ReduceOptions = {}): Tensor {
  const resolved = resolveAxes(x, axes);
  return resolved.length === 0 ? x : keep(x, emitOne("reduceSum", [x], { axes: resolved }), resolved, options);
}

/** Mean over axes (all when left out). */
export function mean(x: Tensor, axes?: number | readonly number[], options: ReduceOptions = {}): Tensor {
  const count = resolveAxes(x, axes).reduce((product, axis) => product * x.shape[axis]!, 1);
  return div(sum(x, axes, options), count);
}

/** Largest entry over axes (all when left out). */
export function max(x: Tensor, axes?: number | readonly number[], options: ReduceOptions = {}): Tensor {
  const resolved = resolveAxes(x, axes);
  return resolved.length === 0 ? x : keep(x, emitOne("reduceMax", [x], { axes: resolved }), resolved, options);
}

/** Index (i32) of the first largest entry along an axis. */
export function argMax(x: Tensor, axis = -1): Tensor {
  return emitOne("argMax", [x], { axis: normalizeAxis(x, axis) });
}

export function square(x: Tensor): Tensor {
  return mul(x, x);
}
