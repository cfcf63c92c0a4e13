/** @file Looking up and adding to entries of an axis by index. Loops see arrays of one kind each, or V8 makes them slow. */
import { BackendError } from "../../base/errors.ts";
import { decodeBfloat16, encodeBfloat16 } from "../../base/half-float.ts";
import type { HostData } from "../../ir/dtype.ts";
import { formatType } from "../../ir/shape.ts";
import type { HostKernel } from "./host-kernel.ts";
import type { HostOperand, HostStep } from "./program.ts";

function outOfRange({ label }: HostStep, x: HostOperand, index: number, place: number): BackendError {
  return new BackendError(`index ${index} (element ${place}) lies outside axis 1 of ${formatType(x)}.`, {
    code: "INDEX_OUT_OF_RANGE",
    path: label,
    details: { index, place },
  });
}

/** (x [outer, size, inner], indices) → [outer, count, inner] of the same dtype; runs of `inner` are dense. */
export const gather: HostKernel = (step) => {
  const [x, indices] = step.inputs as readonly [HostOperand, HostOperand];
  const [target] = step.outputs as readonly [HostOperand];
  const [outer, size, inner] = x.shape as readonly [number, number, number];
  const [outerStride, rowStride] = x.strides as readonly [number, number];
  const [toOuter, toRow] = target.strides as readonly [number, number];
  const [count, idStride] = [indices.shape[0]!, indices.strides[0]!];
  return ([from, ids], [to]) => {
    for (let i = 0; i < count; i++) {
      const index = ids![i * idStride]!;
      if (index < 0 || index >= size) throw outOfRange(step, x, index, i);
      for (let o = 0; o < outer; o++) {
        const at = o * outerStride + index * rowStride;
        to!.set(from!.subarray(at, at + inner), o * toOuter + i * toRow);
      }
    }
  };
};

/** Where runs of updates lie, and where they are to be added. */
interface Runs {
  readonly count: number;
  readonly inner: number;
  readonly to: Int32Array;
  readonly from: Int32Array;
}

function addFloats(sums: Float32Array, updates: Float32Array, { count, inner, to, from }: Runs): void {
  for (let r = 0; r < count; r++) {
    const [at, source] = [to[r]!, from[r]!];
    for (let k = 0; k < inner; k++) sums[at + k] = sums[at + k]! + updates[source + k]!;
  }
}

/** i32, u32 and all else that wraps or rounds by itself. */
function addOthers(sums: HostData, updates: HostData, { count, inner, to, from }: Runs): void {
  for (let r = 0; r < count; r++) {
    for (let k = 0; k < inner; k++) sums[to[r]! + k]! += updates[from[r]! + k]!;
  }
}

/** Adds bf16 in f32 and rounds once, however often a place comes; what comes once to zeros is copied. */
function addHalves(sums: Uint16Array, updates: Uint16Array, runs: Runs, isFresh: boolean): void {
  const { count, inner, to, from } = runs;
  const times = new Map<number, number>();
  for (let r = 0; r < count; r++) times.set(to[r]!, (times.get(to[r]!) ?? 0) + 1);
  const wide = new Map<number, Float32Array>();
  for (let r = 0; r < count; r++) {
    const [at, source] = [to[r]!, from[r]!];
    if (isFresh && times.get(at) === 1) {
      sums.set(updates.subarray(source, source + inner), at);
      continue;
    }
    let sum = wide.get(at);
    if (sum === undefined) {
      sum = new Float32Array(inner);
      for (let k = 0; k < inner; k++) sum[k] = decodeBfloat16(sums[at + k]!);
      wide.set(at, sum);
    }
    for (let k = 0; k < inner; k++) sum[k] = sum[k]! + decodeBfloat16(updates[source + k]!);
  }
  for (const [at, sum] of wide) for (let k = 0; k < inner; k++) sums[at + k] = encodeBfloat16(sum[k]!);
}

/** (indices, updates [outer, count, inner]) added to [outer, size, inner] of one dtype; `isFresh` starts from zeros. Runs dense. */
export const scatterAdd: HostKernel = (step) => {
  const [indices, updates] = step.inputs as readonly [HostOperand, HostOperand];
  const [target] = step.outputs as readonly [HostOperand];
  const [outer, size, inner] = target.shape as readonly [number, number, number];
  const [toOuter, toRow] = target.strides as readonly [number, number];
  const [fromOuter, fromRow] = updates.strides as readonly [number, number];
  const [count, idStride] = [indices.shape[0]!, indices.strides[0]!];
  const isFresh = step.params.isFresh === true;
  const runs = { count: outer * count, inner, to: new Int32Array(outer * count), from: new Int32Array(outer * count) };
  return ([ids, rows], [sums]) => {
    if (isFresh) sums!.fill(0);
    for (let i = 0; i < count; i++) {
      const index = ids![i * idStride]!;
      if (index < 0 || index >= size) throw outOfRange(step, target, index, i);
      for (let o = 0; o < outer; o++) {
        runs.to[i * outer + o] = o * toOuter + index * toRow;
        runs.from[i * outer + o] = o * fromOuter + i * fromRow;
      }
    }
    if (sums instanceof Float32Array && rows instanceof Float32Array) addFloats(sums, rows, runs);
    else if (target.dtype === "bf16") addHalves(sums as Uint16Array, rows as Uint16Array, runs, isFresh);
    else addOthers(sums!, rows!, runs);
  };
};
