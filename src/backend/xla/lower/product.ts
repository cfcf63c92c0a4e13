/** @file Matrix products. Those of 16-bit operands are summed in f32 by every XLA compiler and rounded once. */
import type { OpName } from "../../../ir/graph.ts";
import { callFunction } from "./call-function.ts";
import type { Rule } from "./context.ts";
import type { Emitter, Ref } from "./emitter.ts";
import { alongLast } from "./row.ts";

const dot: Rule<"dot"> = (context, node) => {
  const [lhs, rhs] = context.refsOf(node) as [Ref, Ref];
  return [context.emitter.dot(lhs, rhs, node.params, context.heldDtype(node.outputs[0]!))];
};

const linear: Rule<"linear"> = (context, node) => {
  const { emitter } = context;
  const [x, weight, bias] = context.refsOf(node) as [Ref, Ref, Ref | undefined];
  const product = emitter.dot(x, weight, { lhsContract: [x.shape.length - 1], rhsContract: [1] });
  return [bias === undefined ? product : emitter.add(product, alongLast(emitter, bias, product.shape))];
};

/** Steps between the least and the largest element: 8 bits. */
const STEPS = 255;

/** Levels 0 … 255 are moved to what i8 holds. */
const MIDDLE = 128;

/** The largest element, or 0 where all are below. */
function above0(emitter: Emitter, x: Ref): Ref {
  return emitter.reduce(
    "maximum",
    x,
    x.shape.map((_, axis) => axis),
    0,
  );
}

const round = (emitter: Emitter, x: Ref): Ref => emitter.unary("round_nearest_even", x);
const atMost = (emitter: Emitter, x: Ref, limit: number): Ref => emitter.binary("minimum", x, emitter.fill(x, limit));
const atLeast = (emitter: Emitter, x: Ref, limit: number): Ref => emitter.binary("maximum", x, emitter.fill(x, limit));

/**
 * x·(weight·scale) with x in 256 levels: (level − zero)·W = (level − 128)·W + (128 − zero)·Σ W, products of 8-bit numbers
 * summed in 32 bits.
 * @source DynamicQuantizeLinear of ONNX: the range includes 0, and 0 is exactly one of its steps
 */
function quantizedProduct(emitter: Emitter, x: Ref, weight: Ref, scale: Ref): Ref {
  const low = above0(emitter, emitter.unary("negate", x));
  const range = emitter.add(above0(emitter, x), low);
  const step = emitter.select(emitter.compare("gt", range, 0), emitter.divide(range, STEPS), 1);
  const zero = round(emitter, atMost(emitter, emitter.divide(low, step), STEPS));
  const everywhere = (scalar: Ref): Ref => emitter.broadcast(scalar, x.shape, []);
  const rounded = emitter.add(round(emitter, emitter.divide(x, everywhere(step))), everywhere(zero));
  const level = atMost(emitter, atLeast(emitter, rounded, 0), STEPS);
  const narrow = emitter.convert(emitter.subtract(level, MIDDLE), "i8");
  const dimensions = { lhsContract: [x.shape.length - 1], rhsContract: [0] };
  const product = emitter.dot(narrow, weight, dimensions, "i32");
  const columns = emitter.reduce("add", emitter.convert(weight, "i32"), [0], 0);
  const offset = emitter.convert(emitter.subtract(emitter.fill(zero, MIDDLE), zero), "i32");
  const correction = emitter.multiply(columns, emitter.broadcast(offset, columns.shape, []));
  const whole = emitter.add(product, alongLast(emitter, correction, product.shape));
  const factor = emitter.multiply(scale, emitter.broadcast(step, scale.shape, []));
  return emitter.multiply(emitter.convert(whole, x.dtype), alongLast(emitter, factor, whole.shape));
}

const quantizedLinear: Rule<"quantizedLinear"> = (context, node) => {
  const { emitter } = context;
  const [x, weight, scale, bias] = context.refsOf(node) as [Ref, Ref, Ref, Ref | undefined];
  const [y] = callFunction(emitter, "quantizedLinear", {}, { x, weight, scale }, (inner, given) => [
    quantizedProduct(inner, given.x, given.weight, given.scale),
  ]) as [Ref];
  return [bias === undefined ? y : emitter.add(y, alongLast(emitter, bias, y.shape))];
};

export const productRules = { dot, linear, quantizedLinear } satisfies { readonly [P in OpName]?: Rule<P> };
