import { dtypeBytes } from "../../ir/dtype.ts";
import { sizeOf, tensorType } from "../../ir/shape.ts";
import type { BoundMask } from "./mask-filler.ts";
import type { PlannedMask } from "./mask-plan.ts";
import { MemoryBuffer, type MemoryPool } from "./memory.ts";

const bytesOf = ({ value }: PlannedMask): number => sizeOf(value.shape) * dtypeBytes[value.dtype];

/** Where masks lie for one run. */
export interface MaskPlaces {
  /** In the order of the masks asked for. */
  readonly masks: readonly BoundMask[];
  /** Another number when memory has moved since an earlier run. */
  readonly generation: number;
}

/**
 * Memory for the dropout masks of graphs that never run at the same time: a mask lives for one run, so graphs for batches
 * of many shapes need no more of it than the largest of them. Runs through it wait for each other.
 */
export class MaskMemory {
  private readonly pool: MemoryPool;
  /** The n-th largest mask of every graph lies in slot n. */
  private readonly slots: MemoryBuffer[] = [];
  private generation = 0;
  private users = 0;
  private tail: Promise<unknown> = Promise.resolve();

  constructor(pool: MemoryPool) {
    this.pool = pool;
  }

  /** Says that a graph will run through this memory. */
  join(): void {
    this.users++;
  }

  /** Says that a graph will do so no more; with the last one the memory goes back to the pool. */
  leave(): void {
    this.users--;
    if (this.users > 0) return;
    for (const slot of this.slots.splice(0)) slot.dispose();
    this.generation++;
  }

  /** Runs with room for the masks, when the runs before have ended. */
  use<T>(masks: readonly PlannedMask[], run: (places: MaskPlaces) => Promise<T>): Promise<T> {
    const turn = this.tail.then(() => run(this.place(masks)));
    this.tail = turn.catch(() => undefined);
    return turn;
  }

  private place(masks: readonly PlannedMask[]): MaskPlaces {
    const order = [...masks.keys()].sort((a, b) => bytesOf(masks[b]!) - bytesOf(masks[a]!) || a - b);
    const bound = new Array<BoundMask>(masks.length);
    order.forEach((mask, index) => {
      const plan = masks[mask]!;
      const { memory, byteOffset } = this.slot(index, bytesOf(plan)).region;
      bound[mask] = { plan, buffer: new MemoryBuffer(plan.value, memory, byteOffset) };
    });
    return { masks: bound, generation: this.generation };
  }

  private slot(index: number, bytes: number): MemoryBuffer {
    const slot = this.slots[index];
    if (slot !== undefined && slot.region.byteLength >= bytes) return slot;
    slot?.dispose();
    const larger = this.pool.allocate(tensorType("u32", [Math.ceil(bytes / dtypeBytes.u32)]));
    this.slots[index] = larger;
    this.generation++;
    return larger;
  }
}

/** The mask memories of an engine, one for each lane: what runs at the same time shares none. */
export class LaneMaskMemories {
  private readonly pool: MemoryPool;
  private readonly byLane = new Map<string, MaskMemory>();

  constructor(pool: MemoryPool) {
    this.pool = pool;
  }

  of({ lanes = 1, lane = 0 }: { readonly lanes?: number | undefined; readonly lane?: number | undefined }): MaskMemory {
    const key = `${lane} of ${lanes}`;
    const memory = this.byLane.get(key) ?? new MaskMemory(this.pool);
    this.byLane.set(key, memory);
    return memory;
  }
}
