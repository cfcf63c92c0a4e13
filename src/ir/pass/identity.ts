/** @file Operations that change nothing, or undo what their operand did. */
import type { DType } from "../dtype.ts";
import type { NodeOf, Value } from "../graph.ts";
import { sameShape, sizeOf } from "../shape.ts";
import type { Pass, RewriteFacts } from "./rewrite.ts";

type Rule = (facts: RewriteFacts) => Value | undefined;

const inOrder = (axes: readonly number[]): boolean => axes.every((axis, i) => axis === i);

/** Whether every value of one dtype is a value of the other, so that going there loses nothing. */
function holds(wide: DType, narrow: DType): boolean {
  const above: Readonly<Record<DType, readonly DType[]>> = {
    bool: ["bf16", "f16", "i32", "u32", "f32", "f64"],
    bf16: ["f32", "f64"],
    f16: ["f32", "f64"],
    i32: ["f64"],
    u32: ["f64"],
    i8: ["bf16", "f16", "i32", "f32", "f64"],
    f32: ["f64"],
    f64: [],
  };
  return wide === narrow || above[narrow].includes(wide);
}

const convert: Rule = ({ node, inputs: [x], producer, emit }) => {
  const { dtype } = (node as NodeOf<"convert">).params;
  if (x!.dtype === dtype) return x;
  const inner = producer(x!);
  if (inner?.op !== "convert") return undefined;
  const source = inner.inputs[0]!;
  // f32 → bf16 → f32 rounds and must stay; bf16 → f32 → bf16 does not.
  if (!holds(inner.params.dtype, source.dtype)) return undefined;
  return source.dtype === dtype ? source : emit("convert", [source], { dtype })[0];
};

const transpose: Rule = ({ node, inputs: [x], producer, emit }) => {
  const { permutation } = (node as NodeOf<"transpose">).params;
  if (inOrder(permutation)) return x;
  const inner = producer(x!);
  if (inner?.op !== "transpose") return undefined;
  const joint = permutation.map((axis) => inner.params.permutation[axis]!);
  return inOrder(joint) ? inner.inputs[0] : emit("transpose", [inner.inputs[0]!], { permutation: joint })[0];
};

const reshape: Rule = ({ node, inputs: [x], producer, emit }) => {
  const { shape } = (node as NodeOf<"reshape">).params;
  if (sameShape(x!.shape, shape)) return x;
  const inner = producer(x!);
  if (inner?.op !== "reshape") return undefined;
  const source = inner.inputs[0]!;
  return sameShape(source.shape, shape) ? source : emit("reshape", [source], { shape })[0];
};

const broadcast: Rule = ({ node, inputs: [x] }) => {
  const { shape, dims } = (node as NodeOf<"broadcast">).params;
  return sameShape(x!.shape, shape) && inOrder(dims) ? x : undefined;
};

const slice: Rule = ({ node, inputs: [x] }) => {
  const { starts, strides } = (node as NodeOf<"slice">).params;
  const whole = starts.every((start) => start === 0) && strides.every((stride) => stride === 1);
  return whole && sameShape(x!.shape, node.outputs[0]!.shape) ? x : undefined;
};

const pad: Rule = ({ node, inputs: [x] }) => {
  const { low, high, interior } = (node as NodeOf<"pad">).params;
  return [...low, ...high, ...interior].every((count) => count === 0) ? x : undefined;
};

/** A sum or maximum over no elements but one a result. */
const reduction: Rule = ({ node, inputs: [x], emit }) => {
  const { axes } = (node as NodeOf<"reduceSum">).params;
  if (!axes.every((axis) => x!.shape[axis] === 1)) return undefined;
  return axes.length === 0 ? x : emit("reshape", [x!], { shape: node.outputs[0]!.shape })[0];
};

const twice: Rule = ({ node, inputs: [x], producer }) => {
  const inner = producer(x!);
  return inner?.op === node.op ? inner.inputs[0] : undefined;
};

/** x ∘ unit on either side, or on the right alone. */
const unit =
  (number: number, sides: "both" | "right"): Rule =>
  ({ inputs: [a, b], uniform }) => {
    if (uniform(b!) === number) return a;
    return sides === "both" && uniform(a!) === number ? b : undefined;
  };

/** −0 + 0 is 0, but nothing here looks at the sign of a zero. */
const plusZero: Rule = (facts) => unit(0, "both")(facts) ?? unit(-0, "both")(facts);

const rules: Readonly<Partial<Record<RewriteFacts["node"]["op"], Rule>>> = {
  convert,
  transpose,
  reshape,
  broadcast,
  slice,
  pad,
  reduceSum: reduction,
  reduceMax: reduction,
  concatenate: ({ inputs }) => (inputs.length === 1 ? inputs[0] : undefined),
  // Differentiation is over: it has no further meaning.
  stopGradient: ({ inputs: [x] }) => x,
  neg: twice,
  not: twice,
  add: plusZero,
  sub: unit(0, "right"),
  mul: unit(1, "both"),
  div: unit(1, "right"),
};

/** Leaves out operations that give their operand back, and joins those that undo each other. */
export function identities(): Pass {
  return {
    rewrite: (facts) => {
      const result = rules[facts.node.op]?.(facts);
      if (result === undefined || sizeOf(result.shape) !== sizeOf(facts.node.outputs[0]!.shape)) return undefined;
      return [result];
    },
  };
}
