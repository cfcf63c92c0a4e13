/** Where a table that was full drops what it saw least. */
const DEFAULT_CAPACITY = 4_000_000;

/**
 * Counts of texts in bounded memory. A full table drops its rarest entries, so that counts of what comes back are too low by
 * at most `missed`; frequent entries stay exact to that.
 * @source Manku and Motwani 2002, "Approximate frequency counts over data streams" (the rule of dropping)
 */
export class CountTable {
  private readonly counts = new Map<string, number>();
  private readonly capacity: number;
  private dropped = 0;

  constructor(capacity = DEFAULT_CAPACITY) {
    this.capacity = capacity;
  }

  /** Most that a count can be too low by. */
  get missed(): number {
    return this.dropped;
  }

  add(key: string, by = 1): void {
    this.counts.set(key, (this.counts.get(key) ?? 0) + by);
    while (this.counts.size > this.capacity) {
      this.dropped++;
      for (const [own, count] of this.counts) if (count <= this.dropped) this.counts.delete(own);
    }
  }

  get(key: string): number {
    return this.counts.get(key) ?? 0;
  }

  entries(): IterableIterator<[string, number]> {
    return this.counts.entries();
  }
}
