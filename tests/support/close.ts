/**
 * Largest difference between two arrays, relative to the largest magnitude of the expected one.
 * NaN anywhere gives NaN, which no comparison accepts.
 */
export function relativeDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Number.NaN;
  let difference = 0;
  let magnitude = 1e-30;
  for (let i = 0; i < expected.length; i++) {
    const delta = Math.abs(actual[i]! - expected[i]!);
    if (Number.isNaN(delta)) return Number.NaN;
    difference = Math.max(difference, delta);
    magnitude = Math.max(magnitude, Math.abs(expected[i]!));
  }
  return difference / magnitude;
}
