/** @file Matrix products: which ONNX operator, and which transposes it takes upon itself. */
import { sameShape, sizeOf } from "../../../ir/shape.ts";
import { type Emitter, MICROSOFT, type Ref } from "./emitter.ts";

/** From this many result columns on, MatMul beats Gemm (measured: 172–188 against 128–166 GFLOPS at 30 522). */
const WIDE_COLUMNS = 16_384;

/**
 * Whether aᵀ·b [M, N] is better made as (bᵀ·a)ᵀ: with a long K and few, long result rows the kernel is a sixth faster the other
 * way round, the transpose of the small result included (measured at K 4096: M 256, N 1024 by 15–18 %; slower where M ≥ N, and
 * no different at K 1024).
 */
const isBetterTurned = (m: number, n: number, k: number): boolean => n >= 2 * m && k >= 4 * m;

export interface ProductOptions {
  readonly transA?: boolean;
  readonly transB?: boolean;
  /** Multiplies the product. */
  readonly alpha?: number;
  /** Added to the product: [N] or [M, N]. Only for matrices. */
  readonly addend?: Ref | undefined;
}

const flag = (on: boolean) => ({ int: on ? 1 : 0 });

function swapLast(emitter: Emitter, x: Ref): Ref {
  const axes = x.shape.map((_, axis) => axis);
  const rank = axes.length;
  return emitter.transpose(x, [...axes.slice(0, -2), rank - 1, rank - 2]);
}

/** Product over the last two axes, with equal leading axes. */
function batchedProduct(emitter: Emitter, a: Ref, b: Ref, options: ProductOptions): Ref {
  const { transA = false, transB = false, alpha = 1 } = options;
  const m = a.shape.at(transA ? -1 : -2)!;
  const n = b.shape.at(transB ? -2 : -1)!;
  const shape = [...a.shape.slice(0, -2), m, n];
  if (a.dtype !== "f32") {
    const left = transA ? swapLast(emitter, a) : a;
    const right = transB ? swapLast(emitter, b) : b;
    return emitter.scale(emitter.op("MatMul", [left, right], { dtype: a.dtype, shape }), alpha);
  }
  if (!transA && !transB && alpha === 1) return emitter.op("MatMul", [a, b], { dtype: a.dtype, shape });
  const attributes = { transA: flag(transA), transB: flag(transB), alpha: { float: alpha } };
  return emitter.op("FusedMatMul", [a, b], { dtype: a.dtype, shape }, attributes, MICROSOFT);
}

/**
 * a · b for matrices [M, K] · [K, N] or stacks of them with equal leading axes.
 * @returns [..., M, N]
 */
export function matrixProduct(emitter: Emitter, a: Ref, b: Ref, options: ProductOptions = {}): Ref {
  const { transA = false, transB = false, alpha = 1, addend } = options;
  const [m, n] = [a.shape.at(transA ? -1 : -2)!, b.shape.at(transB ? -2 : -1)!];
  if (a.shape.length > 2) return batchedProduct(emitter, a, b, options);
  if (n >= WIDE_COLUMNS && a.dtype === "f32" && !transA) {
    const product = batchedProduct(emitter, a, b, options);
    return addend === undefined ? product : emitter.binary("Add", product, addend, product.shape);
  }
  if (transA && !transB && addend === undefined && isBetterTurned(m, n, a.shape[0]!)) {
    return swapLast(emitter, matrixProduct(emitter, b, a, { transA, alpha }));
  }
  const attributes = { transA: flag(transA), transB: flag(transB), alpha: { float: alpha } };
  const inputs = addend === undefined ? [a, b] : [a, b, addend];
  return emitter.op("Gemm", inputs, { dtype: a.dtype, shape: [m, n] }, attributes);
}

/** An operand of a general product: its axes by role, each list in the order of the result. */
export interface Operand {
  readonly ref: Ref;
  readonly batch: readonly number[];
  readonly free: readonly number[];
  readonly contract: readonly number[];
}

