import type { Tensor } from "../tensor/tensor.ts";
import { emitOne } from "../tensor/trace.ts";
import {
  broadcastTo,
  compare,
  convert,
  div,
  dot,
  gather,
  mul,
  reshape,
  scatterAdd,
  sliceAxis,
  sum,
  transpose,
  zeros,
} from "./ops.ts";
import type { VjpRule } from "./rule.ts";

/** Axes of a tensor that are not listed, in order. */
function others(x: Tensor, axes: readonly number[]): number[] {
  return x.shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
}

/** Axes i such that permutation[i] gives back the original order. */
function inverse(permutation: readonly number[]): number[] {
  const result = new Array<number>(permutation.length);
  permutation.forEach((axis, i) => {
    result[axis] = i;
  });
  return result;
}

/** Puts vanished axes back with size 1. */
function restore(reduced: Tensor, x: Tensor, axes: readonly number[]): Tensor {
  return reshape(
    reduced,
    x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size)),
  );
}

/** The cotangent of one side of a product, from the result's cotangent and the other side. */
function dotSide(
  dy: Tensor,
  side: { readonly x: Tensor; readonly batch: readonly number[]; readonly contract: readonly number[] },
  other: { readonly x: Tensor; readonly batch: readonly number[]; readonly contract: readonly number[] },
  otherFirst: boolean,
): Tensor {
  const numBatch = side.batch.length;
  const sideFree = others(side.x, [...side.batch, ...side.contract]);
  const otherFree = others(other.x, [...other.batch, ...other.contract]);
  // In dy: batch axes, then the left side's free axes, then the right side's.
  const otherStart = otherFirst ? numBatch : numBatch + sideFree.length;
  const product = dot(dy, other.x, {
    lhsBatch: side.batch.map((_, i) => i),
    rhsBatch: other.batch,
    lhsContract: otherFree.map((_, i) => otherStart + i),
    rhsContract: otherFree,
  });
  // The product's axes: batch, this side's free axes, then the other side's contracted axes in its own order.
  const contractOrder = [...other.contract]
    .sort((a, b) => a - b)
    .map((axis) => side.contract[other.contract.indexOf(axis)]!);
  return transpose(product, inverse([...side.batch, ...sideFree, ...contractOrder]));
}

/** Rules of products, reductions and movements. */
export const structureRules = {
  dot: ({ inputs, params, dy, wanted }) => {
    const [lhs, rhs] = inputs as [Tensor, Tensor];
    const left = { x: lhs, batch: params.lhsBatch, contract: params.lhsContract };
    const right = { x: rhs, batch: params.rhsBatch, contract: params.rhsContract };
    return [
      wanted[0] ? dotSide(dy, left, right, false) : undefined,
      wanted[1] ? dotSide(dy, right, left, true) : undefined,
    ];
  },
  reduceSum: ({ inputs, params: { axes }, dy }) => {
    const [x] = inputs as [Tensor];
    return [broadcastTo(restore(dy, x, axes), x.shape)];
  },
  reduceMax: ({ inputs, outputs, params: { axes }, dy }) => {
    const [x] = inputs as [Tensor];
    // Equal maxima share the cotangent.
    const hit = convert(compare("eq", x, restore(outputs[0]!, x, axes)), dy.dtype);
    return [mul(hit, div(restore(dy, x, axes), sum(hit, axes, { keepDims: true })))];
  },
  broadcast: ({ inputs, params: { shape, dims }, dy }) => {
    const [x] = inputs as [Tensor];
    const repeated = shape.flatMap((size, axis) => {
      const source = dims.indexOf(axis);
      return source === -1 || (x.shape[source] === 1 && size !== 1) ? [axis] : [];
    });
    return [reshape(sum(dy, repeated), x.shape)];
  },
  reshape: ({ inputs, dy }) => [reshape(dy, inputs[0]!.shape)],
  transpose: ({ params: { permutation }, dy }) => [transpose(dy, inverse(permutation))],
  slice: ({ inputs, params: { starts, strides }, dy }) => {
    const [x] = inputs as [Tensor];
    const spans = dy.shape.map((size, axis) => (size === 0 ? 0 : (size - 1) * strides[axis]! + 1));
    const high = x.shape.map((size, axis) => size - starts[axis]! - spans[axis]!);
    return [emitOne("pad", [dy], { low: starts, high, interior: strides.map((stride) => stride - 1) })];
  },
  concatenate: ({ inputs, params: { axis }, dy, wanted }) => {
    let start = 0;
    return inputs.map((x, i) => {
      const from = start;
      start += x.shape[axis]!;
      return wanted[i] ? sliceAxis(dy, axis, from, start) : undefined;
    });
  },
  pad: ({ inputs, params: { low, interior }, dy }) => {
    const [x] = inputs as [Tensor];
    const limits = x.shape.map((size, axis) => low[axis]! + (size === 0 ? 0 : (size - 1) * (interior[axis]! + 1) + 1));
    return [emitOne("slice", [dy], { starts: low, limits, strides: interior.map((count) => count + 1) })];
  },
  gather: ({ inputs, params: { axis }, dy }) => {
    const [x, indices] = inputs as [Tensor, Tensor];
    return [scatterAdd(zeros(x.shape, dy.dtype), indices, dy, axis), undefined];
  },
  scatterAdd: ({ inputs, params: { axis }, dy, wanted }) => [
    dy,
    undefined,
    wanted[2] ? gather(dy, inputs[1]!, axis) : undefined,
  ],
} satisfies {
  readonly [P in
    | "dot"
    | "reduceSum"
    | "reduceMax"
    | "broadcast"
    | "reshape"
    | "transpose"
    | "slice"
    | "concatenate"
    | "pad"
    | "gather"
    | "scatterAdd"]: VjpRule<P>;
};
