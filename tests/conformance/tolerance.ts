/** @file How far an engine's numbers may lie from the double-precision ones. */
import { type DType, isFloat } from "../../src/ir/dtype.ts";

interface Tolerance {
  /** Part of the element itself. */
  readonly relative: number;
  /** Part of the largest element of the tensor (sums mix magnitudes). */
  readonly ofLargest: number;
}

const exact: Tolerance = { relative: 0, ofLargest: 0 };

const tolerances: { readonly [D in DType]: Tolerance } = {
  f64: { relative: 1e-12, ofLargest: 1e-12 },
  f32: { relative: 2e-5, ofLargest: 3e-6 },
  f16: { relative: 2e-3, ofLargest: 1e-3 },
  bf16: { relative: 1.6e-2, ofLargest: 8e-3 },
  i32: exact,
  u32: exact,
  i8: exact,
  bool: exact,
};

/** What engines may add to every float element: oneDNN's logarithm errs by 1e-6 around 1, where it should be 0. */
export const slackOf: Readonly<Record<string, number>> = { onednn: 2e-6 };

/**
 * The first element that differs more than its dtype allows, in words; undefined when none does.
 * @param slack allowed besides, whatever the size of the numbers
 */
export function difference(
  dtype: DType,
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  slack = 0,
): string | undefined {
  if (actual.length !== expected.length) return `${actual.length} elements instead of ${expected.length}`;
  const { relative, ofLargest } = tolerances[dtype];
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    const size = Math.abs(expected[i]!);
    if (Number.isFinite(Math.fround(size))) largest = Math.max(largest, size);
  }
  for (let i = 0; i < expected.length; i++) {
    // What overflows in the dtype is infinite there.
    const round = dtype === "f32" ? Math.fround : (value: number) => value;
    const x = round(actual[i]!);
    const y = round(expected[i]!);
    const same = Object.is(x, y) || x === y;
    const near =
      Number.isFinite(x) &&
      Number.isFinite(y) &&
      Math.abs(x - y) <= relative * Math.abs(y) + ofLargest * largest + (isFloat(dtype) ? slack : 0);
    if (!same && !near) return `element ${i} is ${x} instead of ${y} (largest ${largest})`;
  }
  return undefined;
}
