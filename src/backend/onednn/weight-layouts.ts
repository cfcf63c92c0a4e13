/** @file Weights that never change, laid out as the library's kernels read them; programs of a thread share the copies. */
import { ARG } from "./binding/constant.ts";
import type { DnnEngine } from "./binding/engine.ts";
import type { Address } from "./binding/function-table.ts";
import { allocateBlock, type NativeBlock } from "./binding/native-block.ts";
import type { Descriptor } from "./binding/primitive-spec.ts";
import type { NativeRegion } from "./port.ts";
import type { View } from "./program.ts";

/** Fixed numbers of a program's input. */
export interface FixedRegion extends NativeRegion {
  /** Names the memory: equal ids are the same numbers. */
  readonly id: string;
}

/** What a program knows of inputs that never change. */
export interface FixedWeights {
  readonly layouts: WeightLayouts;
  /** By index of the program's input. */
  readonly regions: ReadonlyMap<number, FixedRegion>;
}

interface Copy {
  readonly memory: Address;
  /** Keeps the numbers. */
  readonly block: NativeBlock;
}

/** Copies of one set of fixed inputs. */
export class WeightLayouts {
  private readonly engine: DnnEngine;
  private readonly copies = new Map<string, Copy[]>();

  constructor(engine: DnnEngine) {
    this.engine = engine;
  }

  /** Bytes of all copies. */
  get bytes(): number {
    return [...this.copies.values()].flat().reduce((sum, { block }) => sum + block.byteLength, 0);
  }

  /**
   * A memory with the numbers of a view in the wanted layout; undefined where they lie so already.
   * @param offset of the view in its region, in bytes
   * @throws {BackendError} OUT_OF_MEMORY
   */
  memoryOf(region: FixedRegion, offset: number, view: View, wanted: Descriptor, where: string): Address | undefined {
    const { engine } = this;
    const plain = engine.api.describe(view, where);
    if (engine.isSameLayout(plain, wanted)) return undefined;
    const key = JSON.stringify([region.id, offset, view.dtype, view.dims, view.strides]);
    const known = this.copies.get(key) ?? [];
    const found = known.find(({ memory }) => engine.isSameLayout(engine.descriptorOf(memory, where), wanted));
    if (found !== undefined) return found.memory;
    const bytes = engine.library.common.dnnl_memory_desc_get_size(wanted);
    const block = allocateBlock(engine.library, bytes, "laid-out weights");
    const memory = engine.createMemory(wanted, block.address, where);
    this.copies.set(key, [...known, { memory, block }]);
    this.fill(memory, wanted, plain, region.address + region.byteOffset + offset, where);
    return memory;
  }

  private fill(target: Address, wanted: Descriptor, plain: Descriptor, address: Address, where: string): void {
    const { engine } = this;
    const { common } = engine.library;
    const source = engine.createMemory(plain, address, where);
    engine.useThreads(false);
    const reorder = engine.createPrimitive({ kind: "reorder", source: plain, target: wanted }, { where, postOps: [] });
    const { scratchpad } = reorder;
    const work = scratchpad.memory === 0 ? undefined : allocateBlock(engine.library, scratchpad.bytes, "scratchpad");
    if (work !== undefined) engine.setData(scratchpad.memory, work.address, where);
    engine.execute(
      reorder.address,
      [
        [ARG.source, source],
        [ARG.target, target],
        ...(work === undefined ? [] : [[ARG.scratchpad, scratchpad.memory] as const]),
      ],
      where,
    );
    common.dnnl_primitive_destroy(reorder.address);
    for (const memory of [source, scratchpad.memory]) if (memory !== 0) common.dnnl_memory_destroy(memory);
  }

  /** Frees the copies; programs that use them must be gone. */
  dispose(): void {
    for (const { memory } of [...this.copies.values()].flat()) this.engine.library.common.dnnl_memory_destroy(memory);
    this.copies.clear();
  }
}
