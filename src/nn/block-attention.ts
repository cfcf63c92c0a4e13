/** @file Attention to keys and values that lie in several tensors, as in decoding: those kept, and the new ones. */
import { statisticDtype } from "../ir/dtype.ts";
import { add, convert, mul } from "../tensor/elementwise.ts";
import { softmax } from "../tensor/fused.ts";
import { dot } from "../tensor/linear-algebra.ts";
import { concatenate, reshape, sliceAxis, transpose } from "../tensor/movement.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Keys and values that queries look at. Dims: R rows, S tokens, N heads, D head size. */
export interface KeyValue {
  /** float `[R, S, N, D]`; with fewer rows than the queries have, each is that of as many rows of queries, one after the other. */
  readonly key: Tensor;
  /** float, of the same shape. */
  readonly value: Tensor;
}

/** `[B·k, a, b, …]` with the k rows of each of B beside the axis behind the next: `[B, a, k·b, …]`; as it is for k = 1. */
function rowsInward(x: Tensor, rows: number): Tensor {
  const [all, a, b, ...rest] = x.shape as [number, number, number, ...number[]];
  const k = all / rows;
  if (k === 1) return x;
  const apart = reshape(x, [rows, k, a, b, ...rest]);
  const swapped = transpose(apart, [0, 2, 1, 3, ...rest.map((_, i) => 4 + i)]);
  return reshape(swapped, [rows, a, k * b, ...rest]);
}

/** Undoes {@link rowsInward}. */
function rowsOutward(x: Tensor, all: number): Tensor {
  const [rows, a, inner, ...rest] = x.shape as [number, number, number, ...number[]];
  const k = all / rows;
  if (k === 1) return x;
  const apart = reshape(x, [rows, a, k, inner / k, ...rest]);
  const swapped = transpose(apart, [0, 2, 1, 3, ...rest.map((_, i) => 4 + i)]);
  return reshape(swapped, [all, a, inner / k, ...rest]);
}

/**
 * `attention` over blocks of keys and values, which are never joined in memory: only their scores are, for one softmax.
 * Nor are those of a block repeated that several rows look at: their queries are taken together.
 * Dims: R rows, T queries, S keys of all blocks, N heads, D head size.
 * @param query float `[R, T, N, D]`
 * @param bias float, broadcast to `[R, N, T, S]`; columns in the order of the blocks
 * @returns float `[R, T, N, D]`
 */
export function blockAttention(query: Tensor, blocks: readonly KeyValue[], bias: Tensor | undefined): Tensor {
  const [all, length, numHeads, size] = query.shape as [number, number, number, number];
  const scaled = mul(query, 1 / Math.sqrt(size));
  const scores = blocks.map(({ key }) => {
    const rows = key.dim(0);
    const together = rows === all ? scaled : reshape(scaled, [rows, (all / rows) * length, numHeads, size]);
    const own = dot(together, key, { lhsBatch: [0, 2], rhsBatch: [0, 2], lhsContract: [3], rhsContract: [3] });
    return rowsOutward(own, all);
  });
  const joined = convert(concatenate(scores, 3), statisticDtype(query.dtype));
  const probabilities = convert(softmax(bias === undefined ? joined : add(joined, bias)), query.dtype);
  let start = 0;
  const mixed = blocks.map(({ value }) => {
    const end = start + value.dim(1);
    const share = rowsInward(sliceAxis(probabilities, 3, start, end), value.dim(0));
    start = end;
    const own = dot(share, value, { lhsBatch: [0, 1], rhsBatch: [0, 2], lhsContract: [3], rhsContract: [1] });
    return rowsOutward(own, all);
  });
  return transpose(
    mixed.reduce((sum, part) => add(sum, part)),
    [0, 2, 1, 3],
  );
}
