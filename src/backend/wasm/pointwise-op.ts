/** @file The vector instructions of each elementwise operation. */
import type { CompareDirection, Graph, Node, OpName, Value } from "../../ir/graph.ts";
import type { FunctionWriter, SimdOp } from "./module-writer.ts";
import { refuseNode } from "./uniform.ts";

/** Where the operands of a node lie. */
export interface EmitContext {
  readonly graph: Graph;
  readonly code: FunctionWriter;
  /** The v128 local of every value made so far. */
  readonly locals: ReadonlyMap<Value, number>;
  /** The scalar local of uniform values. */
  readonly scalarOf: ReadonlyMap<Value, number>;
  /** Uniform values known when compiling. */
  readonly constants: ReadonlyMap<Value, number>;
}

const floatOps: { readonly [P in OpName]?: SimdOp } = {
  neg: "f32x4.neg",
  abs: "f32x4.abs",
  floor: "f32x4.floor",
  sqrt: "f32x4.sqrt",
  add: "f32x4.add",
  sub: "f32x4.sub",
  mul: "f32x4.mul",
  div: "f32x4.div",
  max: "f32x4.max",
  min: "f32x4.min",
};

const bitOps: { readonly [P in OpName]?: SimdOp } = {
  not: "v128.not",
  and: "v128.and",
  or: "v128.or",
  xor: "v128.xor",
};

const integerOps: { readonly [P in OpName]?: SimdOp } = {
  ...bitOps,
  neg: "i32x4.neg",
  add: "i32x4.add",
  sub: "i32x4.sub",
  mul: "i32x4.mul",
};

const vectorOps: Readonly<Record<string, { readonly [P in OpName]?: SimdOp }>> = {
  f32: floatOps,
  i32: { ...integerOps, abs: "i32x4.abs", max: "i32x4.max_s", min: "i32x4.min_s" },
  u32: { ...integerOps, max: "i32x4.max_u", min: "i32x4.min_u" },
  bool: bitOps,
};

function compareOp(dtype: string, direction: CompareDirection): SimdOp {
  if (dtype === "f32") return `f32x4.${direction}`;
  if (direction === "eq" || direction === "ne") return `i32x4.${direction}`;
  return `i32x4.${direction}_${dtype === "i32" ? "s" : "u"}`;
}

const one = { f32: 0x3f800000, i32: 1, u32: 1 } as const;

function emitConvert({ graph, code }: EmitContext, node: Node): void {
  const from = node.inputs[0]!.dtype;
  const to = node.outputs[0]!.dtype;
  if (from === to || (from === "i32" && to === "u32") || (from === "u32" && to === "i32")) return;
  if (to === "bool") {
    code.constLanes([0, 0, 0, 0]).op(from === "f32" ? "f32x4.ne" : "i32x4.ne");
  } else if (from === "bool" && (to === "f32" || to === "i32" || to === "u32")) {
    const bits = one[to];
    code.constLanes([bits, bits, bits, bits]).op("v128.and");
  } else if (from === "f32") {
    code.op(to === "i32" ? "i32x4.trunc_sat_f32x4_s" : "i32x4.trunc_sat_f32x4_u");
  } else if (to === "f32") {
    code.op(from === "i32" ? "f32x4.convert_i32x4_s" : "f32x4.convert_i32x4_u");
  } else refuseNode(graph, node, `from ${from} to ${to} has no vector form`);
}

/** Emits one node; its result is left on the stack. */
export function emitNode(context: EmitContext, node: Node): void {
  const { graph, code, locals, scalarOf, constants } = context;
  const operand = (i: number) => code.get(locals.get(node.inputs[i]!)!);
  switch (node.op) {
    case "stopGradient":
    case "barrier":
    case "reshape":
    case "broadcast":
    case "transpose":
      operand(0);
      return;
    case "select":
      operand(1);
      operand(2);
      operand(0);
      code.op("v128.bitselect");
      return;
    case "sign": {
      if (node.outputs[0]!.dtype !== "f32") refuseNode(graph, node, "of integer elements has no vector form");
      const [one, minusOne] = [0x3f800000, 0xbf800000];
      const zero = [0, 0, 0, 0] as const;
      // NaN compares as neither and is handed on as it is.
      operand(0);
      operand(0).constLanes(zero).op("f32x4.gt").constLanes([one, one, one, one]).op("v128.and");
      operand(0).constLanes(zero).op("f32x4.lt");
      code.constLanes([minusOne, minusOne, minusOne, minusOne]).op("v128.and").op("v128.or");
      operand(0);
      operand(0).op("f32x4.ne").op("v128.bitselect");
      return;
    }
    case "compare": {
      const { dtype } = node.inputs[0]!;
      const { direction } = node.params;
      if (dtype === "bool" && direction !== "eq" && direction !== "ne") {
        refuseNode(graph, node, `${direction} of bool has no vector form`);
      }
      operand(0);
      operand(1);
      code.op(compareOp(dtype, direction));
      return;
    }
    case "convert":
      operand(0);
      emitConvert(context, node);
      return;
    case "shiftLeft":
    case "shiftRight": {
      const amount = scalarOf.get(node.inputs[1]!);
      if (amount === undefined) refuseNode(graph, node, "by an amount that differs by element has no vector form");
      operand(0);
      // A constant amount becomes an immediate of the machine instruction: three times fewer instructions.
      const known = constants.get(node.inputs[1]!);
      if (known === undefined) code.get(amount);
      else code.constI32(known);
      code.op(node.op === "shiftLeft" ? "i32x4.shl" : "i32x4.shr_u");
      return;
    }
    default: {
      const { dtype } = node.outputs[0]!;
      const op = vectorOps[dtype]?.[node.op];
      if (op === undefined) {
        const hint = dtype === "f32" ? "; only run-time scalars and constants may enter it" : "";
        refuseNode(graph, node, `of ${dtype} elements has no vector form${hint}`);
      }
      node.inputs.forEach((_, i) => {
        operand(i);
      });
      code.op(op);
    }
  }
}
