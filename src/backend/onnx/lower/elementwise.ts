/** @file Elementwise primitives. ONNX Runtime has no unsigned or bool arithmetic: those go through casts. */
import type { CompareDirection, PrimitiveName } from "../../../ir/graph.ts";
import type { OnnxElementType } from "../proto/element-type.ts";
import type { Rule } from "./context.ts";
import type { Emitter, Ref } from "./emitter.ts";

/** Types in which an operator has no kernel, with the type to compute in instead. */
type Detours = Partial<Record<OnnxElementType, OnnxElementType>>;

/** Two's complement: i32 arithmetic gives the bits of u32 arithmetic. */
const WRAPPING: Detours = { u32: "i32" };

function unary<P extends PrimitiveName>(opType: string, detours: Detours = {}): Rule<P> {
  return (context, node) => {
    const { emitter } = context;
    const x = context.ref(node.inputs[0]!);
    return [emitter.cast(emitter.unary(opType, emitter.cast(x, detours[x.dtype] ?? x.dtype)), x.dtype)];
  };
}

/** A broadcasting operator with its detours. */
function apply(emitter: Emitter, opType: string, a: Ref, b: Ref, shape: readonly number[], detours: Detours): Ref {
  const dtype = detours[a.dtype] ?? a.dtype;
  return emitter.binary(opType, emitter.cast(a, dtype), emitter.cast(b, dtype), shape);
}

export function binary<P extends PrimitiveName>(opType: string, detours: Detours = {}): Rule<P> {
  return (context, node) => {
    const shape = node.outputs[0]!.shape;
    const [a, b] = context.operands(node.inputs, shape) as [Ref, Ref];
    return [context.emitter.cast(apply(context.emitter, opType, a, b, shape, detours), a.dtype)];
  };
}

/** Bool operands take one operator, integers another. */
function logical<P extends PrimitiveName>(forBool: string, forInteger: string): Rule<P> {
  return (context, node) => {
    const opType = node.outputs[0]!.dtype === "bool" ? forBool : forInteger;
    return node.inputs.length === 1 ? unary<P>(opType)(context, node) : binary<P>(opType)(context, node);
  };
}

/**
 * Whole numbers are divided as f64, which is exact for 32 bits: whether the integer kernel survives a zero divisor is
 * not known. Like the reference, x / 0 gives 0.
 */
const div: Rule<"div"> = (context, node) => {
  const { emitter } = context;
  const { shape } = node.outputs[0]!;
  const [a, b] = context.operands(node.inputs, shape) as [Ref, Ref];
  if (a.dtype !== "i32" && a.dtype !== "u32") return [emitter.binary("Div", a, b, shape)];
  const divisor = emitter.cast(b, "f64");
  const zero = emitter.binary("Equal", divisor, emitter.scalar("f64", 0), b.shape, "bool");
  const safe = emitter.op("Where", [zero, emitter.scalar("f64", Number.POSITIVE_INFINITY), divisor], divisor);
  return [emitter.cast(emitter.binary("Div", emitter.cast(a, "f64"), safe, shape), a.dtype)];
};

const COMPARISONS: Readonly<Record<CompareDirection, { readonly opType: string; readonly negated: boolean }>> = {
  eq: { opType: "Equal", negated: false },
  ne: { opType: "Equal", negated: true },
  lt: { opType: "Less", negated: false },
  le: { opType: "LessOrEqual", negated: false },
  gt: { opType: "Greater", negated: false },
  ge: { opType: "GreaterOrEqual", negated: false },
};

const compare: Rule<"compare"> = (context, node) => {
  const { emitter } = context;
  const shape = node.outputs[0]!.shape;
  const { opType, negated } = COMPARISONS[node.params.direction];
  const [a, b] = context.operands(node.inputs, shape) as [Ref, Ref];
  const dtype = a.dtype === "u32" ? "i64" : a.dtype === "bool" && opType !== "Equal" ? "i32" : a.dtype;
  const result = emitter.binary(opType, emitter.cast(a, dtype), emitter.cast(b, dtype), shape, "bool");
  return [negated ? emitter.unary("Not", result) : result];
};

const select: Rule<"select"> = (context, node) => {
  const { emitter } = context;
  const shape = node.outputs[0]!.shape;
  const [predicate, a, b] = context.operands(node.inputs, shape) as [Ref, Ref, Ref];
  if (a.dtype === "bool") {
    const taken = emitter.binary("And", predicate, a, shape);
    const other = emitter.binary("And", emitter.unary("Not", predicate), b, shape);
    return [emitter.binary("Or", taken, other, shape)];
  }
  const dtype = a.dtype === "u32" ? "i32" : a.dtype;
  const result = emitter.op("Where", [predicate, emitter.cast(a, dtype), emitter.cast(b, dtype)], { dtype, shape });
  return [emitter.cast(result, a.dtype)];
};

const alias = <P extends PrimitiveName>(): Rule<P> => {
  return (context, node) => [context.ref(node.inputs[0]!)];
};

export const elementwiseRules = {
  neg: unary("Neg", WRAPPING),
  abs: unary("Abs"),
  sign: unary("Sign"),
  floor: unary("Floor"),
  exp: unary("Exp"),
  log: unary("Log"),
  sqrt: unary("Sqrt"),
  tanh: unary("Tanh"),
  erf: unary("Erf"),
  logistic: unary("Sigmoid"),
  sin: unary("Sin"),
  cos: unary("Cos"),
  not: logical("Not", "BitwiseNot"),
  convert: (context, node) => [context.emitter.cast(context.ref(node.inputs[0]!), node.params.dtype)],
  stopGradient: alias(),
  sub: binary("Sub", WRAPPING),
  mul: binary("Mul", WRAPPING),
  div,
  max: binary("Max"),
  min: binary("Min"),
  pow: binary("Pow"),
  and: logical("And", "BitwiseAnd"),
  or: logical("Or", "BitwiseOr"),
  xor: logical("Xor", "BitwiseXor"),
  shiftLeft: (context, node) => shift(context, node, "LEFT"),
  shiftRight: (context, node) => shift(context, node, "RIGHT"),
  compare,
  select,
} satisfies { readonly [P in PrimitiveName]?: Rule<P> };

function shift(
  context: Parameters<Rule<"shiftLeft">>[0],
  node: {
    readonly inputs: Parameters<Rule<"shiftLeft">>[1]["inputs"];
    readonly outputs: Parameters<Rule<"shiftLeft">>[1]["outputs"];
  },
  direction: "LEFT" | "RIGHT",
): readonly Ref[] {
  const { shape } = node.outputs[0]!;
  const operands = context.operands(node.inputs, shape);
  return [context.emitter.op("BitShift", operands, { dtype: "u32", shape }, { direction: { string: direction } })];
}

/** Plain sum, without looking for anything to fuse. */
export const plainAdd: Rule<"add"> = binary("Add", WRAPPING);
