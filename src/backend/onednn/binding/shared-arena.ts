import type { System } from "./library.ts";
import { allocateBlock, type NativeBlock } from "./native-block.ts";

/** What keeps the memory from being freed. */
interface Holder {
  /** Lets go of it. */
  forget(): void;
}

/** Memory for activations that all programs of a thread use in turn: they never run at the same time. */
export class SharedArena {
  private readonly system: System;
  private block: NativeBlock;
  private readonly holders = new Set<Holder>();

  constructor(system: System) {
    this.system = system;
    this.block = allocateBlock(system, 0, "activations");
  }

  /** Makes room; what lay there is lost, and the place may change. @throws {BackendError} OUT_OF_MEMORY */
  reserve(bytes: number): void {
    if (bytes <= this.block.byteLength) return;
    // Programs that never run again would keep the old place.
    for (const holder of this.holders) holder.forget();
    this.block = allocateBlock(this.system, 0, "activations");
    this.block = allocateBlock(this.system, bytes, "activations");
  }

  /** Has a holder let go of the place when there is another one. */
  attach(holder: Holder): void {
    this.holders.add(holder);
  }

  detach(holder: Holder): void {
    this.holders.delete(holder);
  }

  /** Where the memory lies now. */
  get current(): NativeBlock {
    return this.block;
  }
}
