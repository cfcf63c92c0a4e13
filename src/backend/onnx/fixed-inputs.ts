import { BackendError } from "../../base/errors.ts";
import type { Buffer, FixedInputs } from "../backend.ts";
import { MemoryBuffer } from "../wasm/memory.ts";
import type { MemoryRegion, OrtWeights } from "./binding/binding.ts";
import { weightName } from "./lower/lower-graph.ts";

/** Fixed inputs as constants of all models that are made with them. */
export class OnnxFixedInputs implements FixedInputs {
  readonly buffers: ReadonlyMap<string, Buffer>;
  readonly weights: OrtWeights;
  /** The kernels' own copies of a run cost little where many places share the reading of all weights. */
  readonly maxPlaces = 256;

  constructor(buffers: ReadonlyMap<string, Buffer>, weights: OrtWeights) {
    this.buffers = buffers;
    this.weights = weights;
  }

  dispose(): void {
    this.weights.dispose();
  }
}

/** Where buffers lie, by the names of their constants. @throws {BackendError} BUFFER_FOREIGN */
export function weightRegions(buffers: ReadonlyMap<string, Buffer>): Map<string, MemoryRegion> {
  const regions = new Map<string, MemoryRegion>();
  for (const [name, buffer] of buffers) {
    if (!(buffer instanceof MemoryBuffer)) {
      throw new BackendError(`"${name}" belongs to another engine.`, { code: "BUFFER_FOREIGN", path: "onnx.fix" });
    }
    const { buffer: memory, byteOffset } = buffer.region;
    regions.set(weightName(name), { buffer: memory, byteOffset, dtype: buffer.dtype, shape: buffer.shape });
  }
  return regions;
}
