/** A pair of neighbouring pieces with the words it was seen in when it was pushed. */
export interface PairEntry {
  readonly left: number;
  readonly right: number;
  /** Occurrences when pushed; may be out of date. */
  count: number;
  /** Index of the pair's running count. */
  readonly pair: number;
  /** Words to look at; may name words that have lost the pair. */
  readonly words: readonly number[];
}

/** Whether `a` is merged before `b`: more frequent first, then the smaller left id, then the smaller right id. */
function before(a: PairEntry, b: PairEntry): boolean {
  if (a.count !== b.count) return a.count > b.count;
  if (a.left !== b.left) return a.left < b.left;
  return a.right < b.right;
}

/** Binary heap of pairs, the next to merge on top. */
export class PairHeap {
  readonly #entries: PairEntry[] = [];

  push(entry: PairEntry): void {
    const entries = this.#entries;
    let at = entries.length;
    entries.push(entry);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(entry, entries[parent]!)) break;
      entries[at] = entries[parent]!;
      at = parent;
    }
    entries[at] = entry;
  }

  pop(): PairEntry | undefined {
    const entries = this.#entries;
    const top = entries[0];
    const last = entries.pop();
    if (top === undefined || last === undefined || entries.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= entries.length) break;
      if (child + 1 < entries.length && before(entries[child + 1]!, entries[child]!)) child++;
      if (!before(entries[child]!, last)) break;
      entries[at] = entries[child]!;
      at = child;
    }
    entries[at] = last;
    return top;
  }
}
