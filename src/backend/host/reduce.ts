import { isInteger } from "../../ir/dtype.ts";
import type { PrimitiveName } from "../../ir/graph.ts";
import type { Kernel } from "./kernel.ts";
import type { Data, Tensor } from "./storage.ts";
import { otherAxes, permutedData } from "./stride.ts";

type Fold = (data: Data, start: number, end: number) => number;

/** Folds the entries along the axes into one number for each index of the other axes. */
function fold(x: Tensor, axes: readonly number[], target: Data, combine: Fold): void {
  const data = permutedData(x, [...otherAxes(x.shape, axes), ...axes]);
  const length = axes.reduce((product, axis) => product * x.shape[axis]!, 1);
  for (let i = 0; i < target.length; i++) target[i] = combine(data, i * length, (i + 1) * length);
}

const sum: Fold = (data, start, end) => {
  let total = 0;
  for (let i = start; i < end; i++) total += data[i]!;
  return total;
};

const wrappingSum: Fold = (data, start, end) => {
  let total = 0;
  for (let i = start; i < end; i++) total = (total + data[i]!) | 0;
  return total;
};

const maximum: Fold = (data, start, end) => {
  let best = -Infinity;
  for (let i = start; i < end; i++) best = Math.max(best, data[i]!);
  return best;
};

const firstMaximum: Fold = (data, start, end) => {
  let best = start;
  for (let i = start + 1; i < end; i++) if (data[i]! > data[best]!) best = i;
  return best - start;
};

export const reduceKernels = {
  reduceSum: ({ inputs: [x], outputs: [y], params }) =>
    fold(x!, params.axes, y!.data, isInteger(x!.dtype) ? wrappingSum : sum),
  reduceMax: ({ inputs: [x], outputs: [y], params }) => fold(x!, params.axes, y!.data, maximum),
  argMax: ({ inputs: [x], outputs: [y], params }) => fold(x!, [params.axis], y!.data, firstMaximum),
} satisfies { [P in PrimitiveName]?: Kernel<P> };
