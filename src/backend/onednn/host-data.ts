/** @file Operands of host kernels as dense arrays of numbers, and back. */
import { decodeBfloat16, encodeBfloat16 } from "../../base/half-float.ts";
import type { DType, HostData } from "../../ir/dtype.ts";
import { sizeOf, stridesOf } from "../../ir/shape.ts";
import { allocateData, type Data, type Tensor } from "../host/storage.ts";
import type { HostOperand } from "./program.ts";

type Layout = Pick<HostOperand, "shape" | "strides">;

function isDense({ shape, strides }: Layout): boolean {
  const dense = stridesOf(shape);
  return shape.every((size, axis) => size === 1 || strides[axis] === dense[axis]);
}

/** Calls back with the positions of the elements in row-major order: runs along the last axis. */
function eachRun(
  { shape, strides }: Layout,
  other: readonly number[],
  visit: (first: number, step: number, otherFirst: number, otherStep: number, count: number) => void,
): void {
  const last = shape.length - 1;
  if (last < 0) {
    visit(0, 0, 0, 0, 1);
    return;
  }
  const walk = (axis: number, at: number, otherAt: number): void => {
    if (axis === last) {
      visit(at, strides[last]!, otherAt, other[last]!, shape[last]!);
      return;
    }
    for (let i = 0; i < shape[axis]!; i++) walk(axis + 1, at + i * strides[axis]!, otherAt + i * other[axis]!);
  };
  walk(0, 0, 0);
}

/** Turns what an array of one dtype holds into what an array of another holds. */
function conversion(from: DType, to: DType): ((x: number) => number) | undefined {
  if (from === to) return undefined;
  if (from === "bf16") return decodeBfloat16;
  return to === "bf16" ? encodeBfloat16 : (x) => x;
}

/** Copies elements between layouts of one shape. */
export function copier(source: HostOperand, target: HostOperand): (from: HostData, to: HostData) => void {
  const convert = conversion(source.dtype, target.dtype);
  const size = sizeOf(source.shape);
  if (convert === undefined && isDense(source) && isDense(target)) {
    return (from, to) => to.set(from.subarray(0, size));
  }
  return (from, to) => {
    eachRun(source, target.strides, (at, step, toAt, toStep, count) => {
      if (convert === undefined) for (let i = 0; i < count; i++) to[toAt + i * toStep] = from[at + i * step]!;
      else for (let i = 0; i < count; i++) to[toAt + i * toStep] = convert(from[at + i * step]!);
    });
  };
}

const isPlain = (dtype: DType): boolean => dtype !== "bf16" && dtype !== "f16";

/** Gives an operand as a dense tensor of numbers: itself where it is one. */
export function denseReader(operand: HostOperand): (data: HostData) => Tensor {
  const { dtype, shape } = operand;
  const size = sizeOf(shape);
  if (isPlain(dtype) && isDense(operand)) {
    return (data) => ({ dtype, shape, data: data.subarray(0, size) as Data });
  }
  const held = allocateData(dtype, size, "f32");
  const target = { ...operand, dtype: isPlain(dtype) ? dtype : "f32", strides: stridesOf(shape) } as const;
  const copy = copier(operand, target);
  return (data) => {
    copy(data, held as HostData);
    return { dtype, shape, data: held };
  };
}

/** Takes a dense tensor of numbers as the operand: `begin` gives the zeroed tensor to fill, `end` puts it in place. */
export function denseWriter(operand: HostOperand): {
  readonly begin: (data: HostData) => Tensor;
  readonly end: (data: HostData) => void;
} {
  const { dtype, shape } = operand;
  const size = sizeOf(shape);
  if (isPlain(dtype) && isDense(operand)) {
    return {
      begin: (data) => ({ dtype, shape, data: data.subarray(0, size).fill(0) as Data }),
      end: () => undefined,
    };
  }
  const held = allocateData(dtype, size, "f32");
  const source = { ...operand, dtype: isPlain(dtype) ? dtype : "f32", strides: stridesOf(shape) } as const;
  const copy = copier(source, operand);
  return {
    begin: () => ({ dtype, shape, data: held.fill(0) as Data }),
    end: (data) => copy(held as HostData, data),
  };
}
