/** @file Primitives that make or move elements. */
import { dtypeBytes } from "../../../ir/dtype.ts";
import type { PrimitiveName } from "../../../ir/graph.ts";
import { type Shape, sizeOf } from "../../../ir/shape.ts";
import type { Rule } from "./context.ts";
import type { Emitter, Ref } from "./emitter.ts";

/** Above this many elements, an index range is computed in the graph instead of stored in the model. */
const STORED_RANGE = 4096;

/** 0, 1, …, count − 1. */
export function range(emitter: Emitter, count: number): Ref {
  if (count <= STORED_RANGE)
    return emitter.constant(
      "i32",
      [count],
      Int32Array.from({ length: count }, (_, i) => i),
    );
  const [start, limit, step] = [0, count, 1].map((value) => emitter.scalar("i32", value));
  return emitter.op("Range", [start, limit, step], { dtype: "i32", shape: [count] });
}

const iota: Rule<"iota"> = ({ emitter }, { params: { dtype, shape, axis } }) => {
  const indices = emitter.cast(range(emitter, shape[axis]!), dtype);
  const narrow = emitter.reshape(
    indices,
    shape.map((size, i) => (i === axis ? size : 1)),
  );
  return [emitter.expand(narrow, shape)];
};

const broadcast: Rule<"broadcast"> = (context, node) => [
  context.emitter.expand(context.narrow(node.outputs[0]!), node.params.shape),
];

const slice: Rule<"slice"> = (context, { inputs, outputs, params: { starts, limits, strides } }) => {
  const x = context.ref(inputs[0]!);
  const axes = x.shape.flatMap((size, axis) =>
    starts[axis] === 0 && limits[axis] === size && strides[axis] === 1 ? [] : [axis],
  );
  if (axes.length === 0) return [x];
  const picked = [starts, limits, axes.map(() => 0), strides].map((list, i) =>
    context.emitter.ints(i === 2 ? axes : axes.map((axis) => list[axis]!)),
  );
  return [context.emitter.op("Slice", [x, ...picked], { dtype: x.dtype, shape: outputs[0]!.shape })];
};

export function concatenate(emitter: Emitter, parts: readonly Ref[], axis: number): Ref {
  const [first] = parts as readonly [Ref];
  if (parts.length === 1) return first;
  const total = parts.reduce((sum, { shape }) => sum + shape[axis]!, 0);
  const shape = first.shape.map((size, i) => (i === axis ? total : size));
  return emitter.op("Concat", parts, { dtype: first.dtype, shape }, { axis: { int: axis } });
}

/** Zeros around; bool has no Pad kernel of its own everywhere, so it goes through u8. */
function padEdges(emitter: Emitter, x: Ref, low: Shape, high: Shape): Ref {
  if (low.every((count) => count === 0) && high.every((count) => count === 0)) return x;
  const shape = x.shape.map((size, i) => low[i]! + size + high[i]!);
  return emitter.op("Pad", [x, emitter.ints([...low, ...high])], { dtype: x.dtype, shape });
}

/** Spreads the elements of one axis: `count` zeros after each, the last one included. */
function padInside(emitter: Emitter, x: Ref, axis: number, count: number): Ref {
  const apart = [...x.shape.slice(0, axis + 1), 1, ...x.shape.slice(axis + 1)];
  const none = apart.map(() => 0);
  const padded = padEdges(emitter, emitter.reshape(x, apart), none, none.with(axis + 1, count));
  return emitter.reshape(padded, x.shape.with(axis, x.shape[axis]! * (count + 1)));
}

const pad: Rule<"pad"> = (context, { inputs, outputs, params: { low, high, interior } }) => {
  const { emitter } = context;
  const given = context.ref(inputs[0]!);
  let x = given.dtype === "bool" ? emitter.cast(given, "u8") : given;
  const trailing = x.shape.map(() => 0);
  interior.forEach((count, axis) => {
    if (count === 0 || x.shape[axis]! <= 1) return;
    x = padInside(emitter, x, axis, count);
    trailing[axis] = count;
  });
  if (trailing.some((count) => count > 0)) {
    const shape = x.shape.map((size, axis) => size - trailing[axis]!);
    const axes = shape.map((_, axis) => axis);
    const bounds = [axes.map(() => 0), shape, axes].map((list) => emitter.ints(list));
    x = emitter.op("Slice", [x, ...bounds], { dtype: x.dtype, shape });
  }
  return [emitter.reshape(emitter.cast(padEdges(emitter, x, low, high), given.dtype), outputs[0]!.shape)];
};

const gather: Rule<"gather"> = (context, { inputs, outputs, params: { axis } }) => [
  context.emitter.op(
    "Gather",
    inputs.map((value) => context.ref(value)),
    outputs[0]!,
    { axis: { int: axis } },
  ),
];

/**
 * Adds updates at indices of one axis. Never ScatterND(add): with repeated indices and two threads its kernel
 * loses updates.
 * @param updates shaped like `x`, with one entry for each index along the axis
 */
export function scatterAddElements(emitter: Emitter, x: Ref, indices: Ref, updates: Ref, axis: number): Ref {
  const count = sizeOf(indices.shape);
  const along = emitter.reshape(
    indices,
    x.shape.map((_, i) => (i === axis ? count : 1)),
  );
  return emitter.op("ScatterElements", [x, emitter.expand(along, updates.shape), updates], x, {
    axis: { int: axis },
    reduction: { string: "add" },
  });
}

const scatterAdd: Rule<"scatterAdd"> = (context, { inputs, params: { axis } }) => {
  const { emitter } = context;
  const [x, indices, updates] = inputs.map((value) => context.ref(value)) as [Ref, Ref, Ref];
  const rows = emitter.reshape(updates, x.shape.with(axis, sizeOf(indices.shape)));
  const dtype = x.dtype === "u32" ? "i32" : x.dtype;
  const sum = scatterAddElements(emitter, emitter.cast(x, dtype), indices, emitter.cast(rows, dtype), axis);
  return [emitter.cast(sum, x.dtype)];
};

const constant: Rule<"constant"> = ({ emitter }, { params: { dtype, shape, data } }) => {
  const first = data[0];
  const uniform = data.length * dtypeBytes[dtype] > 4096 && data.every((value) => Object.is(value, first));
  if (!uniform) return [emitter.constant(dtype, shape, data)];
  return [emitter.expand(emitter.constant(dtype, [], data.slice(0, 1)), shape)];
};

export const movementRules = {
  constant,
  iota,
  broadcast,
  reshape: (context, { inputs, params }) => [context.emitter.reshape(context.ref(inputs[0]!), params.shape)],
  transpose: (context, { inputs, params }) => [context.emitter.transpose(context.ref(inputs[0]!), params.permutation)],
  slice,
  concatenate: (context, { inputs, params }) => [
    concatenate(
      context.emitter,
      inputs.map((value) => context.ref(value)),
      params.axis,
    ),
  ],
  pad,
  gather,
  scatterAdd,
} satisfies { readonly [P in PrimitiveName]?: Rule<P> };
