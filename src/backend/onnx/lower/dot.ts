import type { NodeOf, Value } from "../../../ir/graph.ts";
import type { LowerContext, Rule } from "./context.ts";
import type { Ref } from "./emitter.ts";
import { generalProduct, type Operand } from "./product.ts";

/** An operand seen through the transposes that made it: the matrix kernel reads either order. */
function operandOf(
  context: LowerContext,
  value: Value,
  batch: readonly number[],
  contract: readonly number[],
): Operand {
  const isFree = (_: number, axis: number) => !batch.includes(axis) && !contract.includes(axis);
  let roles = { batch, contract, free: value.shape.map((_, axis) => axis).filter((axis) => isFree(0, axis)) };
  let origin = value;
  for (let node = context.producer(origin); node?.op === "transpose"; node = context.producer(origin)) {
    const { permutation } = node.params;
    const back = (axes: readonly number[]) => axes.map((axis) => permutation[axis]!);
    roles = { batch: back(roles.batch), contract: back(roles.contract), free: back(roles.free) };
    origin = node.inputs[0]!;
  }
  return { ref: context.ref(origin), ...roles };
}

/** A dot, with a tensor of the result's shape added by the matrix kernel if one is given. */
export function lowerDot(context: LowerContext, node: NodeOf<"dot">, addend?: Ref): Ref {
  const { lhsBatch, rhsBatch, lhsContract, rhsContract } = node.params;
  const left = operandOf(context, node.inputs[0]!, lhsBatch, lhsContract);
  const right = operandOf(context, node.inputs[1]!, rhsBatch, rhsContract);
  return generalProduct(context.emitter, left, right, addend);
}

/** x · weightᵀ + bias, or a tensor of the result's shape instead of the bias. */
export function lowerLinear(context: LowerContext, node: NodeOf<"linear">, addend?: Ref): Ref {
  const [x, weight, bias] = node.inputs as readonly [Value, Value, Value | undefined];
  const left = operandOf(context, x, [], [x.shape.length - 1]);
  const right = operandOf(context, weight, [], [1]);
  const offset = addend ?? (bias === undefined ? undefined : context.ref(bias));
  return generalProduct(context.emitter, left, right, offset);
}

export const dot: Rule<"dot"> = (context, node) => [lowerDot(context, node)];
export const linear: Rule<"linear"> = (context, node) => [lowerLinear(context, node)];
