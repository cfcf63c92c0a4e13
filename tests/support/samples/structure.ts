import type { OpName } from "../../../src/ir/graph.ts";
import { anyI32, anyU32, below, bool, direct, float, given, i32, type Sample, u32 } from "./sample.ts";

const dims = (lhsBatch: number[], rhsBatch: number[], lhsContract: number[], rhsContract: number[]) => ({
  lhsBatch,
  rhsBatch,
  lhsContract,
  rhsContract,
});

/** Samples of sources, products, reductions, movements and indexing. */
export const structureSamples = {
  constant: [
    direct(
      "constant",
      (dtype) => ({
        dtype,
        shape: [2, 3],
        data: (dtype === "f32" ? Float32Array : Float64Array).of(1, -2, 0.5, 1e-8, 1e8, 3),
      }),
      [],
    ),
    direct("constant", { dtype: "i32", shape: [], data: Int32Array.of(-0x80000000) }, []),
    direct("constant", { dtype: "u32", shape: [2], data: Uint32Array.of(0xffffffff, 1) }, []),
    direct("constant", { dtype: "bool", shape: [3], data: Uint8Array.of(1, 0, 1) }, []),
    direct("constant", { dtype: "f32", shape: [0, 2], data: new Float32Array(0) }, []),
  ],
  iota: (["f32", "i32", "u32"] as const).flatMap((dtype) => [
    direct("iota", { dtype, shape: [5], axis: 0 }, []),
    direct("iota", { dtype, shape: [3, 1, 4], axis: 2 }, []),
    direct("iota", { dtype, shape: [3, 2, 4], axis: 0 }, []),
  ]),
  dot: [
    direct("dot", dims([], [], [1], [0]), [float([3, 5]), float([5, 7])]),
    direct("dot", dims([], [], [0], [1]), [float([5, 3]), float([7, 5])], { title: "both transposed" }),
    direct("dot", dims([], [], [1], [1]), [float([1, 9]), float([1, 9])], { title: "size 1" }),
    direct("dot", dims([], [], [0], [0]), [float([9]), float([9])], { title: "vectors" }),
    direct("dot", dims([], [], [], []), [float([3]), float([2, 2])], { title: "outer product" }),
    direct("dot", dims([], [], [], []), [float([]), float([])], { title: "scalars" }),
    direct("dot", dims([0], [0], [2], [1]), [float([2, 3, 4]), float([2, 4, 5])], { title: "batched" }),
    direct("dot", dims([0, 2], [0, 2], [3], [3]), [float([2, 3, 2, 4]), float([2, 5, 2, 4])], { title: "heads" }),
    direct("dot", dims([0, 1], [0, 2], [3], [1]), [float([2, 2, 3, 5]), float([2, 5, 2, 4])], { title: "mixing" }),
    direct("dot", dims([1, 0], [0, 1], [], []), [float([2, 3, 2]), float([3, 2, 2])], { title: "crossed batches" }),
    direct("dot", dims([], [], [0, 2], [2, 0]), [float([2, 3, 4]), float([4, 5, 2])], {
      title: "two contracted, crossed",
    }),
    direct("dot", dims([], [], [2], [1]), [float([2, 3, 4]), float([5, 4])], { title: "linear" }),
    direct("dot", dims([], [], [0, 1], [0, 1]), [float([2, 3, 4]), float([2, 3, 5])], { title: "weight gradient" }),
    direct("dot", dims([], [], [1], [0]), [float([3, 0]), float([0, 2])], { title: "empty sum" }),
    direct("dot", dims([], [], [1], [0]), [float([0, 3]), float([3, 2])], { title: "no rows" }),
  ],
  reduceSum: [
    ...[[0], [1], [2], [0, 2], [0, 1, 2], []].map((axes) =>
      direct("reduceSum", { axes }, [float([3, 4, 5])], { title: `axes ${axes}` }),
    ),
    direct("reduceSum", { axes: [1] }, [float([3, 1])]),
    direct("reduceSum", { axes: [0] }, [float([0, 3])]),
    direct("reduceSum", { axes: [1] }, [i32([2, 5], anyI32)]),
    direct("reduceSum", { axes: [1, 0] }, [float([3, 2])], { title: "axes out of order" }),
  ],
  reduceMax: [
    ...[[0], [1], [2], [0, 2], [0, 1, 2]].map((axes) =>
      direct("reduceMax", { axes }, [float([3, 4, 5])], { title: `axes ${axes}` }),
    ),
    direct("reduceMax", { axes: [1] }, [float([2, 3], given(-5, -Infinity, -7))], {
      title: "negative",
      noGradient: "infinite",
    }),
    direct("reduceMax", { axes: [0] }, [i32([7, 2], anyI32)]),
  ],
  argMax: [
    direct("argMax", { axis: 1 }, [float([3, 7])]),
    direct("argMax", { axis: 0 }, [float([4, 2, 3])]),
    direct("argMax", { axis: 0 }, [float([6], given(1, 3, 2, 3, 0, 3))], { title: "first of equals" }),
    direct("argMax", { axis: 1 }, [i32([3, 5], below(4))]),
  ],
  broadcast: [
    direct("broadcast", { shape: [4, 3], dims: [1] }, [float([3])]),
    direct("broadcast", { shape: [3, 4], dims: [0] }, [float([3])]),
    direct("broadcast", { shape: [2, 3, 4], dims: [0, 2] }, [float([2, 4])]),
    direct("broadcast", { shape: [2, 3, 4], dims: [1, 2] }, [float([3, 1])]),
    direct("broadcast", { shape: [2, 2], dims: [] }, [float([])]),
    direct("broadcast", { shape: [0, 2], dims: [1] }, [float([2])]),
    direct("broadcast", { shape: [3, 2], dims: [1] }, [i32([2], anyI32)]),
    direct("broadcast", { shape: [3, 2], dims: [1] }, [u32([2], anyU32)]),
    direct("broadcast", { shape: [3, 2], dims: [1] }, [bool([2])]),
  ],
  reshape: [
    direct("reshape", { shape: [6, 2] }, [float([3, 4])]),
    direct("reshape", { shape: [1] }, [float([])]),
    direct("reshape", { shape: [] }, [float([1, 1])]),
    direct("reshape", { shape: [3, 0] }, [float([0, 2])]),
    direct("reshape", { shape: [4] }, [u32([2, 2], anyU32)]),
    direct("reshape", { shape: [4] }, [bool([2, 2])]),
  ],
  transpose: [
    direct("transpose", { permutation: [1, 0] }, [float([3, 5])]),
    direct("transpose", { permutation: [2, 0, 1] }, [float([2, 3, 4])]),
    direct("transpose", { permutation: [0, 2, 1, 3] }, [float([2, 3, 1, 4])]),
    direct("transpose", { permutation: [1, 0] }, [i32([2, 3], anyI32)]),
    direct("transpose", { permutation: [1, 0] }, [u32([2, 3], anyU32)]),
    direct("transpose", { permutation: [1, 0] }, [float([0, 3])]),
  ],
  slice: [
    direct("slice", { starts: [1], limits: [6], strides: [2] }, [float([7])]),
    direct("slice", { starts: [0, 2], limits: [3, 3], strides: [1, 1] }, [float([3, 4])]),
    direct("slice", { starts: [1, 0, 1], limits: [2, 4, 5], strides: [1, 3, 2] }, [float([2, 4, 5])]),
    direct("slice", { starts: [2], limits: [2], strides: [1] }, [float([5])], { title: "nothing" }),
    direct("slice", { starts: [1], limits: [4], strides: [1] }, [u32([5], anyU32)]),
    direct("slice", { starts: [1], limits: [4], strides: [1] }, [bool([5])]),
  ],
  concatenate: [
    direct("concatenate", { axis: 0 }, [float([2, 3]), float([1, 3]), float([3, 3])]),
    direct("concatenate", { axis: 1 }, [float([2, 3]), float([2, 1])]),
    direct("concatenate", { axis: 1 }, [float([2, 0]), float([2, 2])], { title: "an empty part" }),
    direct("concatenate", { axis: 2 }, [float([2, 1, 2]), float([2, 1, 3])]),
    direct("concatenate", { axis: 0 }, [u32([1], anyU32), u32([1], anyU32)]),
  ],
  pad: [
    direct("pad", { low: [1], high: [2], interior: [0] }, [float([4])]),
    direct("pad", { low: [0], high: [0], interior: [2] }, [float([4])], { title: "interior" }),
    direct("pad", { low: [1, 0], high: [0, 2], interior: [0, 1] }, [float([2, 3])], { title: "two axes" }),
    direct("pad", { low: [1, 2], high: [1, 0], interior: [0, 0] }, [float([0, 2])], { title: "empty" }),
    direct("pad", { low: [1], high: [1], interior: [0] }, [i32([3], anyI32)]),
  ],
  gather: [
    direct("gather", { axis: 0 }, [float([5, 3]), i32([4], below(5))]),
    direct("gather", { axis: 1 }, [float([2, 5, 3]), i32([2, 2], below(5))]),
    direct("gather", { axis: 1 }, [float([3, 4]), i32([6], below(4))], { title: "last axis" }),
    direct("gather", { axis: 0 }, [float([5]), i32([], below(5))], { title: "scalar index" }),
    direct("gather", { axis: 0 }, [float([5, 2]), i32([0], below(5))], { title: "no index" }),
    direct("gather", { axis: 0 }, [i32([5, 2], anyI32), i32([3], below(5))]),
  ],
  scatterAdd: [
    direct("scatterAdd", { axis: 0 }, [float([5, 3]), i32([8], below(5)), float([8, 3])]),
    direct("scatterAdd", { axis: 1 }, [float([2, 5, 3]), i32([2, 2], below(5)), float([2, 2, 2, 3])]),
    direct("scatterAdd", { axis: 1 }, [float([3, 4]), i32([6], below(4)), float([3, 6])], { title: "last axis" }),
    direct("scatterAdd", { axis: 0 }, [float([5]), i32([], below(5)), float([])], { title: "scalar index" }),
    direct("scatterAdd", { axis: 0 }, [float([5, 2]), i32([0], below(5)), float([0, 2])], { title: "no index" }),
  ],
  randomBits: [[], [7], [3, 5], [0], [257]].map((shape) =>
    direct("randomBits", { shape }, [u32([2], anyU32)], { title: `[${shape}]` }),
  ),
} satisfies { readonly [P in OpName]?: readonly Sample[] };
