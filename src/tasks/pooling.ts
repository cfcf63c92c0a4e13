/** @file One vector a text from the vectors of its tokens. */

/** `cls`: the first token's; `mean`, `max`: over all tokens of the text, special ones included. */
export type Pooling = "cls" | "mean" | "max";

export const poolings: readonly Pooling[] = ["cls", "mean", "max"];

/** `last`: the last token's, which has seen all others where tokens look left only. */
export type TokenPooling = Pooling | "last";

export const tokenPoolings: readonly TokenPooling[] = [...poolings, "last"];

/**
 * Pools the tokens [first, last) of hidden states. Dims: P places, H hidden.
 * @param hidden f32 `[P, H]`
 * @returns f32 `[H]`, summed in double precision
 */
export function pool(
  hidden: Float32Array,
  size: number,
  [first, last]: readonly [number, number],
  pooling: TokenPooling,
): Float32Array {
  if (pooling === "last") return hidden.slice((last - 1) * size, last * size);
  const start = hidden.slice(first * size, (first + 1) * size);
  if (pooling === "cls") return start;
  if (pooling === "max") {
    for (let token = first + 1; token < last; token++) {
      for (let i = 0; i < size; i++) start[i] = Math.max(start[i]!, hidden[token * size + i]!);
    }
    return start;
  }
  const sums = new Float64Array(size);
  for (let token = first; token < last; token++) {
    for (let i = 0; i < size; i++) sums[i]! += hidden[token * size + i]!;
  }
  return Float32Array.from(sums, (sum) => sum / (last - first));
}

/** Scales a vector to length 1, in place; zeros stay. */
export function normalize(vector: Float32Array): Float32Array {
  const length = Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0));
  if (length > 0) for (let i = 0; i < vector.length; i++) vector[i]! /= length;
  return vector;
}
