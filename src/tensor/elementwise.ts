import { encodeBfloat16, encodeFloat16 } from "../base/half-float.ts";
import { allocateHostData, type DType, isFloat } from "../ir/dtype.ts";
import type { CompareDirection } from "../ir/graph.ts";
import { refuse } from "../ir/rule.ts";
import { broadcastShapes, type Shape, sameShape, sizeOf } from "../ir/shape.ts";
import { Tensor } from "./tensor.ts";
import { emitOne } from "./trace.ts";

/** What elementwise functions take: numbers become constants of the other operand's dtype. */
export type Operand = Tensor | number;

/** A tensor known now, from its values (not bit patterns). One number fills the shape. */
export function constant(data: number | ArrayLike<number>, dtype: DType = "f32", shape?: Shape): Tensor {
  const given = shape ?? (typeof data === "number" ? [] : [data.length]);
  const host = allocateHostData(dtype, sizeOf(given));
  const pattern = dtype === "bf16" ? encodeBfloat16 : dtype === "f16" ? encodeFloat16 : (x: number) => x;
  if (typeof data === "number") host.fill(pattern(data));
  else for (let i = 0; i < data.length; i++) host[i] = pattern(data[i]!);
  return emitOne("constant", [], { dtype, shape: given, data: host });
}

/** A number repeated over a shape, without a stored array of that size. */
export function full(shape: Shape, value: number, dtype: DType = "f32"): Tensor {
  return broadcastTo(constant(value, dtype), shape);
}

export function zeros(shape: Shape, dtype: DType = "f32"): Tensor {
  return full(shape, 0, dtype);
}

/** The index along an axis: `iota([2, 3], 1)` is `[[0,1,2],[0,1,2]]`. */
export function iota(shape: Shape, axis = 0, dtype: "f32" | "i32" | "u32" = "i32"): Tensor {
  return emitOne("iota", [], { dtype, shape, axis });
}

/** Repeats along leading new axes and axes of size 1 (NumPy rules). */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const offset = shape.length - x.rank;
  return emitOne("broadcast", [x], { shape, dims: x.shape.map((_, axis) => axis + offset) });
}

function lift(op: string, a: Operand, b: Operand): [Tensor, Tensor] {
  const typed = a instanceof Tensor ? a : b;
  if (!(typed instanceof Tensor)) refuse(op, "takes at least one tensor", []);
  const left = a instanceof Tensor ? a : constant(a, typed.dtype);
  const right = b instanceof Tensor ? b : constant(b, typed.dtype);
  const shape = broadcastShapes(left.shape, right.shape);
  if (shape === undefined) refuse(op, "operands do not broadcast to one shape", [left, right]);
  return [broadcastTo(left, shape), broadcastTo(right, shape)];
}

type BinaryName =
  | "add"
  | "sub"
  | "mul"
  | "div"
  | "max"
  | "min"
  | "pow"
  | "and"
  | "or"
  | "xor"
  | "shiftLeft"
  | "shiftRight";

const binary =
  (op: BinaryName) =>
  (a: Operand, b: Operand): Tensor =>
    emitOne(op, lift(op, a, b), {});

/** Elementwise functions of two operands that broadcast together. */
export const add = binary("add");
export const sub = binary("sub");
export const mul = binary("mul");
export const div = binary("div");
export const maximum = binary("max");
export const minimum = binary("min");
export const pow = binary("pow");
export const and = binary("and");
export const or = binary("or");
export const xor = binary("xor");
export const shiftLeft = binary("shiftLeft");
export const shiftRight = binary("shiftRight");

type UnaryName =
  | "neg"
  | "abs"
  | "sign"
  | "floor"
  | "exp"
  | "log"
  | "sqrt"
  | "tanh"
  | "erf"
  | "logistic"
  | "sin"
  | "cos"
  | "not"
  | "stopGradient"
  | "barrier";

const unary =
  (op: UnaryName) =>
  (x: Tensor): Tensor =>
    emitOne(op, [x], {});

/** Elementwise functions of one operand. */
export const neg = unary("neg");
export const abs = unary("abs");
export const sign = unary("sign");
export const floor = unary("floor");
export const exp = unary("exp");
export const log = unary("log");
export const sqrt = unary("sqrt");
export const tanh = unary("tanh");
export const erf = unary("erf");
export const logistic = unary("logistic");
export const sin = unary("sin");
export const cos = unary("cos");
export const not = unary("not");
/** x, but a constant to differentiation. */
export const stopGradient = unary("stopGradient");
/** x, but opaque to common-subexpression elimination. */
export const barrier = unary("barrier");

/** max(x, 0). */
export function relu(x: Tensor): Tensor {
  return maximum(x, 0);
}

/** Comparison as bool, with broadcasting. */
export function compare(direction: CompareDirection, a: Operand, b: Operand): Tensor {
  return emitOne("compare", lift("compare", a, b), { direction });
}

/** Where the predicate holds `a`, elsewhere `b`; all three broadcast together. */
export function select(predicate: Tensor, a: Operand, b: Operand): Tensor {
  const [left, right] = lift("select", a, b);
  const shape = broadcastShapes(predicate.shape, left.shape);
  if (shape === undefined) refuse("select", "predicate and operands do not broadcast", [predicate, left, right]);
  return emitOne("select", [predicate, left, right].map((x) => broadcastTo(x, shape)) as [Tensor, Tensor, Tensor], {});
}

/** The same values in another dtype. */
export function convert(x: Tensor, dtype: DType): Tensor {
  return x.dtype === dtype ? x : emitOne("convert", [x], { dtype });
}

/** Whether a tensor takes part in differentiation at all. */
export function isDifferentiable(x: Tensor): boolean {
  return isFloat(x.dtype);
}
