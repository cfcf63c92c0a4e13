import { internalError } from "../base/errors.ts";
import type { Tensor } from "./tensor.ts";
import { emit, traceClosure } from "./trace.ts";

export type TensorFunction = (...inputs: readonly Tensor[]) => Tensor | readonly Tensor[];

/** The gradient a user gave for a function of their own. */
export class CustomRule {
  readonly vjp: CustomGradient;

  constructor(vjp: CustomGradient) {
    this.vjp = vjp;
  }
}

/** Gives the cotangent of every input (undefined for none) from inputs, outputs and the outputs' cotangents. */
export type CustomGradient = (facts: {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly cotangents: readonly Tensor[];
}) => readonly (Tensor | undefined)[];

function call(name: string, run: TensorFunction, inputs: readonly Tensor[], rule: CustomRule | null): Tensor[] {
  const { graph, captured } = traceClosure(name, inputs, (symbols) => {
    const result = run(...symbols);
    return Array.isArray(result) ? (result as readonly Tensor[]) : [result as Tensor];
  });
  if (rule !== null && captured.length > 0) {
    throw internalError(`customGradient "${name}" uses outer tensors; pass them as arguments`);
  }
  const kind = rule === null ? "checkpoint" : "custom";
  return emit("call", [...inputs, ...captured], { name, body: graph, kind, rule });
}

/**
 * A function whose inner values are not kept for the backward pass but computed again there: memory for time.
 * @source Chen et al. 2016, arXiv:1604.06174
 */
export function checkpoint(run: TensorFunction, name = "checkpoint"): (...inputs: readonly Tensor[]) => Tensor[] {
  return (...inputs) => call(name, run, inputs, null);
}

/** A function with a gradient of its own in place of the derived one. */
export function customGradient(
  run: TensorFunction,
  gradient: CustomGradient,
  name = "custom",
): (...inputs: readonly Tensor[]) => Tensor[] {
  const rule = new CustomRule(gradient);
  return (...inputs) => call(name, run, inputs, rule);
}
