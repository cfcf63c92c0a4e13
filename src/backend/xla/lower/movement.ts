/** @file Sources, shapes and movement. */
import { type DType, isFloat } from "../../../ir/dtype.ts";
import type { PrimitiveName, Value } from "../../../ir/graph.ts";
import { tensorType } from "../../../ir/shape.ts";
import type { LowerContext, Rule } from "./context.ts";
import type { Ref } from "./emitter.ts";
import { signatureText } from "./type-text.ts";

/** The operand of something that only moves: in f32 where the result is held so. */
const moved = (context: LowerContext, x: Value, y: Value): Ref =>
  context.isWide(y) ? context.wideRef(x) : context.ref(x);

const constant: Rule<"constant"> = ({ emitter }, { params: { dtype, shape, data } }) => [
  emitter.constant(tensorType(dtype, shape), data),
];

const iota: Rule<"iota"> = ({ emitter }, { params: { dtype, shape, axis } }) => [emitter.iota(dtype, shape, axis)];

const broadcast: Rule<"broadcast"> = (context, { inputs: [x], params: { shape, dims } }) => [
  context.emitter.broadcast(context.ref(x!), shape, dims),
];

const reshape: Rule<"reshape"> = (context, { inputs: [x], outputs: [y], params: { shape } }) => [
  context.emitter.reshape(moved(context, x!, y!), shape),
];

const transpose: Rule<"transpose"> = (context, { inputs: [x], outputs: [y], params: { permutation } }) => [
  context.emitter.transpose(moved(context, x!, y!), permutation),
];

const slice: Rule<"slice"> = (context, { inputs: [x], params: { starts, limits, strides } }) => [
  context.emitter.slice(context.ref(x!), starts, limits, [...strides]),
];

const concatenate: Rule<"concatenate"> = (context, node) => [
  context.emitter.concatenate(context.refsOf(node), node.params.axis),
];

const pad: Rule<"pad"> = (context, node) => {
  const { emitter } = context;
  const [x] = context.refsOf(node) as [Ref];
  const [type] = node.outputs;
  const zero = emitter.scalar(x.dtype, 0);
  const counts = (["low", "high", "interior"] as const).map((key) => `${key} = [${node.params[key].join(", ")}]`);
  const text = `stablehlo.pad ${x.name}, ${zero.name}, ${counts.join(", ")} : ${signatureText([x, zero], [type!])}`;
  return [emitter.emit("pad", text, type!)];
};

/** Less than every number of a dtype, or the least. */
function leastOf(dtype: DType): number {
  if (isFloat(dtype)) return Number.NEGATIVE_INFINITY;
  return dtype === "i32" ? -(2 ** 31) : dtype === "i8" ? -128 : 0;
}

/** Sums of 16-bit numbers are taken in f32. */
const reduceSum: Rule<"reduceSum"> = (context, { inputs: [x], outputs: [y], params: { axes } }) => {
  const total = context.emitter.reduce("add", context.wideRef(x!), [...axes].sort(ascending), 0);
  return [context.asHeld(y!, total)];
};

const reduceMax: Rule<"reduceMax"> = (context, node) => {
  const [x] = context.refsOf(node) as [Ref];
  return [context.emitter.reduce("maximum", x, [...node.params.axes].sort(ascending), leastOf(x.dtype))];
};

const ascending = (a: number, b: number): number => a - b;

/** Of equal numbers the one that stands first, in whatever order they are compared. */
const argMax: Rule<"argMax"> = (context, node) => {
  const { emitter } = context;
  const { axis } = node.params;
  const [x] = context.refsOf(node) as [Ref];
  const places = emitter.iota("i32", x.shape, axis);
  const best = emitter.reduce("maximum", x, [axis], leastOf(x.dtype));
  const rest = x.shape.map((_, i) => i).filter((i) => i !== axis);
  const isBest = emitter.compare("eq", x, emitter.broadcast(best, x.shape, rest));
  // Where nothing is the best, as among NaNs, the last place: an index in range.
  const last = x.shape[axis]! - 1;
  return [emitter.reduce("minimum", emitter.select(isBest, places, last), [axis], last)];
};

export const movementRules = {
  constant,
  iota,
  broadcast,
  reshape,
  transpose,
  slice,
  concatenate,
  pad,
  reduceSum,
  reduceMax,
  argMax,
} satisfies { readonly [P in PrimitiveName]?: Rule<P> };
