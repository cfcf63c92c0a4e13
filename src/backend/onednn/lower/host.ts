/** @file Operations that run as plain TypeScript in the engine's thread. */
import type { Node, NodeOf, PrimitiveName, Value } from "../../../ir/graph.ts";
import type { HostParams } from "../program.ts";
import type { LowerContext, Rule } from "./context.ts";
import { collapse, isDense, type Ref } from "./ref.ts";

/** A primitive by the kernel of backend/host. */
export function hostPrimitive(context: LowerContext, node: Node): void {
  const inputs = node.inputs.map((value) => context.exact(value));
  const targets = node.outputs.map((value) => {
    const target = context.target(value);
    // The kernels give what the graph says; storage may be wider.
    return target.dtype === value.dtype ? target : context.emitter.allocate(value.dtype, value.shape);
  });
  context.emitter.host("primitive", { op: node.op, params: node.params }, inputs, targets);
  node.outputs.forEach((value: Value, i) => {
    const [made, target] = [targets[i]!, context.target(value)];
    if (made !== target) context.copy(made, target);
    context.define(value, target);
  });
}

export const hostRule = <P extends PrimitiveName>(context: LowerContext, node: NodeOf<P>): void =>
  hostPrimitive(context, node as unknown as Node);

/** A kernel over strided operands of one shape that writes a dense result. */
function hostRows(context: LowerContext, node: Node, kernel: string, params: HostParams): void {
  const [y] = node.outputs as readonly [Value];
  const target = context.target(y);
  const isPlain = isDense(target) && target.dtype === y.dtype;
  const place = isPlain ? target : context.emitter.allocate(y.dtype, y.shape);
  const [result, ...operands] = collapse([place, ...node.inputs.map((value) => context.exact(value))]) as [
    Ref,
    ...Ref[],
  ];
  context.emitter.host(kernel, params, operands, [result]);
  if (place !== target) context.copy(place, target);
  context.define(y, target);
}

const compare: Rule<"compare"> = (context, node) => {
  // Patterns of bf16 do not order as their numbers do.
  if (node.inputs[0]!.dtype === "bf16") hostPrimitive(context, node);
  else hostRows(context, node, "compare", node.params);
};

const select: Rule<"select"> = (context, node) => {
  hostRows(context, node, "select", {});
};

/** Primitives that have no other kernel here. */
export const hostRules = {
  iota: hostRule<"iota">,
  sign: hostRule<"sign">,
  floor: hostRule<"floor">,
  erf: hostRule<"erf">,
  // The library's logarithm errs by 1e-6 around 1, where that is all there is of the result.
  log: hostRule<"log">,
  sin: hostRule<"sin">,
  cos: hostRule<"cos">,
  not: hostRule<"not">,
  pow: hostRule<"pow">,
  and: hostRule<"and">,
  or: hostRule<"or">,
  xor: hostRule<"xor">,
  shiftLeft: hostRule<"shiftLeft">,
  shiftRight: hostRule<"shiftRight">,
  compare,
  select,
  argMax: hostRule<"argMax">,
  randomBits: hostRule<"randomBits">,
} satisfies { readonly [P in PrimitiveName]?: Rule<P> };
