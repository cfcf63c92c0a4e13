/** @file Tensors in shared WebAssembly memory, where kernels and other engines work on the same bytes. */
import { BackendError } from "../../base/errors.ts";
import { type DType, dtypeBytes, type HostData, type TensorType, viewHostData } from "../../ir/dtype.ts";
import { formatType, sizeOf, tensorType } from "../../ir/shape.ts";
import type { Buffer, ElementRuns } from "../backend.ts";
import { copyRuns } from "../copy-runs.ts";

export const pageBytes = 65_536;
/** The most one memory can hold: 2¹⁶ pages. */
export const maxMemoryBytes = pageBytes * 65_536;
/** Every tensor begins on this boundary and owns the bytes up to the next. */
export const alignment = 64;

export function alignUp(bytes: number, boundary = alignment): number {
  return Math.ceil(bytes / boundary) * boundary;
}

/** Where a tensor lies: bind other engines on `buffer` at `byteOffset`. */
export interface Region {
  readonly memory: WebAssembly.Memory;
  /** The memory's bytes; never grows nor detaches. */
  readonly buffer: ArrayBufferLike;
  readonly byteOffset: number;
  /** Bytes of the elements, without padding. */
  readonly byteLength: number;
}

/** A shared memory of fixed size, zeroed; pages that are never touched cost nothing. @throws {BackendError} OUT_OF_MEMORY */
export function createMemory(bytes: number): WebAssembly.Memory {
  const pages = Math.max(1, Math.ceil(bytes / pageBytes));
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  } catch (cause) {
    throw new BackendError(`${bytes} bytes of shared memory cannot be reserved. Use a smaller model or batch.`, {
      code: "OUT_OF_MEMORY",
      path: "memory",
      details: { bytes },
      cause,
    });
  }
}

/** A tensor at a fixed place in a memory. */
export class MemoryBuffer implements Buffer {
  readonly dtype: DType;
  readonly shape: readonly number[];
  private place: Region | undefined;
  private kept: HostData | undefined;
  private readonly release: (() => void) | undefined;

  /** @param release called once by `dispose`; without it the tensor belongs to something else and `dispose` does nothing */
  constructor(type: TensorType, memory: WebAssembly.Memory, byteOffset: number, release?: () => void) {
    const { dtype, shape } = tensorType(type.dtype, type.shape);
    this.dtype = dtype;
    this.shape = shape;
    this.place = { memory, buffer: memory.buffer, byteOffset, byteLength: sizeOf(shape) * dtypeBytes[dtype] };
    this.release = release;
  }

  /** Where it lies. @throws {BackendError} BUFFER_DISPOSED */
  get region(): Region {
    if (this.place === undefined) {
      throw new BackendError(
        `${formatType(this)} was disposed and is used again. Dispose buffers after their last use.`,
        {
          code: "BUFFER_DISPOSED",
          path: "buffer",
        },
      );
    }
    return this.place;
  }

  /** The elements themselves, sharing memory. */
  view(): HostData {
    const { buffer, byteOffset } = this.region;
    return viewHostData(this.dtype, buffer, byteOffset, sizeOf(this.shape));
  }

  write(data: HostData): void {
    const view = this.view();
    if (data.length !== view.length || data.constructor !== view.constructor) {
      throw new BackendError(
        `host data must fit ${formatType(this)}; got ${data.constructor.name} of ${data.length} elements, not ${view.constructor.name} of ${view.length}.`,
        { code: "BUFFER_DATA_MISMATCH", path: "buffer.write" },
      );
    }
    view.set(data);
  }

  copyFrom(source: Buffer, runs: ElementRuns): void {
    if (!(source instanceof MemoryBuffer)) {
      throw new BackendError(`${formatType(source)} belongs to another engine.`, {
        code: "BUFFER_FOREIGN",
        path: "buffer.copyFrom",
      });
    }
    copyRuns({ type: this, elements: this.elements() }, { type: source, elements: source.elements() }, runs);
  }

  /** `view`, kept: parts of it are written again and again. */
  private elements(): HostData {
    const { buffer } = this.region;
    if (this.kept?.buffer !== buffer) this.kept = this.view();
    return this.kept;
  }

  async read(): Promise<HostData> {
    return this.view().slice();
  }

  /** Makes the buffer unusable, whoever owns it. */
  invalidate(): void {
    this.place = undefined;
  }

  dispose(): void {
    if (this.release === undefined || this.place === undefined) return;
    this.place = undefined;
    this.release();
  }
}

interface Block {
  offset: number;
  bytes: number;
}

/** One memory of a pool with its free blocks, in order of offset. */
interface Arena {
  readonly memory: WebAssembly.Memory;
  readonly free: Block[];
  /** Bytes below this may hold old data. */
  used: number;
}

/** Plain tensors in shared memory: first fit, neighbours joined when freed, zeroed when handed out. */
export class MemoryPool {
  private readonly arenas: Arena[] = [];
  private readonly arenaBytes: number;

  /** @param options.arenaBytes size of a memory; larger tensors get one of their own (default 256 MiB) */
  constructor(options: { readonly arenaBytes?: number } = {}) {
    this.arenaBytes = options.arenaBytes ?? 256 * 1024 * 1024;
  }

  /** @throws {BackendError} OUT_OF_MEMORY when a tensor is larger than 4 GiB or memory cannot be reserved */
  allocate(type: TensorType): MemoryBuffer {
    const bytes = Math.max(alignment, alignUp(sizeOf(type.shape) * dtypeBytes[type.dtype]));
    if (bytes > maxMemoryBytes) {
      throw new BackendError(
        `${formatType(type)} takes ${bytes} bytes; one tensor may take ${maxMemoryBytes}. Split it.`,
        {
          code: "OUT_OF_MEMORY",
          path: "memory",
        },
      );
    }
    for (const arena of this.arenas) {
      const at = arena.free.findIndex((block) => block.bytes >= bytes);
      if (at >= 0) return this.take(arena, at, bytes, type);
    }
    const size = alignUp(Math.max(bytes, this.arenaBytes), pageBytes);
    const arena = { memory: createMemory(size), free: [{ offset: 0, bytes: size }], used: 0 };
    this.arenas.push(arena);
    return this.take(arena, 0, bytes, type);
  }

  private take(arena: Arena, at: number, bytes: number, type: TensorType): MemoryBuffer {
    const block = arena.free[at]!;
    const { offset } = block;
    block.offset += bytes;
    block.bytes -= bytes;
    if (block.bytes === 0) arena.free.splice(at, 1);
    if (offset < arena.used) {
      new Uint8Array(arena.memory.buffer, offset, Math.min(bytes, arena.used - offset)).fill(0);
    }
    arena.used = Math.max(arena.used, offset + bytes);
    return new MemoryBuffer(type, arena.memory, offset, () => {
      this.give(arena, { offset, bytes });
    });
  }

  private give(arena: Arena, block: Block): void {
    const { free } = arena;
    const found = free.findIndex(({ offset }) => offset > block.offset);
    const at = found < 0 ? free.length : found;
    free.splice(at, 0, block);
    for (const i of [at + 1, at]) {
      const before = free[i - 1];
      const after = free[i];
      if (before === undefined || after === undefined || before.offset + before.bytes !== after.offset) continue;
      before.bytes += after.bytes;
      free.splice(i, 1);
    }
    // An empty arena other than the first goes back to the system.
    if (free.length === 1 && free[0]!.bytes === arena.memory.buffer.byteLength && this.arenas.length > 1) {
      this.arenas.splice(this.arenas.indexOf(arena), 1);
    }
  }
}
