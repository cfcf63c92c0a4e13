import { CheckpointError } from "../base/errors.ts";
import { bfloat16FromFloat32, halfFromFloat32 } from "../base/half-float.ts";
import { writeFileAtomic } from "./atomic.ts";
import type { ByteSink, FileDigest } from "./byte-sink.ts";
import { encodeSafetensorsHeader, layoutTensors } from "./safetensors-header.ts";
import { describeTensor, elementCount, type HostArray, type StoredDtype, storedDtypes } from "./stored-dtype.ts";

/** A tensor on its way to a file. */
export interface TensorToWrite {
  readonly name: string;
  readonly dtype: StoredDtype;
  readonly shape: readonly number[];
  /**
   * The elements, or a function that fetches them when their turn comes. F16 and BF16 may be given as float32 and are
   * rounded to nearest.
   */
  readonly data: HostArray | (() => HostArray | Promise<HostArray>);
}

/** What PyTorch's loaders look for. */
export const defaultMetadata: Readonly<Record<string, string>> = { format: "pt" };

function storable(tensor: TensorToWrite, data: HostArray, path: string): HostArray {
  const { name, dtype, shape } = tensor;
  if (data.length !== elementCount(shape)) {
    throw new CheckpointError(
      `tensor "${name}" is ${describeTensor(dtype, shape)}, ${elementCount(shape)} elements, but its data has ${data.length}.`,
      { code: "TENSOR_MISMATCH", path, details: { tensor: name } },
    );
  }
  if (dtype === "F16" && data instanceof Float32Array) return halfFromFloat32(data);
  if (dtype === "BF16" && data instanceof Float32Array) return bfloat16FromFloat32(data);
  if (storedDtypes[dtype].holds(data)) return data;
  throw new CheckpointError(`tensor "${name}" has dtype ${dtype}, which a ${data.constructor.name} cannot hold.`, {
    code: "TENSOR_MISMATCH",
    path,
    details: { tensor: name },
  });
}

function checkNames(tensors: readonly TensorToWrite[], path: string): void {
  const seen = new Set<string>();
  for (const { name, shape } of tensors) {
    const rule = seen.has(name) ? "is given twice" : name === "__metadata__" ? "has a reserved name" : undefined;
    if (rule !== undefined) {
      throw new CheckpointError(`tensor "${name}" ${rule}. Rename it.`, {
        code: "TENSOR_NAME",
        path,
        details: { tensor: name },
      });
    }
    if (!shape.every((size) => Number.isSafeInteger(size) && size >= 0)) {
      throw new CheckpointError(`tensor "${name}" has shape [${shape.join(",")}]; sizes must be integers ≥ 0.`, {
        code: "TENSOR_MISMATCH",
        path,
        details: { tensor: name },
      });
    }
    seen.add(name);
  }
}

/** A file's layout, ready to be streamed. */
export interface PlannedSafetensors {
  readonly totalBytes: number;
  writeTo(sink: ByteSink): Promise<void>;
}

/** Lays a file out: the header is known before any tensor is fetched. */
export function planSafetensors(
  tensors: Iterable<TensorToWrite>,
  metadata: Readonly<Record<string, string>>,
  path: string,
): PlannedSafetensors {
  const given = [...tensors];
  checkNames(given, path);
  const byName = new Map(given.map((tensor) => [tensor.name, tensor]));
  const layout = layoutTensors(given);
  const header = encodeSafetensorsHeader(layout, metadata);
  return {
    totalBytes: header.length + (layout.at(-1)?.end ?? 0),
    async writeTo(sink) {
      await sink.write(header);
      for (const { name } of layout) {
        const tensor = byName.get(name)!;
        const data = typeof tensor.data === "function" ? await tensor.data() : tensor.data;
        await sink.write(storable(tensor, data, path));
      }
    },
  };
}

/**
 * Writes a safetensors file atomically, tensor by tensor; byte for byte what the reference implementation writes.
 *
 * @returns size and SHA-256 of the file
 * @throws {CheckpointError} TENSOR_NAME, TENSOR_MISMATCH, DISK_FULL, NOT_WRITABLE, WRITE_FAILED
 */
export async function writeSafetensors(
  path: string,
  tensors: Iterable<TensorToWrite>,
  metadata: Readonly<Record<string, string>> = defaultMetadata,
): Promise<FileDigest> {
  const plan = planSafetensors(tensors, metadata, path);
  return writeFileAtomic(path, (sink) => plan.writeTo(sink), { expectedBytes: plan.totalBytes });
}
