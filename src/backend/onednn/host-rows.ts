/** @file Looking up and adding to entries of an axis by index. */
import { BackendError } from "../../base/errors.ts";
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

/** Copies a run of elements. */
type CopyRun = (from: HostData, at: number, to: HostData, place: number, count: number) => void;

const copySame: CopyRun = (from, at, to, place, count) => to.set(from.subarray(at, at + count), place);

/** f32 → bf16 by its bits, to nearest, ties to even; NaN stays NaN. */
const narrow: CopyRun = (from, at, to, place, count) => {
  const words = new Uint32Array(from.buffer, from.byteOffset, from.length);
  for (let k = 0; k < count; k++) {
    const word = words[at + k]!;
    const isNan = (word & 0x7fffffff) > 0x7f800000;
    to[place + k] = isNan ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
};

const widen: CopyRun = (from, at, to, place, count) => {
  const words = new Uint32Array(to.buffer, to.byteOffset, to.length);
  for (let k = 0; k < count; k++) words[place + k] = from[at + k]! << 16;
};

function copyRun(x: HostOperand, target: HostOperand): CopyRun {
  if (x.dtype === target.dtype) return copySame;
  return x.dtype === "bf16" ? widen : narrow;
}

/** (x [outer, size, inner], indices) → [outer, count, inner], runs of `inner` dense; f32 may become bf16 on the way. */
export const gather: HostKernel = (step) => {
  const [x, indices] = step.inputs as readonly [HostOperand, HostOperand];
  const [target] = step.outputs as readonly [HostOperand];
  const [outer, size, inner] = x.shape as readonly [number, number, number];
  const [outerStride, rowStride] = x.strides as readonly [number, number];
  const [toOuter, toRow] = target.strides as readonly [number, number];
  const [count, idStride] = [indices.shape[0]!, indices.strides[0]!];
  const run = copyRun(x, target);
  return ([from, ids], [to]) => {
    for (let i = 0; i < count; i++) {
      const index = ids![i * idStride]!;
      if (index < 0 || index >= size) throw outOfRange(step, x, index, i);
      for (let o = 0; o < outer; o++)
        run(from!, o * outerStride + index * rowStride, to!, o * toOuter + i * toRow, inner);
    }
  };
};

/** Adds runs of bf16 in f32 and rounds once, however often a place comes. */
function addHalf(
  target: HostData,
  updates: HostData,
  runs: readonly (readonly [at: number, from: number])[],
  inner: number,
): void {
  const sums = new Map<number, Float32Array>();
  const update = new Float32Array(inner);
  for (const [at, from] of runs) {
    let sum = sums.get(at);
    if (sum === undefined) {
      sum = new Float32Array(inner);
      widen(target, at, sum, 0, inner);
      sums.set(at, sum);
    }
    widen(updates, from, update, 0, inner);
    for (let k = 0; k < inner; k++) sum[k]! += update[k]!;
  }
  for (const [at, sum] of sums) narrow(sum, 0, target, at, inner);
}

/** (indices, updates [outer, count, inner]) added to [outer, size, inner]; `isFresh` starts from zeros. Runs dense. */
export const scatterAdd: HostKernel = (step) => {
  const [indices, updates] = step.inputs as readonly [HostOperand, HostOperand];
  const [target] = step.outputs as readonly [HostOperand];
  const [outer, size, inner] = target.shape as readonly [number, number, number];
  const [toOuter, toRow] = target.strides as readonly [number, number];
  const [fromOuter, fromRow] = updates.strides as readonly [number, number];
  const [count, idStride] = [indices.shape[0]!, indices.strides[0]!];
  const isFresh = step.params.isFresh === true;
  const update = new Float32Array(inner);
  return ([ids, rows], [sums]) => {
    if (isFresh) sums!.fill(0);
    const runs: [number, number][] = [];
    for (let i = 0; i < count; i++) {
      const index = ids![i * idStride]!;
      if (index < 0 || index >= size) throw outOfRange(step, target, index, i);
      for (let o = 0; o < outer; o++) runs.push([o * toOuter + index * toRow, o * fromOuter + i * fromRow]);
    }
    if (target.dtype === "bf16") {
      addHalf(sums!, rows!, runs, inner);
      return;
    }
    for (const [at, from] of runs) {
      if (updates.dtype === "bf16") {
        widen(rows!, from, update, 0, inner);
        for (let k = 0; k < inner; k++) sums![at + k]! += update[k]!;
      } else for (let k = 0; k < inner; k++) sums![at + k]! += rows![from + k]!;
    }
  };
};
