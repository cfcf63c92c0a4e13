/** @file Primitives that make or move elements; most are views. */
import { dtypeBytes } from "../../../ir/dtype.ts";
import type { NodeOf, PrimitiveName, Value } from "../../../ir/graph.ts";
import { sizeOf } from "../../../ir/shape.ts";
import type { LowerContext, Rule } from "./context.ts";
import { hostPrimitive } from "./host.ts";
import { broadcastView, type Ref, reshapeView, sliceView, transposeView } from "./ref.ts";

const constant: Rule<"constant"> = (context, { outputs: [y], params: { dtype, shape, data } }) => {
  // A number that fills a large tensor is stored once and repeated.
  const uniform = data.length > 1 && data.every((value) => Object.is(value, data[0]));
  if (!uniform) {
    context.define(y!, context.emitter.constant({ dtype, shape, data }));
    return;
  }
  const one = context.emitter.constant({ dtype, shape: [], data: data.slice(0, 1) });
  context.define(y!, broadcastView(one, shape, []));
};

const reshape: Rule<"reshape"> = (context, { inputs: [x], outputs: [y], params: { shape } }) => {
  const waiting = context.takeWaiting(x!);
  if (waiting?.canWait(y!) === true) {
    context.putWaiting(y!, waiting.reshaped(shape));
    return;
  }
  if (waiting !== undefined) context.putWaiting(x!, waiting);
  context.define(y!, context.reshaped(context.exact(x!), shape));
};

const slice: Rule<"slice"> = (context, { inputs: [x], outputs: [y], params: { starts, strides } }) => {
  const ref = context.exact(x!);
  context.define(y!, sliceView(ref, starts, y!.shape, strides, dtypeBytes[ref.dtype]));
};

/** The part of a concatenation that begins at `start`. */
export function partOf(whole: Ref, axis: number, start: number, size: number): Ref {
  const starts = whole.shape.map((_, i) => (i === axis ? start : 0));
  const ones = whole.shape.map(() => 1);
  return sliceView(whole, starts, whole.shape.with(axis, size), ones, dtypeBytes[whole.dtype]);
}

/** Values side by side along an axis of the result; those that lie there already are not moved. */
export function concatenateInto(context: LowerContext, y: Value, parts: readonly Value[], axis: number): void {
  const target = context.target(y);
  let start = 0;
  for (const part of parts) {
    const size = part.shape[axis]!;
    if (sizeOf(part.shape) > 0) context.write(part, partOf(target, axis, start, size));
    start += size;
  }
  context.define(y, target);
}

const pad: Rule<"pad"> = (context, { inputs: [x], outputs: [y], params: { low, interior } }) => {
  const target = context.target(y!);
  context.emitter.host("zero", {}, [], [target]);
  if (sizeOf(x!.shape) > 0) {
    const steps = interior.map((count) => count + 1);
    context.write(x!, sliceView(target, low, x!.shape, steps, dtypeBytes[target.dtype]));
  }
  context.define(y!, target);
};

/** Entries of an axis by index. @param x the table, in its own or a wider dtype */
function lookUp(context: LowerContext, y: Value, x: Ref, indices: Value, axis: number): void {
  const count = sizeOf(indices.shape);
  const dims = [sizeOf(x.shape.slice(0, axis)), x.shape[axis]!, sizeOf(x.shape.slice(axis + 1))];
  const target = context.target(y);
  const view = reshapeView(target, dims.with(1, count));
  // Rows are copied as they are; a narrower dtype comes in one pass over the result.
  const direct = x.dtype === target.dtype && (view?.strides[2] === 1 || dims[2] === 1) ? view : undefined;
  const written = direct ?? context.emitter.allocate(x.dtype, dims.with(1, count));
  const rows = context.reshaped(context.ref(indices), [count]);
  context.emitter.host("gather", {}, [context.reshaped(context.dense(x), dims), rows], [written]);
  if (direct === undefined) context.copy(context.reshaped(written, target.shape), target);
  context.define(y, target);
}

const gather: Rule<"gather"> = (context, node) => {
  const [x, indices] = node.inputs as readonly [Value, Value];
  const [y] = node.outputs as readonly [Value];
  if (sizeOf(y.shape) === 0) {
    hostPrimitive(context, node);
    return;
  }
  lookUp(context, y, context.exact(x), indices, node.params.axis);
};

/** Rows of a table; a bf16 copy of a table is not made for it. */
export const embedding = (context: LowerContext, node: NodeOf<"embedding">): void => {
  const [table, ids] = node.inputs as readonly [Value, Value];
  lookUp(context, node.outputs[0]!, context.floatRef(table), ids, 0);
};

export const movementRules = {
  constant,
  reshape,
  slice,
  pad,
  gather,
  broadcast: (context, { inputs: [x], outputs: [y], params: { shape, dims } }) =>
    context.define(y!, broadcastView(context.exact(x!), shape, dims)),
  transpose: (context, { inputs: [x], outputs: [y], params: { permutation } }) =>
    context.define(y!, transposeView(context.exact(x!), permutation)),
  concatenate: (context, { inputs, outputs: [y], params: { axis } }) => concatenateInto(context, y!, inputs, axis),
} satisfies { readonly [P in PrimitiveName]?: Rule<P> };
