/** @file Exact search among vectors in memory. */
import { internalError } from "../base/errors.ts";

/** Vectors of one size, one after the other. Dims: N vectors, H entries. */
export interface VectorTable {
  /** f32 `[N · H]`, each vector of length 1. */
  readonly data: Float32Array;
  readonly size: number;
}

/** A vector found: its number and its cosine with what was looked for. */
export interface Neighbour {
  readonly item: number;
  readonly score: number;
}

/** Puts vectors into one table. */
export function vectorTable(vectors: readonly Float32Array[], size: number): VectorTable {
  const data = new Float32Array(vectors.length * size);
  vectors.forEach((vector, i) => {
    if (vector.length !== size) throw internalError(`a vector of ${vector.length} entries among those of ${size}`);
    data.set(vector, i * size);
  });
  return { data, size };
}

/** Products of a vector with items of a table. */
export function productsWith({ data, size }: VectorTable, query: Float32Array, items: ArrayLike<number>): Float64Array {
  const products = new Float64Array(items.length);
  for (let i = 0; i < items.length; i++) {
    const at = items[i]! * size;
    // Four sums run side by side.
    let [a, b, c, d] = [0, 0, 0, 0];
    let k = 0;
    for (; k + 3 < size; k += 4) {
      a += data[at + k]! * query[k]!;
      b += data[at + k + 1]! * query[k + 1]!;
      c += data[at + k + 2]! * query[k + 2]!;
      d += data[at + k + 3]! * query[k + 3]!;
    }
    for (; k < size; k++) a += data[at + k]! * query[k]!;
    products[i] = a + b + (c + d);
  }
  return products;
}

/**
 * The nearest items to a vector, best first; equal scores by number.
 * @param count how many at most
 * @param items numbers of the items to look among
 */
export function nearest(
  table: VectorTable,
  query: Float32Array,
  count: number,
  items: ArrayLike<number>,
): readonly Neighbour[] {
  const products = productsWith(table, query, items);
  const isBetter = (a: Neighbour, b: Neighbour): boolean =>
    a.score > b.score || (a.score === b.score && a.item < b.item);
  // A heap whose root is the worst of the best.
  const heap: Neighbour[] = [];
  const sink = (): void => {
    for (let at = 0; ; ) {
      const children = [2 * at + 1, 2 * at + 2].filter((child) => child < heap.length);
      const worst = children.reduce((w, child) => (isBetter(heap[w]!, heap[child]!) ? child : w), at);
      if (worst === at) return;
      [heap[at], heap[worst]] = [heap[worst]!, heap[at]!];
      at = worst;
    }
  };
  const rise = (): void => {
    for (let at = heap.length - 1; at > 0; ) {
      const parent = (at - 1) >> 1;
      if (!isBetter(heap[parent]!, heap[at]!)) return;
      [heap[at], heap[parent]] = [heap[parent]!, heap[at]!];
      at = parent;
    }
  };
  for (let i = 0; i < products.length; i++) {
    const found = { item: items[i]!, score: products[i]! };
    if (heap.length < count) {
      heap.push(found);
      rise();
    } else if (count > 0 && isBetter(found, heap[0]!)) {
      heap[0] = found;
      sink();
    }
  }
  return heap.sort((a, b) => (isBetter(a, b) ? -1 : 1));
}

/** 0, 1, …, count − 1. */
export function allItems(count: number): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => i);
}
