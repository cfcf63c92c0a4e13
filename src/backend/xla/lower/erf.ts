/** @file The error function in StableHLO's own operations: the dialect has none, and not every consumer knows CHLO's. */
import { statisticDtype } from "../../../ir/dtype.ts";
import { callFunction } from "./call-function.ts";
import type { Emitter, Ref } from "./emitter.ts";
import { typeText } from "./type-text.ts";

/** From here on erf is ±1 in f32. */
const SATURATED = 3.92;

/**
 * x·P(x²)/Q(x²), highest coefficients first: a weighted least-squares fit (Lawson) on |x| ≤ 3.92 of relative error 2e-8; in
 * f32 the result errs by at most 3.3e-7 of itself.
 */
const NUMERATOR = [2.05008905e-6, 0.000284883252, 0.00376562844, 0.0527487583, 0.190406695, 1.12837911];
const DENOMINATOR = [3.80917591e-5, 0.00116253877, 0.0149692399, 0.114109211, 0.502076268, 1];

/** Value of a polynomial whose highest coefficient comes first (Horner). */
function polynomial(emitter: Emitter, coefficients: readonly number[], x: Ref): Ref {
  const [first, ...rest] = coefficients as [number, ...number[]];
  return rest.reduce<Ref>(
    (sum, coefficient) => emitter.add(emitter.multiply(sum, x), coefficient),
    emitter.fill(x, first),
  );
}

/** The number, or ±limit where it is beyond. */
function clamped(emitter: Emitter, x: Ref, limit: number): Ref {
  const below = emitter.binary("minimum", x, emitter.fill(x, limit));
  return emitter.binary("maximum", below, emitter.fill(x, -limit));
}

/** erf of f32. */
function rational(emitter: Emitter, x: Ref): Ref {
  const inside = clamped(emitter, x, SATURATED);
  const square = emitter.multiply(inside, inside);
  const numerator = emitter.multiply(inside, polynomial(emitter, NUMERATOR, square));
  return clamped(emitter, emitter.divide(numerator, polynomial(emitter, DENOMINATOR, square)), 1);
}

/** The error function of every element; in f32 for 16-bit operands. */
export function erf(emitter: Emitter, x: Ref): Ref {
  if (x.dtype === "f64") {
    return emitter.emit("erf", `chlo.erf ${x.name} : ${typeText(x)} -> ${typeText(x)}`, x);
  }
  const wide = emitter.convert(x, statisticDtype(x.dtype));
  const [y] = callFunction(emitter, "erf", {}, { x: wide }, (inner, { x }) => [rational(inner, x)]) as [Ref];
  return emitter.convert(y, x.dtype);
}
