import { compare, constant, select } from "../tensor/elementwise.ts";
import { expandDims } from "../tensor/movement.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Added to the score of a pair that must not attend: e⁻¹⁰⁰⁰⁰ is 0 in f32. */
const BLOCKED = -10_000;

/**
 * Attention bias of packed rows: tokens see the tokens of their own sequence only. Dims: R rows, W tokens.
 *
 * Padding (sequence 0) sees padding, so that no row of the softmax is empty; nothing reads its result.
 * @param sequenceIds i32 `[R, W]`: 0 for padding, else which sequence of the row a token belongs to
 * @returns float `[R, 1, W, W]`
 */
export function blockDiagonalBias(sequenceIds: Tensor): Tensor {
  const same = compare("eq", expandDims(sequenceIds, 2), expandDims(sequenceIds, 1));
  return expandDims(select(same, constant(0), constant(BLOCKED)), 1);
}
