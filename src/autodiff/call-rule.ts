import { internalError } from "../base/errors.ts";
import type { CompositeName, Value } from "../ir/graph.ts";
import { CustomRule } from "../tensor/call.ts";
import { expand } from "../tensor/decompose/table.ts";
import { inline } from "../tensor/inline.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { currentBuilder } from "../tensor/trace.ts";
import { add, barrier, zeros } from "./ops.ts";
import type { VjpFacts, VjpRule } from "./rule.ts";

/** Emits a function of the operands again and carries the cotangents back through what it emitted. */
function pullBack(
  facts: VjpFacts<CompositeName>,
  operands: readonly Tensor[],
  run: (inputs: readonly Tensor[]) => readonly Tensor[],
): (Tensor | undefined)[] {
  const builder = currentBuilder();
  const start = builder.nodes.length;
  const results = run(operands);
  const seeds = new Map<Value, Tensor>();
  results.forEach((result, i) => {
    const cotangent = facts.cotangents[i];
    if (cotangent === undefined) return;
    const before = seeds.get(result.value);
    seeds.set(result.value, before === undefined ? cotangent : add(before, cotangent));
  });
  const cotangents = facts.backpropagate(
    builder.nodes.slice(start),
    seeds,
    operands.map(({ value }) => value),
  );
  return cotangents.map((cotangent, i) => (facts.wanted[i] ? cotangent : undefined));
}

/** Each operand as a value of its own, so that an operand used twice gets two cotangents. */
function distinct(operands: readonly Tensor[]): Tensor[] {
  const seen = new Set<Value>();
  return operands.map((operand) => {
    if (seen.has(operand.value)) return barrier(operand);
    seen.add(operand.value);
    return operand;
  });
}

/** Differentiates a composite through its decomposition. */
export const decomposed: VjpRule<CompositeName> = (facts) =>
  pullBack(facts, distinct(facts.inputs), (inputs) => expand(facts.node.op, inputs, facts.params as never));

/** Checkpoints run again behind barriers; functions with a gradient of their own are asked for it. */
export const callRule: VjpRule<"call"> = (facts) => {
  const { params, inputs, outputs, cotangents } = facts;
  if (params.kind === "checkpoint") {
    return pullBack(facts, inputs.map(barrier), (operands) => inline(params.body, operands));
  }
  if (!(params.rule instanceof CustomRule)) throw internalError(`call "${params.name}" has no gradient`);
  const filled = outputs.map((y, i) => cotangents[i] ?? zeros(y.shape, y.dtype));
  const given = params.rule.vjp({ inputs, outputs, cotangents: filled });
  if (given.length !== inputs.length) {
    throw internalError(`customGradient "${params.name}" gave ${given.length} gradients for ${inputs.length} inputs`);
  }
  return given;
};
