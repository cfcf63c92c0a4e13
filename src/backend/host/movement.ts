import type { PrimitiveName } from "../../ir/graph.ts";
import { stridesOf } from "../../ir/shape.ts";
import type { Kernel } from "./kernel.ts";
import { copyView, denseView } from "./stride.ts";

/** Dot product of two short vectors: the flat position of an index. */
function position(index: readonly number[], strides: readonly number[]): number {
  return index.reduce((sum, at, axis) => sum + at * strides[axis]!, 0);
}

export const movementKernels = {
  broadcast: ({ inputs: [x], outputs: [y], params }) => {
    const strides = new Array<number>(params.shape.length).fill(0);
    const own = stridesOf(x!.shape);
    params.dims.forEach((dim, axis) => {
      if (x!.shape[axis] !== 1) strides[dim] = own[axis]!;
    });
    copyView(y!.shape, x!.data, { offset: 0, strides }, y!.data, denseView(y!.shape));
  },
  reshape: ({ inputs: [x], outputs: [y] }) => y!.data.set(x!.data),
  transpose: ({ inputs: [x], outputs: [y], params }) => {
    const own = stridesOf(x!.shape);
    const from = { offset: 0, strides: params.permutation.map((axis) => own[axis]!) };
    copyView(y!.shape, x!.data, from, y!.data, denseView(y!.shape));
  },
  slice: ({ inputs: [x], outputs: [y], params }) => {
    const own = stridesOf(x!.shape);
    const strides = own.map((stride, axis) => stride * params.strides[axis]!);
    copyView(y!.shape, x!.data, { offset: position(params.starts, own), strides }, y!.data, denseView(y!.shape));
  },
  concatenate: ({ inputs, outputs: [y], params }) => {
    const strides = stridesOf(y!.shape);
    let start = 0;
    for (const x of inputs) {
      const to = { offset: start * strides[params.axis]!, strides };
      copyView(x.shape, x.data, denseView(x.shape), y!.data, to);
      start += x.shape[params.axis]!;
    }
  },
  pad: ({ inputs: [x], outputs: [y], params }) => {
    const own = stridesOf(y!.shape);
    const strides = own.map((stride, axis) => stride * (params.interior[axis]! + 1));
    copyView(x!.shape, x!.data, denseView(x!.shape), y!.data, { offset: position(params.low, own), strides });
  },
} satisfies { [P in PrimitiveName]?: Kernel<P> };
