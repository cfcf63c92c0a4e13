import { isInteger } from "../../ir/dtype.ts";
import type { CompareDirection, PrimitiveName } from "../../ir/graph.ts";
import { erf } from "./erf.ts";
import type { Kernel } from "./kernel.ts";

type Unary = (x: number) => number;
type Binary = (a: number, b: number) => number;

/** Applies a function to every element; storing the result rounds floats and wraps integers. */
function unary<P extends PrimitiveName>(apply: Unary): Kernel<P> {
  return ({ inputs: [x], outputs: [y] }) => {
    const source = x!.data;
    const target = y!.data;
    for (let i = 0; i < target.length; i++) target[i] = apply(source[i]!);
  };
}

function binary<P extends PrimitiveName>(floats: Binary, integers: Binary = floats): Kernel<P> {
  return ({ inputs: [a, b], outputs: [y] }) => {
    const apply = isInteger(a!.dtype) ? integers : floats;
    const left = a!.data;
    const right = b!.data;
    const target = y!.data;
    for (let i = 0; i < target.length; i++) target[i] = apply(left[i]!, right[i]!);
  };
}

const comparisons: { readonly [D in CompareDirection]: (a: number, b: number) => boolean } = {
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
  lt: (a, b) => a < b,
  le: (a, b) => a <= b,
  gt: (a, b) => a > b,
  ge: (a, b) => a >= b,
};

/** Never raises e to a positive power, so that large |x| cannot overflow. */
function logistic(x: number): number {
  const small = Math.exp(-Math.abs(x));
  return x >= 0 ? 1 / (1 + small) : small / (1 + small);
}

const identity: Unary = (x) => x;
const isTrue: Unary = (x) => (x === 0 ? 0 : 1);

export const elementwiseKernels = {
  neg: unary<"neg">((x) => -x),
  abs: unary<"abs">(Math.abs),
  sign: unary<"sign">(Math.sign),
  floor: unary<"floor">(Math.floor),
  exp: unary<"exp">(Math.exp),
  log: unary<"log">(Math.log),
  sqrt: unary<"sqrt">(Math.sqrt),
  tanh: unary<"tanh">(Math.tanh),
  erf: unary<"erf">(erf),
  logistic: unary<"logistic">(logistic),
  sin: unary<"sin">(Math.sin),
  cos: unary<"cos">(Math.cos),
  not: (invocation) => {
    const isBool = invocation.inputs[0]!.dtype === "bool";
    unary<"not">(isBool ? (x) => 1 - x : (x) => ~x)(invocation);
  },
  convert: (invocation) => {
    // Storing a float in an integer array truncates it toward zero; booleans need a test.
    unary<"convert">(invocation.params.dtype === "bool" ? isTrue : identity)(invocation);
  },
  stopGradient: unary<"stopGradient">(identity),
  barrier: unary<"barrier">(identity),
  add: binary<"add">((a, b) => a + b),
  sub: binary<"sub">((a, b) => a - b),
  mul: binary<"mul">((a, b) => a * b, Math.imul),
  div: binary<"div">(
    (a, b) => a / b,
    (a, b) => Math.trunc(a / b),
  ),
  max: binary<"max">(Math.max),
  min: binary<"min">(Math.min),
  pow: binary<"pow">((a, b) => a ** b),
  and: binary<"and">((a, b) => a & b),
  or: binary<"or">((a, b) => a | b),
  xor: binary<"xor">((a, b) => a ^ b),
  shiftLeft: binary<"shiftLeft">((a, b) => (b < 32 ? a << b : 0)),
  shiftRight: binary<"shiftRight">((a, b) => (b < 32 ? a >>> b : 0)),
  compare: ({ inputs: [a, b], outputs: [y], params }) => {
    const holds = comparisons[params.direction];
    const target = y!.data;
    for (let i = 0; i < target.length; i++) target[i] = holds(a!.data[i]!, b!.data[i]!) ? 1 : 0;
  },
  select: ({ inputs: [predicate, a, b], outputs: [y] }) => {
    const target = y!.data;
    for (let i = 0; i < target.length; i++) target[i] = (predicate!.data[i] === 1 ? a : b)!.data[i]!;
  },
} satisfies { [P in PrimitiveName]?: Kernel<P> };
