/**
 * Element types. bf16 and f16 are storage and compute types of engines; f64 is the reference backend's; i8 holds
 * quantized weights and is only converted, moved and multiplied by `quantizedLinear`.
 */
export type DType = "f32" | "f64" | "bf16" | "f16" | "i32" | "u32" | "i8" | "bool";

/** What matrix products and activations of a step may be computed in. */
export type ComputeDType = Extract<DType, "f32" | "bf16">;

export const computeDtypes: readonly ComputeDType[] = ["f32", "bf16"];

/** Element type and static shape of a value. */
export interface TensorType {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** The typed arrays that hold host data. bf16 and f16 are held as their 16 raw bits, bool as 0 or 1. */
export type HostData = Float32Array | Float64Array | Int32Array | Uint32Array | Uint16Array | Uint8Array | Int8Array;

/** A tensor in host memory. */
export interface HostTensor extends TensorType {
  readonly data: HostData;
}

/** Bytes of one element. */
export const dtypeBytes: Readonly<Record<DType, number>> = {
  f32: 4,
  f64: 8,
  bf16: 2,
  f16: 2,
  i32: 4,
  u32: 4,
  i8: 1,
  bool: 1,
};

export function isFloat(dtype: DType): boolean {
  return dtype === "f32" || dtype === "f64" || dtype === "bf16" || dtype === "f16";
}

/** The dtype of statistics, sums and losses over values of a float dtype: f32 for the 16-bit ones, else the same. */
export function statisticDtype(dtype: DType): DType {
  return dtype === "bf16" || dtype === "f16" ? "f32" : dtype;
}

export function isInteger(dtype: DType): boolean {
  return dtype === "i32" || dtype === "u32";
}

/** A zeroed host array of `length` elements over its own memory. */
export function allocateHostData(dtype: DType, length: number): HostData {
  switch (dtype) {
    case "f32":
      return new Float32Array(length);
    case "f64":
      return new Float64Array(length);
    case "bf16":
    case "f16":
      return new Uint16Array(length);
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

/** A host array over existing memory, sharing it. */
export function viewHostData(dtype: DType, buffer: ArrayBufferLike, byteOffset: number, length: number): HostData {
  switch (dtype) {
    case "f32":
      return new Float32Array(buffer, byteOffset, length);
    case "f64":
      return new Float64Array(buffer, byteOffset, length);
    case "bf16":
    case "f16":
      return new Uint16Array(buffer, byteOffset, length);
    case "i32":
      return new Int32Array(buffer, byteOffset, length);
    case "u32":
      return new Uint32Array(buffer, byteOffset, length);
    case "i8":
      return new Int8Array(buffer, byteOffset, length);
    case "bool":
      return new Uint8Array(buffer, byteOffset, length);
  }
}
