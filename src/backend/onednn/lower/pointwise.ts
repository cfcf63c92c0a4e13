/** @file Elementwise operations: taken up by the product before them, else single passes of the library. */
import type { Node, NodeOf, PrimitiveName, Value } from "../../../ir/graph.ts";
import { sizeOf } from "../../../ir/shape.ts";
import type { BinaryAlgorithm } from "../program.ts";
import type { LowerContext, Rule } from "./context.ts";
import type { EltwiseFunction } from "./emitter.ts";
import { hostPrimitive } from "./host.ts";
import { defineProduct, narrowed, Pending } from "./pending.ts";
import { collapse, isDense, type Ref, repeats } from "./ref.ts";
import { Scatter } from "./scatter.ts";

/** More axes than the library's elementwise kernels are made for. */
const MAX_AXES = 6;

const inLibrary = ({ dtype, shape }: Value): boolean => (dtype === "f32" || dtype === "bf16") && sizeOf(shape) > 0;

/** Writes into memory without gaps, and from there into the target where it has some. */
export function viaDense(context: LowerContext, target: Ref, write: (target: Ref) => void): void {
  if (isDense(target)) {
    write(target);
    return;
  }
  const place = context.emitter.allocate(target.dtype, target.shape);
  write(place);
  context.copy(place, target);
}

/** left ∘ right elementwise; the right one may repeat along axes. */
export function emitBinary(
  context: LowerContext,
  algorithm: BinaryAlgorithm,
  operands: readonly [Ref, Ref],
  target: Ref,
): void {
  const commutes = algorithm !== "sub" && algorithm !== "div";
  const swapped = commutes && repeats(operands[0]) && !repeats(operands[1]);
  const [left, given] = swapped ? [operands[1], operands[0]] : operands;
  viaDense(context, target, (place) => {
    const [l, r, t] = collapse([context.dense(left), given, place]) as [Ref, Ref, Ref];
    const narrow = narrowed(r);
    const ready = isDense(narrow) && narrow.shape.length <= MAX_AXES;
    const right = ready ? narrow : context.dense(r);
    context.emitter.binary(algorithm, l, right, t);
  });
}

type BinaryName = "add" | "sub" | "mul" | "div" | "max" | "min";

/** The operation taken up by an operand that is a waiting product. */
function absorbed(
  context: LowerContext,
  op: BinaryName,
  one: Value,
  other: Value,
  isLeft: boolean,
): Pending | undefined {
  if (op === "div" && !isLeft) return undefined;
  const waiting = context.takeWaiting(one);
  if (waiting === undefined) return undefined;
  if (waiting instanceof Pending) {
    const operand = context.floatRef(other);
    const negated = op === "sub" && !isLeft;
    const start = negated ? waiting.eltwise({ algorithm: "linear", alpha: -1 }) : waiting;
    const done = start.binary(negated ? "add" : op, operand);
    if (done !== undefined) return done;
  }
  context.putWaiting(one, waiting);
  return undefined;
}

/** A sum with rows that are to be added at indices: the other operand goes to the result, the rows are added there. */
function scattered(context: LowerContext, y: Value, one: Value, other: Value): boolean {
  const waiting = context.takeWaiting(one);
  if (waiting === undefined) return false;
  if (!(waiting instanceof Scatter) || context.target(y).dtype !== y.dtype || !isDense(context.target(y))) {
    context.putWaiting(one, waiting);
    return false;
  }
  const target = context.target(y);
  context.write(other, target);
  waiting.addTo(target);
  context.define(y, target);
  return true;
}

export const binary =
  <P extends BinaryName>(op: P): Rule<P> =>
  (context, node) => {
    const [a, b] = node.inputs as readonly [Value, Value];
    const [y] = node.outputs as readonly [Value];
    if (!inLibrary(y)) {
      hostPrimitive(context, node as Node);
      return;
    }
    if (op === "add" && (scattered(context, y, b, a) || scattered(context, y, a, b))) return;
    const pending = absorbed(context, op, b, a, false) ?? absorbed(context, op, a, b, true);
    if (pending !== undefined) {
      defineProduct(context, y, pending);
      return;
    }
    const target = context.target(y);
    emitBinary(context, op, [context.exact(a), context.exact(b)], target);
    context.define(y, target);
  };

/** y = f(x) in one pass. */
export function applyEltwise(context: LowerContext, f: EltwiseFunction, x: Value, y: Value): void {
  const waiting = context.takeWaiting(x);
  if (waiting instanceof Pending) {
    defineProduct(context, y, waiting.eltwise(f));
    return;
  }
  if (waiting !== undefined) context.putWaiting(x, waiting);
  const target = context.target(y);
  viaDense(context, target, (place) => {
    const [source, result] = collapse([context.dense(context.exact(x)), place]) as [Ref, Ref];
    context.emitter.eltwise(f, source, result);
  });
  context.define(y, target);
}

const unary =
  <P extends PrimitiveName>(f: EltwiseFunction): Rule<P> =>
  (context, node) => {
    const [x] = node.inputs as readonly [Value];
    const [y] = node.outputs as readonly [Value];
    if (inLibrary(x)) applyEltwise(context, f, x, y);
    else hostPrimitive(context, node as unknown as Node);
  };

const convert: Rule<"convert"> = (context, node: NodeOf<"convert">) => {
  const [x] = node.inputs as readonly [Value];
  const [y] = node.outputs as readonly [Value];
  const { dtype } = node.params;
  if (x.dtype === dtype) {
    context.alias(y, x);
    return;
  }
  const between = [x.dtype, dtype].every((one) => one === "f32" || one === "bf16");
  if (!between) {
    hostPrimitive(context, node);
    return;
  }
  if (context.isWaiting(x) && context.storageOf(x) === dtype) {
    const waiting = context.takeWaiting(x)!;
    if (waiting.canWait(y)) {
      context.putWaiting(y, waiting);
      return;
    }
    context.putWaiting(x, waiting);
  }
  if (context.hasRefOrWaiting(x) && context.storageOf(x) === dtype) {
    context.define(y, context.ref(x));
    return;
  }
  context.defineConversion(y, x);
};

const renaming = <P extends "stopGradient" | "barrier">(context: LowerContext, node: NodeOf<P>): void =>
  context.alias(node.outputs[0]!, node.inputs[0]!);

export const pointwiseRules = {
  add: binary("add"),
  sub: binary("sub"),
  mul: binary("mul"),
  div: binary("div"),
  max: binary("max"),
  min: binary("min"),
  neg: unary<"neg">({ algorithm: "linear", alpha: -1 }),
  abs: unary<"abs">({ algorithm: "abs" }),
  exp: unary<"exp">({ algorithm: "exp" }),
  sqrt: unary<"sqrt">({ algorithm: "sqrt" }),
  tanh: unary<"tanh">({ algorithm: "tanh" }),
  logistic: unary<"logistic">({ algorithm: "logistic" }),
  convert,
  stopGradient: renaming<"stopGradient">,
  barrier: renaming<"barrier">,
} satisfies { readonly [P in PrimitiveName]?: Rule<P> };
