/** @file Matrix products that wait for the elementwise operations that follow them, and take them upon themselves. */
import { dtypeBytes } from "../../../ir/dtype.ts";
import type { OpName, Value } from "../../../ir/graph.ts";
import { type Shape, sameShape, sizeOf } from "../../../ir/shape.ts";
import type { BinaryAlgorithm, MatmulStep } from "../program.ts";
import type { LowerContext, Waiting } from "./context.ts";
import type { EltwiseFunction, Emitter, PostOpDraft } from "./emitter.ts";
import { type Ref, repeats, reshapeView } from "./ref.ts";

export interface Product {
  /** [batch…, M, K] */
  readonly source: Ref;
  /** [batch…, K, N] */
  readonly weights: Ref;
  /** N numbers. */
  readonly bias?: Ref | undefined;
  readonly scale?: number;
}

/** Axes of one size that only repeat become axes of size 1, as the library wants them. */
export function narrowed(ref: Ref): Ref {
  return { ...ref, shape: ref.shape.map((size, axis) => (ref.strides[axis] === 0 ? 1 : size)) };
}

/** A view that the library's matrix kernels read: one of the last two axes is contiguous, none repeats. */
function asMatrix(context: LowerContext, ref: Ref): Ref {
  const rank = ref.shape.length;
  const [rows, columns] = [ref.strides[rank - 2]!, ref.strides[rank - 1]!];
  const [numRows, numColumns] = [ref.shape[rank - 2]!, ref.shape[rank - 1]!];
  const byRow = (columns === 1 || numColumns === 1) && (rows >= numColumns || numRows === 1);
  const byColumn = (rows === 1 || numRows === 1) && (columns >= numRows || numColumns === 1);
  const batchRepeats = ref.shape.some((size, axis) => axis < rank - 2 && size > 1 && ref.strides[axis] === 0);
  if ((byRow || byColumn) && !batchRepeats && !repeats(ref)) return ref;
  const target = context.emitter.allocate(ref.dtype, ref.shape);
  context.copy(ref, target);
  return target;
}

/** A product with what is to be done to its elements before they are written. */
export class Pending implements Waiting {
  private readonly context: LowerContext;
  private readonly product: Product;
  private readonly postOps: readonly PostOpDraft[];
  /** [batch…, M, N] */
  readonly dims: Shape;
  /** The value's shape: the same elements. */
  readonly shape: Shape;

  constructor(
    context: LowerContext,
    product: Product,
    dims: Shape,
    shape: Shape,
    postOps: readonly PostOpDraft[] = [],
  ) {
    this.context = context;
    this.product = product;
    this.dims = dims;
    this.shape = shape;
    this.postOps = postOps;
  }

  private with(postOp: PostOpDraft): Pending {
    return new Pending(this.context, this.product, this.dims, this.shape, [...this.postOps, postOp]);
  }

  reshaped(shape: Shape): Pending {
    return new Pending(this.context, this.product, this.dims, shape, this.postOps);
  }

  eltwise({ algorithm, alpha = 0, beta = 0 }: EltwiseFunction): Pending {
    return this.with({ kind: "eltwise", algorithm, alpha, beta });
  }

  /** Combines the product with an operand of the value's shape; undefined where the kernels are slow at it. */
  binary(algorithm: BinaryAlgorithm, operand: Ref): Pending | undefined {
    if (operand.dtype !== "f32" && operand.dtype !== "bf16") return undefined;
    const view = reshapeView(operand, this.dims);
    if (view === undefined) return undefined;
    const narrow = narrowed(view);
    const isScalar = narrow.shape.every((size) => size === 1);
    const isRow = narrow.shape.every((size, axis) => size === (axis === this.dims.length - 1 ? this.dims[axis] : 1));
    const isFull = sameShape(narrow.shape, this.dims);
    if (!isScalar && !isRow && !isFull) return undefined;
    return this.with({ kind: "binary", algorithm, operand: narrow });
  }

  /** Adds an operand of the product's rank whose axes of size 1 repeat. */
  plus(operand: Ref): Pending {
    return this.with({ kind: "binary", algorithm: "add", operand });
  }

  /** Writes the result and gives the value. @param target of the value's shape */
  emit(target: Ref): Ref {
    const { context, dims } = this;
    const view = reshapeView(target, dims);
    const rank = dims.length;
    const writable = view !== undefined && (view.strides[rank - 1] === 1 || dims[rank - 1] === 1);
    const place = writable ? view : context.emitter.allocate(target.dtype, dims);
    this.write(place);
    if (!writable) context.copy(reshapeView(place, target.shape)!, target);
    return target;
  }

  canWait(value: Value): boolean {
    return waits(this.context, value);
  }

  private write(target: Ref): void {
    const { context, postOps } = this;
    const { source, weights, bias, scale } = this.product;
    emitMatmul(context.emitter, {
      source: asMatrix(context, source),
      weights: asMatrix(context, weights),
      bias: bias === undefined ? undefined : biasView(bias, target.shape),
      target,
      scale: scale ?? 1,
      postOps,
    });
  }
}

function biasView(bias: Ref, dims: Shape): Ref {
  const shape = dims.map((size, axis) => (axis === dims.length - 1 ? size : 1));
  return reshapeView(bias, shape)!;
}

export interface MatmulDraft {
  readonly source: Ref;
  readonly weights: Ref;
  readonly bias?: Ref | undefined;
  readonly target: Ref;
  readonly scale?: number;
  readonly postOps?: readonly PostOpDraft[];
}

/** A matrix product of the library. */
export function emitMatmul(emitter: Emitter, draft: MatmulDraft): void {
  const { source, weights, bias, target, scale = 1, postOps = [] } = draft;
  const operands = postOps.flatMap((postOp) => (postOp.kind === "binary" ? [postOp.operand] : []));
  const reads = [source, weights, ...(bias === undefined ? [] : [bias]), ...operands];
  emitter.step(
    reads,
    [target],
    (locate): Omit<MatmulStep, "label"> => ({
      kind: "matmul",
      source: locate(source),
      weights: locate(weights),
      ...(bias === undefined ? {} : { bias: locate(bias) }),
      target: locate(target),
      ...(scale === 1 ? {} : { scale }),
      postOps: postOps.map((postOp) =>
        postOp.kind === "binary" ? { ...postOp, operand: locate(postOp.operand) } : postOp,
      ),
      // A handful of rows or columns is nothing to a kernel that was made for matrices.
      ...(sizeOf(target.shape) * dtypeBytes[target.dtype] <= 65_536 ? { acceptReference: true } : {}),
    }),
  );
}

/** Operations that a waiting product can take up. */
const ABSORBING: ReadonlySet<OpName> = new Set(["add", "sub", "mul", "max", "min", "gelu", "tanh", "logistic"]);

/** Whether a product should wait for what follows: its only reader, renamings aside, can be taken up. */
function waits(context: LowerContext, value: Value): boolean {
  const reader = context.soleReader(value);
  if (reader === undefined || context.hasHome(value)) return false;
  if (reader.op === "reshape") return waits(context, reader.outputs[0]!);
  if (reader.op === "convert")
    return context.storageOf(value) === reader.params.dtype && waits(context, reader.outputs[0]!);
  return ABSORBING.has(reader.op);
}

/** Defines a product's value now, or lets it wait. */
export function defineProduct(context: LowerContext, value: Value, pending: Pending): void {
  if (waits(context, value)) context.putWaiting(value, pending);
  else context.define(value, pending.emit(context.target(value)));
}
