import { BackendError, nearestName } from "../../base/errors.ts";
import type { TensorType } from "../../ir/dtype.ts";
import { formatType, sizeOf } from "../../ir/shape.ts";
import type { ParameterStore } from "../backend.ts";
import { allocateData, type Data, type Precision } from "../host/storage.ts";
import { ReferenceBuffer } from "./buffer.ts";

function fail(code: string, message: string): never {
  throw new BackendError(message, { code, path: "store" });
}

/** Sections as one flat array each; parameters begin at multiples of 64 bytes of f32. */
export class ReferenceStore implements ParameterStore {
  readonly types: readonly TensorType[];
  readonly sections: readonly string[];
  readonly precision: Precision;
  private readonly buffers = new Map<string, readonly ReferenceBuffer[]>();

  constructor(types: readonly TensorType[], sections: readonly string[], precision: Precision) {
    this.types = types;
    this.sections = sections;
    this.precision = precision;
    const offsets: number[] = [];
    let length = 0;
    types.forEach((type, i) => {
      if (type.dtype !== "f32") fail("STORE_DTYPE", `parameter ${i} is ${formatType(type)}; sections are f32.`);
      offsets.push(length);
      length += Math.ceil(sizeOf(type.shape) / 16) * 16;
    });
    for (const section of sections) {
      const flat = allocateData("f32", length, precision);
      const bufferOf = (type: TensorType, i: number): ReferenceBuffer => {
        const data = flat.subarray(offsets[i]!, offsets[i]! + sizeOf(type.shape));
        return new ReferenceBuffer({ dtype: type.dtype, shape: type.shape, data }, precision, false);
      };
      this.buffers.set(section, types.map(bufferOf));
    }
  }

  /** @throws {BackendError} STORE_SECTION with the nearest name, STORE_INDEX */
  buffer(section: string, index: number): ReferenceBuffer {
    const buffers = this.buffers.get(section);
    if (buffers === undefined) {
      const near = nearestName(section, this.sections);
      const hint = near === undefined ? "" : ` Did you mean "${near}"?`;
      fail("STORE_SECTION", `there is no section "${section}"; there are ${this.sections.join(", ")}.${hint}`);
    }
    const found = buffers[index];
    if (found === undefined) {
      fail("STORE_INDEX", `parameter ${index} does not exist; there are ${this.types.length}.`);
    }
    return found;
  }

  /** The elements of one parameter in a section. */
  data(section: string, index: number): Data {
    return this.buffer(section, index).use().data;
  }

  dispose(): void {
    for (const buffers of this.buffers.values()) for (const buffer of buffers) buffer.invalidate();
  }
}
