/** @file What readers of weights files have in common, whatever the format. */
import { CheckpointError, nearestName } from "../base/errors.ts";
import { float32FromBfloat16, float32FromHalf } from "../base/half-float.ts";
import { describeTensor, elementCount, type HostTensor, type StoredDtype } from "./stored-dtype.ts";

/** What a file says about one tensor. */
export interface TensorFacts {
  readonly name: string;
  readonly dtype: StoredDtype;
  readonly shape: readonly number[];
}

/** Element types after F64, F16 and BF16 were turned into F32. */
export type ReadDtype = Exclude<StoredDtype, "F64" | "F16" | "BF16">;

/** A readable set of named tensors: one file or all shards of a model directory. */
export interface TensorFile {
  /** Where it lies, for messages. */
  readonly path: string;
  /** Tensor names, in file order. */
  readonly names: readonly string[];
  /** The texts that the file carries about itself. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Names that share the memory of another tensor, where the format says so; each with the first name that has it. */
  readonly tied?: ReadonlyMap<string, string>;
  has(name: string): boolean;
  /** Stored dtype and shape. @throws {CheckpointError} MISSING_TENSOR */
  info(name: string): TensorFacts;
  /** One tensor; F64, F16 and BF16 arrive as F32. @throws {CheckpointError} MISSING_TENSOR, READ_FAILED */
  read(name: string): Promise<HostTensor<ReadDtype>>;
  /** One tensor with exactly the bits of the file. @throws {CheckpointError} MISSING_TENSOR, READ_FAILED */
  readStored(name: string): Promise<HostTensor>;
  /** Fills `target` with a floating-point tensor. @throws {CheckpointError} MISSING_TENSOR, TENSOR_MISMATCH, READ_FAILED */
  readInto(name: string, target: Float32Array): Promise<void>;
  close(): Promise<void>;
}

/** The error for a name that is not there. */
export function missingTensor(name: string, names: readonly string[], path: string): CheckpointError {
  const near = nearestName(name, names);
  const hint = near === undefined ? `It holds ${names.length} tensors.` : `Did you mean "${near}"?`;
  return new CheckpointError(`has no tensor "${name}". ${hint}`, {
    code: "MISSING_TENSOR",
    path,
    details: { tensor: name },
  });
}

/** F64, F16 and BF16 become F32; everything else is passed on. */
export function widen(tensor: HostTensor): HostTensor<ReadDtype> {
  const { shape } = tensor;
  switch (tensor.dtype) {
    case "F64":
      return { dtype: "F32", shape, data: Float32Array.from(tensor.data) };
    case "F16":
      return { dtype: "F32", shape, data: float32FromHalf(tensor.data) };
    case "BF16":
      return { dtype: "F32", shape, data: float32FromBfloat16(tensor.data) };
    default:
      return tensor;
  }
}

/**
 * Demands a floating-point tensor of so many elements.
 * @throws {CheckpointError} TENSOR_MISMATCH
 */
export function requireFloats<T extends TensorFacts>(info: T, needed: number, path: string): T {
  const { name, dtype, shape } = info;
  const isFloat = dtype === "F32" || dtype === "F64" || dtype === "F16" || dtype === "BF16";
  if (isFloat && elementCount(shape) === needed) return info;
  throw new CheckpointError(
    `tensor "${name}" is ${describeTensor(dtype, shape)}; ${needed} floating-point elements are needed. Check that model and weights belong together.`,
    { code: "TENSOR_MISMATCH", path, details: { tensor: name, dtype, shape, needed } },
  );
}
