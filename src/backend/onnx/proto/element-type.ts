/** Element types that cross the binding: the storage types of the graph language and ONNX's integers. */
export type OnnxElementType =
  | "f32"
  | "f64"
  | "f16"
  | "bf16"
  | "i8"
  | "i16"
  | "i32"
  | "i64"
  | "u8"
  | "u16"
  | "u32"
  | "u64"
  | "bool";

interface ElementTypeFacts {
  /** `TensorProto.DataType`, equal to `ONNXTensorElementDataType` of the C API. */
  readonly code: number;
  readonly byteSize: number;
  /** The name that onnxruntime-common gives the type; bfloat16 has none there. */
  readonly ortName: string | undefined;
}

/**
 * Every element type with its protobuf code, bytes an element and onnxruntime-common name.
 * @source onnx.proto, `TensorProto.DataType`
 */
export const ELEMENT_TYPES: Readonly<Record<OnnxElementType, ElementTypeFacts>> = {
  f32: { code: 1, byteSize: 4, ortName: "float32" },
  u8: { code: 2, byteSize: 1, ortName: "uint8" },
  i8: { code: 3, byteSize: 1, ortName: "int8" },
  u16: { code: 4, byteSize: 2, ortName: "uint16" },
  i16: { code: 5, byteSize: 2, ortName: "int16" },
  i32: { code: 6, byteSize: 4, ortName: "int32" },
  i64: { code: 7, byteSize: 8, ortName: "int64" },
  bool: { code: 9, byteSize: 1, ortName: "bool" },
  f16: { code: 10, byteSize: 2, ortName: "float16" },
  f64: { code: 11, byteSize: 8, ortName: "float64" },
  u32: { code: 12, byteSize: 4, ortName: "uint32" },
  u64: { code: 13, byteSize: 8, ortName: "uint64" },
  bf16: { code: 16, byteSize: 2, ortName: undefined },
};

const NAMES_BY_CODE = new Map(
  Object.entries(ELEMENT_TYPES).map(([name, facts]) => [facts.code, name as OnnxElementType]),
);

/** The element type with this protobuf code, or undefined for types that Firth never uses (strings, complex, 4-bit). */
export function elementTypeOfCode(code: number): OnnxElementType | undefined {
  return NAMES_BY_CODE.get(code);
}

/** Number of elements of a static shape; 1 for a scalar. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((count, size) => count * size, 1);
}
