/** @file What lies over memory that moves between runs: memory objects and views over a graph input, output or the arena. */
import { type HostData, viewHostData } from "../../ir/dtype.ts";
import type { DnnEngine } from "./binding/engine.ts";
import type { Address } from "./binding/function-table.ts";
import type { HostOperand, Place } from "./program.ts";

/** Bytes of a graph input or output: memory that stays where it is. */
export interface NativeRegion {
  readonly buffer: ArrayBufferLike;
  /** The buffer's first byte. */
  readonly address: Address;
  readonly byteOffset: number;
}

/** A memory object over a region, set when the region moves. */
interface MovingMemory {
  readonly memory: Address;
  readonly offset: number;
}

/** A host operand: its elements, found again when the region moves. */
export interface HostView {
  readonly operand: HostOperand;
  readonly elements: number;
}

interface MovingView {
  readonly view: HostView;
  readonly list: HostData[];
  readonly index: number;
}

/** Bytes of a place from the start of its region. */
export function offsetOf(place: Place): number {
  return place.kind === "constant" ? 0 : place.offset;
}

/** The elements of a host operand in a region that begins at `base`. */
export function hostData({ operand, elements }: HostView, buffer: ArrayBufferLike, base: number): HostData {
  return viewHostData(operand.dtype, buffer, base + offsetOf(operand.place), elements);
}

function noData({ dtype }: HostOperand): HostData {
  return viewHostData(dtype, new ArrayBuffer(0), 0, 0);
}

/** What moves with one graph input or output, or with the arena. */
export class Port {
  private readonly engine: DnnEngine;
  private address: Address = 0;
  private buffer: ArrayBufferLike | undefined;
  private readonly memories: MovingMemory[] = [];
  private readonly views: MovingView[] = [];

  constructor(engine: DnnEngine) {
    this.engine = engine;
  }

  /** A memory object that has no data until the port is moved. */
  addMemory(memory: Address, offset: number): void {
    this.memories.push({ memory, offset });
  }

  /** Keeps `list[index]` on the elements of a view. */
  addView(view: HostView, list: HostData[], index: number): void {
    this.views.push({ view, list, index });
    list[index] = noData(view.operand);
  }

  /** Sets everything to a region, unless it is there already. */
  move({ buffer, address, byteOffset }: NativeRegion): void {
    const moved = address + byteOffset;
    if (this.address === moved && this.buffer === buffer) return;
    for (const { memory, offset } of this.memories) this.engine.setData(memory, moved + offset, "run");
    for (const { view, list, index } of this.views) list[index] = hostData(view, buffer, byteOffset);
    this.address = moved;
    this.buffer = buffer;
  }

  /** Lets go of the region, so that its memory can be collected. */
  forget(): void {
    this.address = 0;
    this.buffer = undefined;
    for (const { view, list, index } of this.views) list[index] = noData(view.operand);
  }
}
