import { describe, expect, test } from "vitest";
import { type Shape, sizeOf, stridesOf } from "../../../ir/shape.ts";
import { broadcastView, collapse, isDense, type Ref, reshapeView, sliceView, transposeView } from "./ref.ts";

const dense = (shape: Shape): Ref => ({
  dtype: "f32",
  shape,
  strides: stridesOf(shape),
  block: { bytes: 4 * sizeOf(shape), home: { kind: "arena" } },
  offset: 0,
});

/** Positions of a view's elements in its block, in row-major order. */
function positions({ shape, strides, offset }: Ref): number[] {
  const walk = (axis: number, at: number): number[] =>
    axis === shape.length
      ? [at]
      : Array.from({ length: shape[axis]! }, (_, i) => walk(axis + 1, at + i * strides[axis]!)).flat();
  return walk(0, offset / 4);
}

describe("reshapeView", () => {
  test("keeps the order of the elements whenever it gives a view (would catch axes joined over a gap)", () => {
    const whole = dense([4, 6, 10]);
    const views = [
      whole,
      transposeView(whole, [1, 0, 2]),
      sliceView(whole, [0, 0, 2], [4, 6, 4], [1, 1, 1], 4),
      sliceView(whole, [0, 2, 0], [4, 4, 10], [1, 1, 1], 4),
      sliceView(whole, [0, 0, 0], [2, 6, 10], [2, 1, 1], 4),
      broadcastView(dense([6, 1]), [4, 6, 10], [1, 2]),
    ];
    let given = 0;
    for (const view of views) {
      const size = sizeOf(view.shape);
      for (const shape of [[size], [4, size / 4], [size / 2, 2], [2, 2, size / 4], [size / 4, 1, 2, 2], [1, size, 1]]) {
        const reshaped = reshapeView(view, shape);
        if (reshaped === undefined) continue;
        given++;
        expect(positions(reshaped)).toEqual(positions(view));
      }
    }
    expect(given).toBeGreaterThanOrEqual(10);
  });

  test("splits the last axis of a slice into heads without a copy", () => {
    const part = sliceView(dense([2, 5, 24]), [0, 0, 8], [2, 5, 8], [1, 1, 1], 4);
    const heads = reshapeView(part, [2, 5, 2, 4])!;
    expect(heads.strides).toEqual([120, 24, 4, 1]);
    expect(positions(heads)).toEqual(positions(part));
  });

  test("refuses what strides cannot say", () => {
    expect(reshapeView(transposeView(dense([3, 4]), [1, 0]), [12])).toBeUndefined();
    expect(reshapeView(sliceView(dense([3, 4]), [0, 0], [3, 2], [1, 1], 4), [6])).toBeUndefined();
  });
});

test("collapse joins the axes that all views allow, and keeps the elements of each in order", () => {
  const one = dense([2, 3, 1, 4]);
  const bias = broadcastView(dense([4]), [2, 3, 1, 4], [3]);
  const [a, b] = collapse([one, bias]) as [Ref, Ref];
  expect(a.shape).toEqual([6, 4]);
  expect(b.strides).toEqual([0, 1]);
  expect(positions(b)).toEqual(positions(bias));
  expect(collapse([one, one])[0]!.shape).toEqual([24]);
  expect(isDense(a)).toBe(true);
});
