/** @file Attention to keys and values that lie in several tensors, as in decoding: those kept, and the new ones. */
import { statisticDtype } from "../ir/dtype.ts";
import { add, convert, mul } from "../tensor/elementwise.ts";
import { softmax } from "../tensor/fused.ts";
import { dot } from "../tensor/linear-algebra.ts";
import { concatenate, sliceAxis, transpose } from "../tensor/movement.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Keys and values that queries look at. Dims: R rows, S tokens, N heads, D head size. */
export interface KeyValue {
  /** float `[R, S, N, D]`. */
  readonly key: Tensor;
  /** float `[R, S, N, D]`. */
  readonly value: Tensor;
}

/**
 * `attention` over blocks of keys and values, which are never joined in memory: only their scores are, for one softmax.
 * Dims: R rows, T queries, S keys of all blocks, N heads, D head size.
 * @param query float `[R, T, N, D]`
 * @param bias float, broadcast to `[R, N, T, S]`; columns in the order of the blocks
 * @returns float `[R, T, N, D]`
 */
export function blockAttention(query: Tensor, blocks: readonly KeyValue[], bias: Tensor | undefined): Tensor {
  const scaled = mul(query, 1 / Math.sqrt(query.dim(-1)));
  const scores = blocks.map(({ key }) =>
    dot(scaled, key, { lhsBatch: [0, 2], rhsBatch: [0, 2], lhsContract: [3], rhsContract: [3] }),
  );
  const joined = convert(concatenate(scores, 3), statisticDtype(query.dtype));
  const probabilities = convert(softmax(bias === undefined ? joined : add(joined, bias)), query.dtype);
  let start = 0;
  const mixed = blocks.map(({ value }) => {
    const end = start + value.dim(1);
    const share = sliceAxis(probabilities, 3, start, end);
    start = end;
    return dot(share, value, { lhsBatch: [0, 1], rhsBatch: [0, 2], lhsContract: [3], rhsContract: [1] });
  });
  return transpose(
    mixed.reduce((sum, part) => add(sum, part)),
    [0, 2, 1, 3],
  );
}
