/** @file Arithmetic along the last axis. */
import { statisticDtype } from "../../../ir/dtype.ts";
import type { Shape } from "../../../ir/shape.ts";
import type { Emitter, Ref } from "./emitter.ts";

/** A vector along the last axis, for every row. */
export function alongLast(emitter: Emitter, x: Ref, shape: Shape): Ref {
  return emitter.broadcast(x, shape, [shape.length - 1]);
}

/** A number of each row, for all of its entries. */
export function acrossRows(emitter: Emitter, x: Ref, shape: Shape): Ref {
  const leading = x.shape.map((_, axis) => axis);
  return emitter.broadcast(x, shape, leading);
}

export function rowSum(emitter: Emitter, x: Ref): Ref {
  return emitter.reduce("add", x, [x.shape.length - 1], 0);
}

export function rowMean(emitter: Emitter, x: Ref): Ref {
  return emitter.multiply(rowSum(emitter, x), 1 / x.shape.at(-1)!);
}

export function rowMax(emitter: Emitter, x: Ref): Ref {
  return emitter.reduce("maximum", x, [x.shape.length - 1], Number.NEGATIVE_INFINITY);
}

/** The dtype that statistics and sums are taken in. */
export function widen(emitter: Emitter, x: Ref): Ref {
  return emitter.convert(x, statisticDtype(x.dtype));
}

/** eˣ / Σ eˣ of every row, in the operand's dtype. */
export function softmaxRows(emitter: Emitter, x: Ref): Ref {
  const shifted = emitter.subtract(x, acrossRows(emitter, rowMax(emitter, x), x.shape));
  const powers = emitter.unary("exponential", shifted);
  return emitter.divide(powers, acrossRows(emitter, rowSum(emitter, powers), x.shape));
}

/** y·(dy − Σ y·dy), with the sums given where they are known otherwise. */
export function softmaxGradRows(emitter: Emitter, y: Ref, dy: Ref, sums?: Ref): Ref {
  const along = sums ?? rowSum(emitter, emitter.multiply(y, dy));
  return emitter.multiply(y, emitter.subtract(dy, acrossRows(emitter, along, y.shape)));
}
