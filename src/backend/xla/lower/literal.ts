/** @file Numbers as MLIR writes them: decimal where that is exact, else their bits. */
import { Buffer } from "node:buffer";
import { decodeBfloat16, decodeFloat16 } from "../../../base/half-float.ts";
import type { DType, HostData, TensorType } from "../../../ir/dtype.ts";
import { isFloat } from "../../../ir/dtype.ts";
import type { Shape } from "../../../ir/shape.ts";

/** Longer tensors are written as their bytes. */
const MOST_LISTED = 16;

const INFINITE: Partial<Record<DType, string>> = {
  f64: "7FF0000000000000",
  f32: "7F800000",
  f16: "7C00",
  bf16: "7F80",
};
const NEGATIVE_INFINITE: Partial<Record<DType, string>> = {
  f64: "FFF0000000000000",
  f32: "FF800000",
  f16: "FC00",
  bf16: "FF80",
};
const NOT_A_NUMBER: Partial<Record<DType, string>> = {
  f64: "7FF8000000000000",
  f32: "7FC00000",
  f16: "7E00",
  bf16: "7FC0",
};

/** The shortest decimal that is the same f32. */
function shortest(value: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === Math.fround(value)) return short;
  }
  return Math.fround(value);
}

function floatText(dtype: DType, value: number): string {
  const rounded = dtype === "f64" ? value : Math.fround(value);
  if (Number.isNaN(rounded)) return `0x${NOT_A_NUMBER[dtype]}`;
  if (!Number.isFinite(rounded)) return `0x${(rounded > 0 ? INFINITE : NEGATIVE_INFINITE)[dtype]}`;
  if (Object.is(value, -0)) return "-0.0";
  const [digits, exponent] = String(dtype === "f64" ? value : shortest(value)).split("e") as [string, string?];
  return `${digits}${digits.includes(".") ? "" : ".0"}${exponent === undefined ? "" : `e${exponent}`}`;
}

/** One element: `0.5`, `-7`, `true`, `0xFF800000`. */
export function scalarText(dtype: DType, value: number): string {
  if (dtype === "bool") return value === 0 ? "false" : "true";
  return isFloat(dtype) ? floatText(dtype, value) : String(value);
}

/** The element at a place of host data; 16-bit floats lie there as their bits. */
function elementAt(dtype: DType, data: HostData, place: number): number {
  const value = data[place]!;
  if (!(data instanceof Uint16Array)) return value;
  return dtype === "bf16" ? decodeBfloat16(value) : decodeFloat16(value);
}

/** Elements in brackets, a pair for each axis. */
function nested(shape: Shape, texts: readonly string[]): string {
  if (shape.length === 0) return texts[0]!;
  const [size, ...rest] = shape as [number, ...number[]];
  const width = texts.length / size;
  const parts = Array.from({ length: size }, (_, i) => nested(rest, texts.slice(i * width, (i + 1) * width)));
  return `[${parts.join(", ")}]`;
}

/** The one number that all elements are; undefined where they differ, or there are none. */
export function uniformElement({ dtype }: TensorType, data: HostData): number | undefined {
  const first = data[0];
  if (first === undefined) return undefined;
  for (let i = 1; i < data.length; i++) if (!Object.is(data[i], first)) return undefined;
  return elementAt(dtype, data, 0);
}

/** What stands between the brackets of `dense<…>`. */
export function denseText({ dtype, shape }: TensorType, data: HostData): string {
  if (data.length === 0) return "";
  const isRaw = dtype !== "bool" && isOwnArray(dtype, data);
  if (data.length > MOST_LISTED && isRaw) {
    return `"0x${Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("hex").toUpperCase()}"`;
  }
  return nested(
    shape,
    Array.from({ length: data.length }, (_, i) => scalarText(dtype, elementAt(dtype, data, i))),
  );
}

/** Whether the array holds the dtype's own bits: a constant may come in another kind of float array. */
function isOwnArray(dtype: DType, data: HostData): boolean {
  if (dtype === "f32") return data instanceof Float32Array;
  if (dtype === "f64") return data instanceof Float64Array;
  return !isFloat(dtype) || data instanceof Uint16Array;
}
