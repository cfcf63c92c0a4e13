import { type Shape, stridesOf } from "../../ir/shape.ts";
import type { Data, Tensor } from "./storage.ts";

/** Where the elements of a strided view lie in flat memory. */
export interface View {
  readonly offset: number;
  readonly strides: readonly number[];
}

export function denseView(shape: Shape): View {
  return { offset: 0, strides: stridesOf(shape) };
}

/** Copies every element of an index space from one view to another. */
export function copyView(shape: Shape, source: Data, from: View, target: Data, to: View): void {
  const last = shape.length - 1;
  if (last < 0) {
    target[to.offset] = source[from.offset]!;
    return;
  }
  const length = shape[last]!;
  const fromStep = from.strides[last]!;
  const toStep = to.strides[last]!;
  const copyAxis = (axis: number, fromStart: number, toStart: number): void => {
    if (axis === last) {
      for (let i = 0; i < length; i++) target[toStart + i * toStep] = source[fromStart + i * fromStep]!;
      return;
    }
    for (let i = 0; i < shape[axis]!; i++) {
      copyAxis(axis + 1, fromStart + i * from.strides[axis]!, toStart + i * to.strides[axis]!);
    }
  };
  copyAxis(0, from.offset, to.offset);
}

/** The elements of a tensor in row-major order of its axes taken in the given order. */
export function permutedData(tensor: Tensor, order: readonly number[]): Data {
  if (order.every((axis, i) => axis === i)) return tensor.data;
  const strides = stridesOf(tensor.shape);
  const shape = order.map((axis) => tensor.shape[axis]!);
  const target = tensor.data.slice();
  copyView(shape, tensor.data, { offset: 0, strides: order.map((axis) => strides[axis]!) }, target, denseView(shape));
  return target;
}

/** The axes of a shape that are not named, in order. */
export function otherAxes(shape: Shape, axes: readonly number[]): number[] {
  return shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
}
