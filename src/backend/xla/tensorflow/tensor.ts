/** @file Tensors of TensorFlow on the CPU, as arrays of the XLA engine. */
import { BackendError } from "../../../base/errors.ts";
import { type DType, dtypeBytes, type HostData, type TensorType, viewHostData } from "../../../ir/dtype.ts";
import { formatType, sizeOf } from "../../../ir/shape.ts";
import type { DeviceArray } from "../executor.ts";
import type { Address } from "../pjrt/native.ts";
import { dataTypes } from "./function-table.ts";
import { Status, type TensorFlowLibrary } from "./library.ts";

export const bytesOf = ({ dtype, shape }: TensorType): number => sizeOf(shape) * dtypeBytes[dtype];

/** A tensor that TensorFlow counts the users of: it may be let go of while a run reads it. */
export class TensorFlowArray implements DeviceArray {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly sharding = "replicated";
  private readonly library: TensorFlowLibrary;
  private readonly onDispose: (array: TensorFlowArray) => void;
  private handle: Address;

  constructor(
    library: TensorFlowLibrary,
    { dtype, shape }: TensorType,
    handle: Address,
    onDispose: (array: TensorFlowArray) => void,
  ) {
    this.library = library;
    this.dtype = dtype;
    this.shape = shape;
    this.handle = handle;
    this.onDispose = onDispose;
  }

  /** The handle. @throws {BackendError} ARRAY_DISPOSED */
  use(): Address {
    if (this.handle !== 0) return this.handle;
    throw new BackendError(`${formatType(this)} was freed, or donated to a run, and is used again.`, {
      code: "ARRAY_DISPOSED",
      path: "xla",
    });
  }

  async read(): Promise<HostData> {
    const { functions, native } = this.library;
    const status = new Status(this.library);
    const expected = bytesOf(this);
    try {
      const tensor = functions.TFE_TensorHandleResolve(this.use(), status.address);
      status.check("reading a tensor");
      const bytes = functions.TF_TensorByteSize(tensor);
      const copy = native.read(functions.TF_TensorData(tensor), Math.min(bytes, expected));
      functions.TF_DeleteTensor(tensor);
      if (bytes === expected) return viewHostData(this.dtype, copy, 0, sizeOf(this.shape));
      throw new BackendError(`${formatType(this)} came back as ${bytes} bytes instead of ${expected}.`, {
        code: "XLA_RUN_FAILED",
        path: "xla",
      });
    } finally {
      status.dispose();
    }
  }

  dispose(): void {
    if (this.handle === 0) return;
    this.library.functions.TFE_DeleteTensorHandle(this.handle);
    this.handle = 0;
    this.onDispose(this);
  }
}

/** Copies host data into a new tensor and gives its handle. @throws {BackendError} OUT_OF_MEMORY */
export function createTensor(library: TensorFlowLibrary, type: TensorType, data: HostData): Address {
  const { functions, native } = library;
  const dims = new BigInt64Array(new ArrayBuffer(8 * Math.max(1, type.shape.length)));
  for (const [i, size] of type.shape.entries()) dims[i] = BigInt(size);
  const bytes = bytesOf(type);
  const tensor = functions.TF_AllocateTensor(
    dataTypes[type.dtype],
    native.addressOf(dims.buffer),
    type.shape.length,
    bytes,
  );
  if (tensor === 0) {
    throw new BackendError(`${formatType(type)} of ${bytes} bytes cannot be reserved. Use a smaller model or batch.`, {
      code: "OUT_OF_MEMORY",
      path: "xla",
      details: { bytes },
    });
  }
  const status = new Status(library);
  try {
    native.write(functions.TF_TensorData(tensor), new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    const handle = functions.TFE_NewTensorHandle(tensor, status.address);
    status.check("making a tensor");
    return handle;
  } finally {
    functions.TF_DeleteTensor(tensor);
    status.dispose();
  }
}
