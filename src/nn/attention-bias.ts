import { and, compare, constant, select } from "../tensor/elementwise.ts";
import { expandDims } from "../tensor/movement.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Added to the score of a pair that must not attend: e⁻¹⁰⁰⁰⁰ is 0 in f32. */
const BLOCKED = -10_000;

/** Tokens as attention sees them. Dims: R rows, W tokens. */
export interface AttentionPlaces {
  /** i32 `[R, W]`: 0 for padding, else which sequence of the row a token belongs to. */
  readonly sequenceIds: Tensor;
  /** i32 `[R, W]`: a token sees those of its sequence whose rank is at most its own; without ranks it sees all. */
  readonly ranks?: Tensor | undefined;
}

/**
 * Attention bias of packed rows: queries see the keys of their own sequence only, and of these those whose rank is at
 * most their own. Dims: R rows, T queries, S keys.
 *
 * One rank for all is full attention; ranks that are positions look left, negative positions right; a source of rank 0
 * before a target of ranks 1, 2, … is UniLM's sequence-to-sequence mask. Padding (sequence 0) sees padding, so that no
 * row of a self-attention's softmax is empty; nothing reads its result.
 * @returns float `[R, 1, T, S]`: 0 or a number whose exponential is 0
 */
export function attentionBias(queries: AttentionPlaces, keys: AttentionPlaces = queries): Tensor {
  const same = compare("eq", expandDims(queries.sequenceIds, 2), expandDims(keys.sequenceIds, 1));
  const isSeen =
    queries.ranks === undefined || keys.ranks === undefined
      ? same
      : and(same, compare("le", expandDims(keys.ranks, 1), expandDims(queries.ranks, 2)));
  return expandDims(select(isSeen, constant(0), constant(BLOCKED)), 1);
}

/** {@link attentionBias} without ranks: tokens see the whole of their own sequence. */
export function blockDiagonalBias(sequenceIds: Tensor): Tensor {
  return attentionBias({ sequenceIds });
}