/** Whether reading the axes in this order is reading memory in order (axes of size 1 lie anywhere). */
function inOrder(ref: Ref, axes: readonly number[]): boolean {
  const real = axes.filter((axis) => ref.shape[axis] !== 1);
  return real.every((axis, i) => i === 0 || axis > real[i - 1]!);
}

interface MatrixOperand {
  readonly ref: Ref;
  /** Whether the contracted axis comes first. */
  readonly contractFirst: boolean;
}

const sizeAlong = (ref: Ref, axes: readonly number[]) => sizeOf(axes.map((axis) => ref.shape[axis]!));

function asMatrix(emitter: Emitter, operand: Operand): MatrixOperand | undefined {
  const { ref, batch, free, contract } = operand;
  const lead = batch.length === 0 ? [] : [sizeAlong(ref, batch)];
  const [rows, inner] = [sizeAlong(ref, free), sizeAlong(ref, contract)];
  if (inOrder(ref, [...batch, ...free, ...contract])) {
    return { ref: emitter.reshape(ref, [...lead, rows, inner]), contractFirst: false };
  }
  if (inOrder(ref, [...batch, ...contract, ...free])) {
    return { ref: emitter.reshape(ref, [...lead, inner, rows]), contractFirst: true };
  }
  return undefined;
}

function movedToMatrix(emitter: Emitter, operand: Operand): MatrixOperand {
  const { ref, batch, free, contract } = operand;
  const moved = emitter.transpose(ref, [...batch, ...free, ...contract]);
  const lead = batch.length === 0 ? [] : [sizeAlong(ref, batch)];
  const shape = [...lead, sizeAlong(ref, free), sizeAlong(ref, contract)];
  return { ref: emitter.reshape(moved, shape), contractFirst: false };
}

/** The contracted pairs in the order in which one side stores them. */
function sortedPairs(left: Operand, right: Operand, by: Operand): [Operand, Operand] {
  const order = by.contract.map((_, i) => i).sort((i, j) => by.contract[i]! - by.contract[j]!);
  const reorder = (operand: Operand): Operand => ({ ...operand, contract: order.map((i) => operand.contract[i]!) });
  return [reorder(left), reorder(right)];
}

/**
 * The product of two tensors by the roles of their axes; transposes are left to the matrix kernel where memory
 * order allows.
 * @param addend added to the result: its free right axes, or the whole result's shape
 */
export function generalProduct(emitter: Emitter, left: Operand, right: Operand, addend?: Ref): Ref {
  const orders = [sortedPairs(left, right, left), sortedPairs(left, right, right)] as const;
  const score = ([a, b]: readonly [Operand, Operand]) =>
    [a, b].filter((operand) => asMatrix(emitter, operand) !== undefined).length;
  const [l, r] = score(orders[1]) > score(orders[0]) ? orders[1] : orders[0];
  const a = asMatrix(emitter, l) ?? movedToMatrix(emitter, l);
  const b = asMatrix(emitter, r) ?? movedToMatrix(emitter, r);
  const shape = [
    ...left.batch.map((axis) => left.ref.shape[axis]!),
    ...left.free.map((axis) => left.ref.shape[axis]!),
    ...right.free.map((axis) => right.ref.shape[axis]!),
  ];
  const isStack = left.batch.length > 0;
  const options = { transA: a.contractFirst, transB: !b.contractFirst };
  if (isStack || addend === undefined) {
    const product = emitter.reshape(matrixProduct(emitter, a.ref, b.ref, options), shape);
    return addend === undefined ? product : emitter.binary("Add", product, addend, shape);
  }
  const columns = sizeAlong(right.ref, right.free);
  const matrix = [sizeAlong(left.ref, left.free), columns];
  const flat = emitter.reshape(addend, sameShape(addend.shape, shape) ? matrix : [columns]);
  return emitter.reshape(matrixProduct(emitter, a.ref, b.ref, { ...options, addend: flat }), shape);
}
