/** @file Parameters with gradients and optimizer state, flat in shared memory. */
import { BackendError, nearestName } from "../../base/errors.ts";
import { dtypeBytes, type TensorType } from "../../ir/dtype.ts";
import { formatType, sizeOf } from "../../ir/shape.ts";
import type { ParameterStore } from "../backend.ts";
import { alignUp, createMemory, MemoryBuffer, maxMemoryBytes, type Region } from "./memory.ts";
import type { KernelTeam } from "./team.ts";

/** One memory of a store: parameters [first, last) with all their sections. */
export interface StorePart {
  readonly memory: WebAssembly.Memory;
  readonly first: number;
  readonly last: number;
  /** Byte offset of every section. */
  readonly sectionOffsets: ReadonlyMap<string, number>;
}

export interface StoreOptions {
  /** Largest size of one memory in bytes (default and maximum 4 GiB). */
  readonly memoryBytes?: number;
  /** The team whose sweeps run over the store: it lets go of the memories when the store is disposed. */
  readonly team?: KernelTeam;
}

/**
 * Sections begin this many bytes off a multiple of 4 KiB from each other: streams at the same offset within a
 * page would make the processor wait for stores that only seem to overlap its loads.
 */
const sectionSkew = 832;

const bytesOf = (type: TensorType): number => Math.max(64, alignUp(sizeOf(type.shape) * dtypeBytes[type.dtype]));
const strideOf = (sectionBytes: number): number => alignUp(sectionBytes, 4096) + sectionSkew;

/** A store in shared memory; engines bind its regions, sweeps run over its parts. */
export class MemoryStore implements ParameterStore {
  readonly types: readonly TensorType[];
  readonly sections: readonly string[];
  parts: readonly StorePart[];
  /** Byte offset of every parameter from the start of a section in its part. */
  readonly offsets: readonly number[];
  private readonly partOf: readonly number[];
  private readonly buffers = new Map<string, MemoryBuffer[]>();
  private readonly team: KernelTeam | undefined;
  private disposed = false;

  /** @throws {BackendError} OUT_OF_MEMORY when a parameter with its sections does not fit one memory */
  constructor(types: readonly TensorType[], sections: readonly string[], options: StoreOptions = {}) {
    this.types = types;
    this.sections = sections;
    this.team = options.team;
    const limit = Math.min(options.memoryBytes ?? maxMemoryBytes, maxMemoryBytes);
    const offsets: number[] = [];
    const partOf: number[] = [];
    const plans: { first: number; last: number; bytes: number }[] = [];
    types.forEach((type, i) => {
      if (type.dtype !== "f32") {
        throw new BackendError(`parameter ${i} is ${formatType(type)}; sections are f32.`, {
          code: "STORE_DTYPE",
          path: "store",
        });
      }
      const bytes = bytesOf(type);
      if (strideOf(bytes) * sections.length > limit) {
        throw new BackendError(
          `parameter ${i} (${formatType(type)}) with ${sections.length} sections takes ${bytes * sections.length} bytes; one memory holds ${limit}. Split the parameter.`,
          { code: "OUT_OF_MEMORY", path: "store" },
        );
      }
      let plan = plans.at(-1);
      if (plan === undefined || strideOf(plan.bytes + bytes) * sections.length > limit) {
        plan = { first: i, last: i, bytes: 0 };
        plans.push(plan);
      }
      partOf.push(plans.length - 1);
      offsets.push(plan.bytes);
      plan.bytes += bytes;
      plan.last = i + 1;
    });
    this.offsets = offsets;
    this.partOf = partOf;
    this.parts = plans.map(({ first, last, bytes }) => ({
      memory: createMemory(strideOf(bytes) * sections.length),
      first,
      last,
      sectionOffsets: new Map(sections.map((section, s) => [section, s * strideOf(bytes)])),
    }));
    for (const section of sections) {
      this.buffers.set(
        section,
        types.map((type, i) => {
          const part = this.parts[partOf[i]!]!;
          return new MemoryBuffer(type, part.memory, part.sectionOffsets.get(section)! + offsets[i]!);
        }),
      );
    }
  }

  /** The part that holds a parameter. */
  part(index: number): StorePart {
    if (this.disposed) {
      throw new BackendError("the store was disposed and is used again.", { code: "STORE_DISPOSED", path: "store" });
    }
    return this.parts[this.partOf[index]!]!;
  }

  buffer(section: string, index: number): MemoryBuffer {
    const found = this.requireSection(section)[index];
    if (found === undefined) {
      throw new BackendError(`parameter ${index} does not exist; there are ${this.types.length}.`, {
        code: "STORE_INDEX",
        path: "store",
      });
    }
    return found;
  }

  /** Where a parameter lies in a section. */
  region(section: string, index: number): Region {
    return this.buffer(section, index).region;
  }

  /** @throws {BackendError} STORE_SECTION with the nearest name */
  requireSection(section: string): readonly MemoryBuffer[] {
    const buffers = this.buffers.get(section);
    if (buffers !== undefined) return buffers;
    const near = nearestName(section, this.sections);
    const hint = near === undefined ? "" : ` Did you mean "${near}"?`;
    throw new BackendError(`there is no section "${section}"; there are ${this.sections.join(", ")}.${hint}`, {
      code: "STORE_SECTION",
      path: "store",
    });
  }

  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    this.team?.release(this.parts.map(({ memory }) => memory));
    this.parts = [];
    for (const buffers of this.buffers.values()) for (const buffer of buffers) buffer.invalidate();
  }
}
