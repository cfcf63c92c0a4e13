import type { System } from "./library.ts";
import { allocateBlock, type NativeBlock } from "./native-block.ts";

/** Memory for activations that all programs of a thread use in turn: they never run at the same time. */
export class SharedArena {
  private readonly system: System;
  private block: NativeBlock;

  constructor(system: System) {
    this.system = system;
    this.block = allocateBlock(system, 0, "activations");
  }

  /** Makes room; what lay there is lost, and the place may change. @throws {BackendError} OUT_OF_MEMORY */
  reserve(bytes: number): void {
    if (bytes > this.block.byteLength) this.block = allocateBlock(this.system, bytes, "activations");
  }

  /** Where the memory lies now. */
  get current(): NativeBlock {
    return this.block;
  }
}
