import { describe, expect, it } from "vitest";
import { Random } from "../base/random.ts";
import { allItems, nearest, vectorTable } from "./nearest.ts";

describe("nearest", () => {
  it("gives what sorting all products gives, ties by number (catches a heap that loses or disorders items)", () => {
    const random = new Random(3, "nearest");
    for (const [count, size, k] of [
      [50, 7, 10],
      [200, 4, 200],
      [30, 9, 1],
    ] as const) {
      const vectors = Array.from({ length: count }, () =>
        Float32Array.from({ length: size }, () => random.nextInt(3) - 1),
      );
      const query = Float32Array.from({ length: size }, () => random.nextInt(3) - 1);
      const product = (vector: Float32Array): number => vector.reduce((sum, x, i) => sum + x * query[i]!, 0);
      const wanted = vectors
        .map((vector, item) => ({ item, score: product(vector) }))
        .sort((a, b) => b.score - a.score || a.item - b.item)
        .slice(0, k);
      expect(nearest(vectorTable(vectors, size), query, k, allItems(count))).toEqual(wanted);
    }
  });

  it("looks among the given items only, and finds nothing where nothing is asked for", () => {
    const table = vectorTable([Float32Array.of(1, 0), Float32Array.of(0.5, 0), Float32Array.of(-1, 0)], 2);
    const query = Float32Array.of(1, 0);
    expect(nearest(table, query, 5, [2, 1])).toEqual([
      { item: 1, score: 0.5 },
      { item: 2, score: -1 },
    ]);
    expect(nearest(table, query, 0, allItems(3))).toEqual([]);
  });
});
