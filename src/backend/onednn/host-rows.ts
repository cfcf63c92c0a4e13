/** @file Looking up and adding to entries of an axis by index. */
import { BackendError } from "../../base/errors.ts";
import { decodeBfloat16, encodeBfloat16 } from "../../base/half-float.ts";
import type { HostData } from "../../ir/dtype.ts";
import { formatType } from "../../ir/shape.ts";
import type { HostKernel } from "./host-kernels.ts";
import type { HostOperand, HostStep } from "./program.ts";

function outOfRange({ label }: HostStep, x: HostOperand, index: number, place: number): BackendError {
  return new BackendError(`index ${index} (element ${place}) lies outside axis 1 of ${formatType(x)}.`, {
    code: "INDEX_OUT_OF_RANGE",
    path: label,
    details: { index, place },
  });
}

/** (x [outer, size, inner] dense, indices) → [outer, count, inner]; f32 may become bf16 on the way. */
export const gather: HostKernel = (step) => {
  const [x, indices] = step.inputs as readonly [HostOperand, HostOperand];
  const [target] = step.outputs as readonly [HostOperand];
  const [outer, size, inner] = x.shape as readonly [number, number, number];
  const [outerStride, rowStride, innerStride] = x.strides as readonly [number, number, number];
  const [toOuter, toRow, toInner] = target.strides as readonly [number, number, number];
  const count = indices.shape[0]!;
  const isCopy = x.dtype === target.dtype && innerStride === 1 && toInner === 1;
  const convert =
    x.dtype === target.dtype ? (value: number) => value : x.dtype === "bf16" ? decodeBfloat16 : encodeBfloat16;
  return ([from, ids], [to]) => {
    for (let i = 0; i < count; i++) {
      const index = ids![i * indices.strides[0]!]!;
      if (index < 0 || index >= size) throw outOfRange(step, x, index, i);
      for (let o = 0; o < outer; o++) {
        const [at, place] = [o * outerStride + index * rowStride, o * toOuter + i * toRow];
        if (isCopy) to!.set(from!.subarray(at, at + inner), place);
        else for (let k = 0; k < inner; k++) to![place + k * toInner] = convert(from![at + k * innerStride]!);
      }
    }
  };
};

/** Adds rows of bf16 in f32 and rounds once, however often an index comes. */
function addHalf(
  target: HostData,
  updates: HostData,
  runs: readonly (readonly [at: number, from: number])[],
  inner: number,
): void {
  const sums = new Map<number, Float32Array>();
  for (const [at, from] of runs) {
    const sum = sums.get(at) ?? Float32Array.from({ length: inner }, (_, k) => decodeBfloat16(target[at + k]!));
    sums.set(at, sum);
    for (let k = 0; k < inner; k++) sum[k]! += decodeBfloat16(updates[from + k]!);
  }
  for (const [at, sum] of sums) for (let k = 0; k < inner; k++) target[at + k] = encodeBfloat16(sum[k]!);
}

/** (indices, updates [outer, count, inner]) added to [outer, size, inner]; `isFresh` starts from zeros. All dense. */
export const scatterAdd: HostKernel = (step) => {
  const [indices, updates] = step.inputs as readonly [HostOperand, HostOperand];
  const [target] = step.outputs as readonly [HostOperand];
  const [outer, size, inner] = target.shape as readonly [number, number, number];
  const [toOuter, toRow] = target.strides as readonly [number, number];
  const [fromOuter, fromRow, fromInner] = updates.strides as readonly [number, number, number];
  const count = indices.shape[0]!;
  const isFresh = step.params.isFresh === true;
  return ([ids, rows], [sums]) => {
    if (isFresh) sums!.fill(0);
    const runs: [number, number][] = [];
    for (let i = 0; i < count; i++) {
      const index = ids![i * indices.strides[0]!]!;
      if (index < 0 || index >= size) throw outOfRange(step, target, index, i);
      for (let o = 0; o < outer; o++) runs.push([o * toOuter + index * toRow, o * fromOuter + i * fromRow]);
    }
    if (target.dtype === "bf16" && updates.dtype === "bf16") {
      addHalf(sums!, rows!, runs, inner);
      return;
    }
    const decode = updates.dtype === "bf16" ? decodeBfloat16 : (x: number) => x;
    for (const [at, from] of runs) {
      for (let k = 0; k < inner; k++) sums![at + k]! += decode(rows![from + k * fromInner]!);
    }
  };
};
