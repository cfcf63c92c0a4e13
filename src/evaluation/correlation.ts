import { checkSameLength } from "./check.ts";

function isConstant(values: ArrayLike<number>): boolean {
  for (let index = 1; index < values.length; index++) if (values[index] !== values[0]) return false;
  return true;
}

/** Values less their mean, scaled to Euclidean length 1. */
function unitVector(values: ArrayLike<number>): Float64Array {
  const centred = Float64Array.from(values);
  let sum = 0;
  for (const value of centred) sum += value;
  const mean = sum / centred.length;
  let largest = 0;
  for (let index = 0; index < centred.length; index++) {
    centred[index]! -= mean;
    largest = Math.max(largest, Math.abs(centred[index]!));
  }
  // Scaled by the largest first, so that squares of very large or small values neither overflow nor vanish.
  let squares = 0;
  for (const value of centred) squares += (value / largest) ** 2;
  const norm = largest * Math.sqrt(squares);
  for (let index = 0; index < centred.length; index++) centred[index]! /= norm;
  return centred;
}

/**
 * Linear correlation of two columns.
 * @param x `[N]`
 * @param y `[N]`
 * @returns in `[-1, 1]`; NaN for fewer than two rows, a constant column or a value that is not finite
 * @throws {DataError} LENGTH_MISMATCH
 * @source scipy.stats `pearsonr`
 */
export function pearsonCorrelation(x: ArrayLike<number>, y: ArrayLike<number>): number {
  checkSameLength("pearsonCorrelation", x, y);
  if (x.length < 2 || isConstant(x) || isConstant(y)) return Number.NaN;
  const first = unitVector(x);
  const second = unitVector(y);
  let product = 0;
  for (let row = 0; row < first.length; row++) product += first[row]! * second[row]!;
  return Math.min(1, Math.max(-1, product));
}

/**
 * Ranks from 1; equal values share the mean of their ranks.
 * @source scipy.stats `rankdata(method="average")`
 */
export function averageRanks(values: ArrayLike<number>): Float64Array {
  const order = Array.from({ length: values.length }, (_, index) => index).sort((a, b) => values[a]! - values[b]!);
  const ranks = new Float64Array(values.length);
  for (let start = 0; start < order.length; ) {
    let end = start + 1;
    while (end < order.length && values[order[end]!] === values[order[start]!]) end++;
    for (let place = start; place < end; place++) ranks[order[place]!] = (start + end + 1) / 2;
    start = end;
  }
  return ranks;
}

/**
 * Correlation of the ranks of two columns (STS-B's second metric); ties share their mean rank.
 * @param x `[N]`
 * @param y `[N]`
 * @returns in `[-1, 1]`; NaN for fewer than two rows, a constant column or a NaN
 * @throws {DataError} LENGTH_MISMATCH
 * @source scipy.stats `spearmanr`
 */
export function spearmanCorrelation(x: ArrayLike<number>, y: ArrayLike<number>): number {
  checkSameLength("spearmanCorrelation", x, y);
  for (let row = 0; row < x.length; row++) if (Number.isNaN(x[row]) || Number.isNaN(y[row])) return Number.NaN;
  return pearsonCorrelation(averageRanks(x), averageRanks(y));
}
