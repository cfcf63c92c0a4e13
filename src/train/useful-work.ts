/** @file How much of a step's work serves the tokens that are there. */
import type { Batch } from "../data/batch.ts";
import type { FlopsByGrowth } from "../ir/flops.ts";

/** Floating point operations of matrix products. */
export interface StepWork {
  /** What the engine computes. */
  readonly executedFlops: number;
  /** What the tokens need: no padding, no pairs of tokens of different sequences, nothing computed twice. */
  readonly usefulFlops: number;
}

/** Pairs of tokens of one sequence, over the pairs of places in the rows; with unknown sequences, rows full or empty. */
function pairShare(batch: Batch): number {
  const ids = batch.tensors.sequenceIds;
  const tokenShare = batch.numTokens / batch.numPlaces;
  if (ids === undefined) return tokenShare;
  const width = ids.shape.at(-1)!;
  let pairs = 0;
  for (let start = 0; start < ids.data.length; start += width) {
    const lengths = new Map<number, number>();
    const end = Math.min(start + width, ids.data.length);
    // Tokens of one sequence lie together: they are counted at once.
    for (let from = start; from < end; ) {
      const id = ids.data[from]!;
      let to = from + 1;
      while (to < end && ids.data[to] === id) to++;
      if (id !== 0) lengths.set(id, (lengths.get(id) ?? 0) + to - from);
      from = to;
    }
    for (const length of lengths.values()) pairs += length * length;
  }
  return pairs / (ids.data.length * width);
}

/**
 * The work of a batch.
 * @param executed work of the graph that runs
 * @param once the same without recomputation
 */
export function workOf(batch: Batch, executed: FlopsByGrowth, once: FlopsByGrowth): StepWork {
  return {
    executedFlops: executed.tokens + executed.pairs,
    usefulFlops: (once.tokens * batch.numTokens) / batch.numPlaces + once.pairs * pairShare(batch),
  };
}
