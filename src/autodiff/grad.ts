import { isFloat } from "../ir/dtype.ts";
import type { Node, Value } from "../ir/graph.ts";
import { refuse } from "../ir/rule.ts";
import { sameType } from "../ir/shape.ts";
import { constant } from "../tensor/elementwise.ts";
import { Tensor } from "../tensor/tensor.ts";
import { currentBuilder } from "../tensor/trace.ts";
import { add, zeros } from "./ops.ts";
import type { Backpropagate, VjpRule } from "./rule.ts";
import { vjpRules } from "./table.ts";

/** Values that depend on the given ones through differentiable operations. */
function dependents(nodes: readonly Node[], roots: readonly Value[]): Set<Value> {
  const result = new Set<Value>(roots);
  for (const node of nodes) {
    if (vjpRules[node.op] === null || !node.inputs.some((value) => result.has(value))) continue;
    for (const value of node.outputs) if (isFloat(value.dtype)) result.add(value);
  }
  return result;
}

const backpropagate: Backpropagate = (nodes, seeds, wrt) => {
  const active = dependents(nodes, wrt);
  const cotangents = new Map<Value, Tensor>(seeds);
  for (let i = nodes.length - 1; i >= 0; i--) {
    const node = nodes[i]!;
    const arrived = node.outputs.map((value) => cotangents.get(value));
    const wanted = node.inputs.map((value) => active.has(value));
    const rule = vjpRules[node.op] as VjpRule<typeof node.op> | null;
    if (rule === null || !arrived.some((cotangent) => cotangent !== undefined) || !wanted.includes(true)) continue;
    if (!node.outputs.some((value) => active.has(value))) continue;
    const outputs = node.outputs.map((value) => new Tensor(value));
    const given = rule({
      node,
      params: node.params,
      inputs: node.inputs.map((value) => new Tensor(value)),
      outputs,
      get dy() {
        return arrived[0] ?? zeros(outputs[0]!.shape, outputs[0]!.dtype);
      },
      cotangents: arrived,
      wanted,
      backpropagate,
    } as never);
    node.inputs.forEach((value, k) => {
      const cotangent = given[k];
      if (cotangent === undefined || !wanted[k]) return;
      if (!sameType(cotangent, value))
        refuse(`gradient of ${node.op}`, "does not match its operand", [cotangent, value]);
      const before = cotangents.get(value);
      cotangents.set(value, before === undefined ? cotangent : add(before, cotangent));
    });
  }
  return wrt.map((value) => cotangents.get(value));
};

/**
 * Gradients of a scalar of the current trace with respect to tensors of the same trace.
 *
 * @param output float scalar `[]`
 * @param wrt float tensors, of any shape
 * @returns for each of `wrt` a tensor of its shape, zero where the output does not depend on it
 * @throws {ShapeError} NOT_SCALAR when the output has axes: sum it, or give `vjp` a cotangent
 */
export function gradients(output: Tensor, wrt: readonly Tensor[]): Tensor[] {
  if (output.rank !== 0) refuse("grad", "the output must be a scalar; sum it or use vjp with a cotangent", [output]);
  return vjp([output], wrt, [constant(1, output.dtype)]);
}

/**
 * Carries cotangents of outputs back to tensors of the same trace (vector–Jacobian product).
 * @param cotangents one per output, of its type
 */
export function vjp(outputs: readonly Tensor[], wrt: readonly Tensor[], cotangents: readonly Tensor[]): Tensor[] {
  const builder = currentBuilder();
  const local = wrt.map(({ value }) => builder.adopt(value));
  for (const x of wrt) if (!isFloat(x.dtype)) refuse("grad", "only float tensors have gradients", [x]);
  const seeds = new Map<Value, Tensor>();
  outputs.forEach(({ value }, i) => {
    const before = seeds.get(value);
    seeds.set(value, before === undefined ? cotangents[i]! : add(before, cotangents[i]!));
  });
  return backpropagate([...builder.nodes], seeds, local).map(
    (gradient, i) => gradient ?? zeros(wrt[i]!.shape, wrt[i]!.dtype),
  );
}

/**
 * A function that gives a scalar function's value and its gradients with respect to chosen arguments.
 *
 * @param argnums positions of the arguments to differentiate; all of them when left out
 * @example
 * const graph = trace("square", { x: tensorType("f32", [3]) }, ({ x }) => {
 *   const { value, gradients: [dx] } = valueAndGrad((v) => sum(mul(v, v)))(x);
 *   return { value, dx };
 * });
 */
export function valueAndGrad(
  run: (...inputs: Tensor[]) => Tensor,
  argnums?: readonly number[],
): (...inputs: Tensor[]) => { readonly value: Tensor; readonly gradients: Tensor[] } {
  return (...inputs) => {
    const value = run(...inputs);
    const chosen = argnums === undefined ? inputs : argnums.map((i) => inputs[i]!);
    return { value, gradients: gradients(value, chosen) };
  };
}

/** Like `valueAndGrad`, giving the gradients alone. */
export function grad(
  run: (...inputs: Tensor[]) => Tensor,
  argnums?: readonly number[],
): (...inputs: Tensor[]) => Tensor[] {
  const both = valueAndGrad(run, argnums);
  return (...inputs) => both(...inputs).gradients;
}
