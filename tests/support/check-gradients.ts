/** @file Derived gradients against central differences, in double precision on the reference engine. */
import { vjp } from "../../src/autodiff/grad.ts";
import { evaluateGraph } from "../../src/backend/reference/evaluate.ts";
import { Random } from "../../src/base/random.ts";
import { type HostTensor, isFloat } from "../../src/ir/dtype.ts";
import { sizeOf, tensorType } from "../../src/ir/shape.ts";
import { verifyGraph } from "../../src/ir/verify.ts";
import { decompose } from "../../src/tensor/decompose/decompose.ts";
import { constant } from "../../src/tensor/elementwise.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { type Tensors, trace } from "../../src/tensor/trace.ts";

export type TestedFunction = (inputs: readonly Tensor[]) => readonly Tensor[];

export interface CheckOptions {
  /** Half the distance of the two points of a difference. */
  readonly step?: number;
  /** Largest allowed error, relative to the largest entry of the gradient (at least 1). */
  readonly tolerance?: number;
}

/** A cotangent of independent normal numbers: a sum would hide errors that cancel over the elements. */
function randomCotangent(index: number, size: number): Float64Array {
  const random = new Random(77, "cotangent", index);
  return Float64Array.from({ length: size }, () => random.nextNormal());
}

/** Graph outputs by position. */
export const named = (tensors: readonly Tensor[]): Tensors =>
  Object.fromEntries(tensors.map((tensor, i) => [`y${i}`, tensor]));

/** The cotangents of all float inputs for random cotangents of all float outputs, inside a trace. */
export function pullBackRandom(run: TestedFunction, inputs: readonly Tensor[]): Tensor[] {
  const outputs = run(inputs).filter(({ dtype }) => isFloat(dtype));
  const cotangents = outputs.map((y, i) => constant(randomCotangent(i, y.size), y.dtype, y.shape));
  return vjp(
    outputs,
    inputs.filter(({ dtype }) => isFloat(dtype)),
    cotangents,
  );
}

/** Derived gradients of all float inputs for the random cotangents. */
export function derivedGradients(run: TestedFunction, inputs: readonly HostTensor[]): HostTensor[] {
  const types = Object.fromEntries(inputs.map((x, i) => [`x${i}`, tensorType(x.dtype, x.shape)]));
  const graph = trace("gradient", types, (symbols) => named(pullBackRandom(run, Object.values(symbols))));
  verifyGraph(graph);
  return evaluateGraph(decompose(graph), inputs);
}

/** Compares every derived gradient with central differences; gives what differs, in words. */
export function gradientErrors(
  run: TestedFunction,
  inputs: readonly HostTensor[],
  options: CheckOptions = {},
): string[] {
  const { step = 1e-5, tolerance = 1e-7 } = options;
  const types = Object.fromEntries(inputs.map((x, i) => [`x${i}`, tensorType(x.dtype, x.shape)]));
  const forward = decompose(
    trace("forward", types, (symbols) => named(run(Object.values(symbols)).filter(({ dtype }) => isFloat(dtype)))),
  );
  const cotangents = forward.outputs.map(({ value }, i) => randomCotangent(i, sizeOf(value.shape)));
  const objective = (): number =>
    evaluateGraph(forward, points).reduce(
      (total, { data }, i) => [...data].reduce((sum, y, k) => sum + y * cotangents[i]![k]!, total),
      0,
    );
  const points = inputs.map((x) => ({ ...x, data: x.data.slice() }));
  const derived = derivedGradients(run, inputs);
  const errors: string[] = [];
  points
    .filter(({ dtype }) => isFloat(dtype))
    .forEach((point, i) => {
      const gradient = derived[i]!.data;
      const largest = [...gradient].reduce((most, x) => Math.max(most, Math.abs(x)), 1);
      for (let k = 0; k < point.data.length; k++) {
        const x = point.data[k]!;
        point.data[k] = x + step;
        const above = objective();
        point.data[k] = x - step;
        const below = objective();
        point.data[k] = x;
        const difference = (above - below) / (2 * step);
        if (!(Math.abs(difference - gradient[k]!) <= tolerance * largest)) {
          errors.push(`operand ${i}, element ${k}: derived ${gradient[k]}, difference ${difference}`);
        }
      }
    });
  return errors;
}
