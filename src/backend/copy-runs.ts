/** @file Copying parts of one tensor into another, for engines whose tensors are typed arrays. */
import { BackendError } from "../base/errors.ts";
import type { TensorType } from "../ir/dtype.ts";
import { formatType, sizeOf } from "../ir/shape.ts";
import type { ElementRuns } from "./backend.ts";

/** Elements of an engine's tensor. */
export interface Elements {
  readonly length: number;
  [index: number]: number;
  set(source: ArrayLike<number>, offset: number): void;
  subarray(start: number, end: number): ArrayLike<number>;
}

/** Runs as short as this are copied faster one by one than as a range. */
const SHORT = 16;

/**
 * Whether runs may be copied.
 * @throws {BackendError} BUFFER_DATA_MISMATCH where the dtypes differ, BUFFER_RANGE where a run leaves a tensor
 */
export function checkRuns(
  target: TensorType,
  source: TensorType,
  { from, to, length, count = 1, fromStride = length, toStride = length }: ElementRuns,
): void {
  if (source.dtype !== target.dtype) {
    throw new BackendError(`${formatType(source)} cannot be copied into ${formatType(target)}.`, {
      code: "BUFFER_DATA_MISMATCH",
      path: "buffer.copyFrom",
    });
  }
  if (count === 0 || length === 0) return;
  const fits = (size: number, start: number, stride: number): boolean => {
    const last = start + (count - 1) * stride;
    return Math.min(start, last) >= 0 && Math.max(start, last) + length <= size;
  };
  if (fits(sizeOf(source.shape), from, fromStride) && fits(sizeOf(target.shape), to, toStride)) return;
  const runs = `${count} runs of ${length} from ${from} by ${fromStride} to ${to} by ${toStride}`;
  throw new BackendError(`${runs} leave ${formatType(source)} or ${formatType(target)}.`, {
    code: "BUFFER_RANGE",
    path: "buffer.copyFrom",
  });
}

/**
 * Copies runs of elements, in order.
 * @throws {BackendError} BUFFER_DATA_MISMATCH where the dtypes differ, BUFFER_RANGE where a run leaves a tensor
 */
export function copyRuns(
  target: { readonly type: TensorType; readonly elements: Elements },
  source: { readonly type: TensorType; readonly elements: Elements },
  runs: ElementRuns,
): void {
  checkRuns(target.type, source.type, runs);
  const { from, to, length, count = 1, fromStride = length, toStride = length } = runs;
  if (length === 0) return;
  const [read, written] = [source.elements, target.elements];
  for (let run = 0; run < count; run++) {
    const [start, place] = [from + run * fromStride, to + run * toStride];
    if (length > SHORT) written.set(read.subarray(start, start + length), place);
    else for (let i = 0; i < length; i++) written[place + i] = read[start + i]!;
  }
}
