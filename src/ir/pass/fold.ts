/** @file Work on constants, done once when the graph is compiled. */
import { allocateHostData, type DType, type HostData } from "../dtype.ts";
import type { Node, NodeOf } from "../graph.ts";
import { sizeOf } from "../shape.ts";
import type { Pass } from "./rewrite.ts";

/** Larger results are left to the engine: a graph should not carry what is quickly made. */
const MOST_ELEMENTS = 1024;

type Unary = (x: number) => number;
type Binary = (a: number, b: number) => number;

const unary: Readonly<Partial<Record<Node["op"], Unary>>> = {
  neg: (x) => -x,
  abs: Math.abs,
  sign: Math.sign,
  floor: Math.floor,
  exp: Math.exp,
  log: Math.log,
  sqrt: Math.sqrt,
  tanh: Math.tanh,
  sin: Math.sin,
  cos: Math.cos,
};

const onFloats: Readonly<Partial<Record<Node["op"], Binary>>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  max: (a, b) => Math.max(a, b),
  min: (a, b) => Math.min(a, b),
  pow: (a, b) => a ** b,
};

/** Whole numbers wrap: products need all their low bits. */
const onIntegers: Readonly<Partial<Record<Node["op"], Binary>>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => Math.imul(a, b),
  max: (a, b) => Math.max(a, b),
  min: (a, b) => Math.min(a, b),
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
};

const isHalf = (dtype: DType): boolean => dtype === "bf16" || dtype === "f16";
const isWhole = (dtype: DType): boolean => dtype === "i32" || dtype === "u32";

function binaryFor(node: Node, dtype: DType): Binary | undefined {
  if (dtype === "bool") return undefined;
  return (isWhole(dtype) ? onIntegers : onFloats)[node.op];
}

/** A number in another dtype: truncated toward zero for integers, 0 or 1 for bool. */
function converted(x: number, dtype: DType): number {
  if (dtype === "bool") return Number(x !== 0);
  return isWhole(dtype) ? Math.trunc(x) : x;
}

/** The element of every result, from constant operands; undefined where this pass does not know the operation. */
function evaluated(node: Node, operands: readonly NodeOf<"constant">["params"][]): HostData | undefined {
  const [type] = node.outputs;
  const [a, b] = operands;
  if (type === undefined || a === undefined || isHalf(type.dtype) || operands.some(({ dtype }) => isHalf(dtype))) {
    return undefined;
  }
  const result = allocateHostData(type.dtype, sizeOf(type.shape));
  if (node.op === "reshape") {
    result.set(a.data);
    return result;
  }
  if (node.op === "convert") {
    // What a float outside the integers becomes is the engine's affair.
    const fits = a.data.every((x: number) => !isWhole(type.dtype) || (Math.abs(x) < 2 ** 31 && x >= 0));
    if (!fits) return undefined;
    for (let i = 0; i < result.length; i++) result[i] = converted(a.data[i]!, type.dtype);
    return result;
  }
  const one = isWhole(type.dtype) || type.dtype === "bool" ? undefined : unary[node.op];
  if (one !== undefined) {
    for (let i = 0; i < result.length; i++) result[i] = one(a.data[i]!);
    return result;
  }
  const two = binaryFor(node, a.dtype);
  if (two === undefined || b === undefined) return undefined;
  for (let i = 0; i < result.length; i++) result[i] = two(a.data[i]!, b.data[i]!);
  return result;
}

/** Computes small results of constants now, rounded to their dtype after every operation as an engine would. */
export function constantFolding(): Pass {
  return {
    rewrite: ({ node, inputs, producer, emit }) => {
      const [type] = node.outputs;
      if (inputs.length === 0 || node.outputs.length !== 1 || sizeOf(type!.shape) > MOST_ELEMENTS) return undefined;
      const makers = inputs.map(producer);
      if (!makers.every((maker) => maker?.op === "constant")) return undefined;
      const data = evaluated(
        node,
        makers.map(({ params }) => params),
      );
      return data === undefined ? undefined : emit("constant", [], { dtype: type!.dtype, shape: type!.shape, data });
    },
  };
}
