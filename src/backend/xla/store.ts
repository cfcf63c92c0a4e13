import { BackendError, nearestName } from "../../base/errors.ts";
import type { TensorType } from "../../ir/dtype.ts";
import { formatType } from "../../ir/shape.ts";
import type { ParameterStore } from "../backend.ts";
import { XlaBuffer, type XlaMemory } from "./buffer.ts";
import type { Sharding } from "./executor.ts";

function fail(code: string, message: string): never {
  throw new BackendError(message, { code, path: "store" });
}

/** Sections with an array for every parameter; those that nobody writes take no memory. */
export class XlaStore implements ParameterStore {
  readonly types: readonly TensorType[];
  readonly sections: readonly string[];
  private readonly buffers = new Map<string, readonly XlaBuffer[]>();
  private isDisposed = false;

  /** @throws {BackendError} STORE_DTYPE */
  constructor(
    memory: XlaMemory,
    types: readonly TensorType[],
    sections: readonly string[],
    shardingOf: (section: string, index: number) => Sharding = () => "replicated",
  ) {
    this.types = types;
    this.sections = sections;
    types.forEach((type, i) => {
      if (type.dtype !== "f32") fail("STORE_DTYPE", `parameter ${i} is ${formatType(type)}; sections are f32.`);
    });
    for (const section of sections) {
      this.buffers.set(
        section,
        types.map((type, i) => new XlaBuffer(memory, type, shardingOf(section, i), false)),
      );
    }
  }

  /** @throws {BackendError} STORE_SECTION with the nearest name, STORE_INDEX */
  buffer(section: string, index: number): XlaBuffer {
    const found = this.requireSection(section)[index];
    if (found !== undefined) return found;
    return fail("STORE_INDEX", `parameter ${index} does not exist; there are ${this.types.length}.`);
  }

  /** @throws {BackendError} STORE_SECTION with the nearest name */
  requireSection(section: string): readonly XlaBuffer[] {
    const buffers = this.buffers.get(section);
    if (buffers !== undefined) return buffers;
    const near = nearestName(section, this.sections);
    const hint = near === undefined ? "" : ` Did you mean "${near}"?`;
    return fail("STORE_SECTION", `there is no section "${section}"; there are ${this.sections.join(", ")}.${hint}`);
  }

  dispose(): void {
    if (this.isDisposed) return;
    this.isDisposed = true;
    for (const buffers of this.buffers.values()) for (const buffer of buffers) buffer.invalidate();
  }
}
