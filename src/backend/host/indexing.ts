import { BackendError } from "../../base/errors.ts";
import { isFloat } from "../../ir/dtype.ts";
import type { PrimitiveName } from "../../ir/graph.ts";
import { formatType, sizeOf } from "../../ir/shape.ts";
import type { Kernel } from "./kernel.ts";
import type { Tensor } from "./storage.ts";

function checkIndices(op: string, x: Tensor, indices: Tensor, axis: number): void {
  const size = x.shape[axis]!;
  const place = indices.data.findIndex((index) => index < 0 || index >= size);
  if (place < 0) return;
  const index = indices.data[place]!;
  throw new BackendError(`index ${index} (element ${place}) lies outside axis ${axis} of ${formatType(x)}.`, {
    code: "INDEX_OUT_OF_RANGE",
    path: op,
    details: { index, place, axis },
  });
}

/** Calls back for each pair of an entry along the axis and its index: positions and length of a contiguous run. */
function eachRun(
  x: Tensor,
  indices: Tensor,
  axis: number,
  visit: (at: number, entry: number, n: number) => void,
): void {
  const outer = sizeOf(x.shape.slice(0, axis));
  const inner = sizeOf(x.shape.slice(axis + 1));
  const count = indices.data.length;
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < count; i++) {
      visit((o * x.shape[axis]! + indices.data[i]!) * inner, (o * count + i) * inner, inner);
    }
  }
}

export const indexingKernels = {
  gather: ({ inputs: [x, indices], outputs: [y], params }) => {
    checkIndices("gather", x!, indices!, params.axis);
    eachRun(x!, indices!, params.axis, (at, entry, n) => {
      for (let i = 0; i < n; i++) y!.data[entry + i] = x!.data[at + i]!;
    });
  },
  scatterAdd: ({ inputs: [x, indices, updates], outputs: [y], params }) => {
    checkIndices("scatterAdd", x!, indices!, params.axis);
    // Many updates may meet in one element: floats are summed in double precision and rounded once.
    const sums = isFloat(x!.dtype) ? Float64Array.from(x!.data) : x!.data.slice();
    eachRun(x!, indices!, params.axis, (at, entry, n) => {
      for (let i = 0; i < n; i++) sums[at + i]! += updates!.data[entry + i]!;
    });
    y!.data.set(sums);
  },
} satisfies { [P in PrimitiveName]?: Kernel<P> };
