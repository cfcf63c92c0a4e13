/** @file Rows added at indices: gradients of lookups, which join other gradients in place where they can. */
import { type DType, isFloat } from "../../../ir/dtype.ts";
import type { NodeOf, PrimitiveName, Value } from "../../../ir/graph.ts";
import { type Shape, sizeOf } from "../../../ir/shape.ts";
import type { LowerContext, Rule, Waiting } from "./context.ts";
import { hostPrimitive } from "./host.ts";
import { type Ref, reshapeView } from "./ref.ts";

/** Updates that wait for the sum they go into. */
export class Scatter implements Waiting {
  private readonly context: LowerContext;
  private readonly indices: Ref;
  /** [outer, number of indices, inner] in some shape. */
  private readonly updates: Value;
  /** [outer, size of the axis, inner] */
  private readonly dims: Shape;
  readonly shape: Shape;

  constructor(context: LowerContext, indices: Ref, updates: Value, dims: Shape, shape: Shape) {
    this.context = context;
    this.indices = indices;
    this.updates = updates;
    this.dims = dims;
    this.shape = shape;
  }

  reshaped(shape: Shape): Scatter {
    return new Scatter(this.context, this.indices, this.updates, this.dims, shape);
  }

  /** Adds to what the target holds; the target is dense. */
  addTo(target: Ref): void {
    this.run(target, false);
  }

  /** Writes zeros with the updates added. */
  emit(target: Ref): Ref {
    this.run(target, true);
    return target;
  }

  private run(target: Ref, isFresh: boolean): void {
    const place = reshapeView(target, this.dims);
    const inputs = [this.indices, this.updatesIn(target.dtype)];
    if (place !== undefined && (place.strides[2] === 1 || place.shape[2] === 1)) {
      this.context.emitter.host("scatterAdd", { isFresh }, inputs, [place]);
      return;
    }
    const dense = this.context.emitter.allocate(target.dtype, this.dims);
    if (!isFresh) this.context.copy(target, reshapeView(dense, target.shape)!);
    this.context.emitter.host("scatterAdd", { isFresh }, inputs, [dense]);
    this.context.copy(reshapeView(dense, target.shape)!, target);
  }

  /** The updates in the dtype that they are added in. */
  private updatesIn(dtype: DType): Ref {
    const { context, updates, dims, indices } = this;
    const ref = isFloat(dtype) ? context.floatAs(updates, dtype) : context.exact(updates);
    return context.reshaped(context.dense(ref), dims.with(1, indices.shape[0]!));
  }

  /** Whether a value may be left waiting: what follows is a sum. */
  canWait(value: Value): boolean {
    const { context } = this;
    const reader = context.soleReader(value);
    if (reader === undefined) return false;
    if (reader.op === "reshape") return this.canWait(reader.outputs[0]!);
    if (reader.op === "convert")
      return context.storageOf(value) === reader.params.dtype && this.canWait(reader.outputs[0]!);
    return reader.op === "add";
  }
}

export function defineScatter(context: LowerContext, value: Value, scatter: Scatter): void {
  if (scatter.canWait(value)) context.putWaiting(value, scatter);
  else context.define(value, scatter.emit(context.target(value)));
}

/** Whether all elements are the constant 0. */
function isZero(context: LowerContext, value: Value): boolean {
  const node = context.origin(value);
  if (node?.op === "broadcast" || node?.op === "reshape" || node?.op === "convert") {
    return isZero(context, node.inputs[0]!);
  }
  return node?.op === "constant" && node.params.data.every((bits) => bits === 0);
}

const scatterAdd: Rule<"scatterAdd"> = (context, node) => {
  const [x, indices, updates] = node.inputs as readonly [Value, Value, Value];
  const [y] = node.outputs as readonly [Value];
  if (sizeOf(y.shape) === 0) {
    hostPrimitive(context, node);
    return;
  }
  const { axis } = node.params;
  const dims = [sizeOf(x.shape.slice(0, axis)), x.shape[axis]!, sizeOf(x.shape.slice(axis + 1))];
  const scatter = new Scatter(
    context,
    context.reshaped(context.ref(indices), [sizeOf(indices.shape)]),
    updates,
    dims,
    y.shape,
  );
  if (isZero(context, x)) {
    defineScatter(context, y, scatter);
    return;
  }
  const target = context.target(y);
  context.write(x, target);
  scatter.addTo(target);
  context.define(y, target);
};

export const embeddingGrad = (context: LowerContext, node: NodeOf<"embeddingGrad">): void => {
  const [ids, dOut] = node.inputs as readonly [Value, Value];
  const [y] = node.outputs as readonly [Value];
  const count = sizeOf(ids.shape);
  const dims = [1, node.params.rows, dOut.shape.at(-1)!];
  const indices = context.reshaped(context.ref(ids), [count]);
  defineScatter(context, y, new Scatter(context, indices, dOut, dims, y.shape));
};

export const scatterRules = { scatterAdd } satisfies { readonly [P in PrimitiveName]?: Rule<P> };
