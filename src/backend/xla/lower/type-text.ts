/** @file Types and lists of numbers as MLIR writes them. */
import type { DType, TensorType } from "../../../ir/dtype.ts";

const ELEMENT: Readonly<Record<DType, string>> = {
  f32: "f32",
  f64: "f64",
  bf16: "bf16",
  f16: "f16",
  i32: "i32",
  u32: "ui32",
  i8: "i8",
  bool: "i1",
};

/** `tensor<8x128xf32>`; `tensor<f32>` for a scalar. */
export function typeText({ dtype, shape }: TensorType): string {
  return `tensor<${[...shape, ELEMENT[dtype]].join("x")}>`;
}

/** `tensor<f32>, tensor<2xi32>`. */
export function typesText(types: readonly TensorType[]): string {
  return types.map(typeText).join(", ");
}

/** `(tensor<f32>) -> tensor<2xf32>`; several results stand in parentheses. */
export function signatureText(inputs: readonly TensorType[], results: readonly TensorType[]): string {
  const given = typesText(results);
  return `(${typesText(inputs)}) -> ${results.length === 1 ? given : `(${given})`}`;
}

/** `[0, 2]`. */
export function listText(numbers: readonly number[]): string {
  return `[${numbers.join(", ")}]`;
}

/** `array<i64: 1, 3>`. */
export function arrayText(numbers: readonly number[]): string {
  return numbers.length === 0 ? "array<i64>" : `array<i64: ${numbers.join(", ")}>`;
}

/** A text in quotes. */
export function stringText(text: string): string {
  return `"${text.replace(/[\\"]/g, (sign) => `\\${sign}`).replace(/\n/g, "\\n")}"`;
}
