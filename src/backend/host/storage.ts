/** @file How kernels in plain TypeScript hold tensors. */
import { BackendError } from "../../base/errors.ts";
import { decodeBfloat16, decodeFloat16, encodeBfloat16, encodeFloat16 } from "../../base/half-float.ts";
import type { DType, HostData, TensorType } from "../../ir/dtype.ts";
import { formatType, type Shape, sizeOf } from "../../ir/shape.ts";

/** "f64": every float is a double, whatever its dtype says. "f32": every result is rounded to its dtype. */
export type Precision = "f64" | "f32";

/** Working memory; floats as numbers (16-bit ones too), booleans as 0 or 1. */
export type Data = Float64Array | Float32Array | Int32Array | Uint32Array | Uint8Array | Int8Array;

export interface Tensor extends TensorType {
  readonly data: Data;
}

export function allocateData(dtype: DType, length: number, precision: Precision): Data {
  switch (dtype) {
    case "f64":
      return new Float64Array(length);
    case "f32":
    case "bf16":
    case "f16":
      return precision === "f64" ? new Float64Array(length) : new Float32Array(length);
    case "i32":
      return new Int32Array(length);
    case "u32":
      return new Uint32Array(length);
    case "i8":
      return new Int8Array(length);
    case "bool":
      return new Uint8Array(length);
  }
}

export function allocateTensor(dtype: DType, shape: Shape, precision: Precision): Tensor {
  return { dtype, shape, data: allocateData(dtype, sizeOf(shape), precision) };
}

/** Rounds 16-bit floats to what they can hold; the arrays themselves do it for all other dtypes. */
export function roundToDtype(tensor: Tensor, precision: Precision): void {
  if (precision === "f64") return;
  const { dtype, data } = tensor;
  if (dtype === "bf16") {
    for (let i = 0; i < data.length; i++) data[i] = decodeBfloat16(encodeBfloat16(data[i]!));
  } else if (dtype === "f16") {
    for (let i = 0; i < data.length; i++) data[i] = decodeFloat16(encodeFloat16(data[i]!));
  }
}

/** Whether a host array may hold a dtype: its own kind, and either kind of float array for any float. */
function accepts(dtype: DType, data: HostData): boolean {
  switch (dtype) {
    case "f32":
    case "f64":
      return data instanceof Float32Array || data instanceof Float64Array;
    case "bf16":
    case "f16":
      return data instanceof Uint16Array || data instanceof Float32Array || data instanceof Float64Array;
    case "i32":
      return data instanceof Int32Array;
    case "u32":
      return data instanceof Uint32Array;
    case "i8":
      return data instanceof Int8Array;
    case "bool":
      return data instanceof Uint8Array;
  }
}

/**
 * Copies host data into working memory.
 * @throws {BackendError} BUFFER_DATA_MISMATCH when length or kind of the array does not fit
 */
export function copyFromHost(target: Tensor, source: HostData, where: string, precision: Precision): void {
  const { dtype, data } = target;
  if (source.length !== data.length) {
    const facts = { code: "BUFFER_DATA_MISMATCH", path: where, details: { length: source.length } };
    throw new BackendError(`${formatType(target)} holds ${data.length} elements; got ${source.length}.`, facts);
  }
  if (!accepts(dtype, source)) {
    const facts = { code: "BUFFER_DATA_MISMATCH", path: where, details: { dtype, given: source.constructor.name } };
    throw new BackendError(`the array does not hold ${dtype}; got ${source.constructor.name}.`, facts);
  }
  if (source instanceof Uint16Array) {
    const decode = dtype === "bf16" ? decodeBfloat16 : decodeFloat16;
    for (let i = 0; i < data.length; i++) data[i] = decode(source[i]!);
  } else {
    data.set(source);
    roundToDtype(target, precision);
  }
}

/** Copies working memory out. In "f64" floats come as doubles; in "f32" in the host form of their dtype. */
export function copyToHost(source: Tensor, precision: Precision): HostData {
  const { dtype, data } = source;
  if (precision === "f64" || (dtype !== "bf16" && dtype !== "f16")) return data.slice();
  return Uint16Array.from(data, dtype === "bf16" ? encodeBfloat16 : encodeFloat16);
}
