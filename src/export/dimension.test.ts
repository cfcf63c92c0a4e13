import { describe, expect, it } from "vitest";
import { Dimensions } from "./dimension.ts";

const dimensions = new Dimensions(["b", "s", "p"], { "p + s": ["p", "s"] });
const pair = (of: (size: (name: string) => number) => number): [number, number] => [
  of((name) => dimensions.size(name, 0)),
  of((name) => dimensions.size(name, 1)),
];

describe("Dimensions", () => {
  it("explains products, sums and neighbours of its dimensions (a number taken for another makes a wrong file)", () => {
    expect(dimensions.explain(pair((size) => 3 * size("b") * size("s") * size("s")))).toEqual({
      factor: 3,
      dimensions: ["b", "s", "s"],
      offset: 0,
    });
    expect(dimensions.explain(pair((size) => 12 * size("b") * size("p + s")))).toMatchObject({
      factor: 12,
      dimensions: ["p + s", "b"],
    });
    expect(dimensions.explain(pair((size) => size("s") - 1))).toEqual({ factor: 1, dimensions: ["s"], offset: -1 });
    expect(dimensions.explain([30_522, 30_522])).toEqual({ factor: 30_522, dimensions: [], offset: 0 });
    expect(dimensions.label(pair((size) => size("p + s")))).toBe("p + s");
  });

  it("does not explain what it does not know, though it fits one of the traces", () => {
    expect(dimensions.explain([dimensions.size("s", 0), 4 * dimensions.size("s", 1)])).toBeUndefined();
    expect(dimensions.explain(pair((size) => size("s") + size("b")))).toBeUndefined();
    expect(dimensions.explain(pair((size) => size("s") - 100))).toBeUndefined();
    expect(dimensions.explain([7, 8])).toBeUndefined();
  });

  it("has sizes without common factors (a product could be two)", () => {
    const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));
    for (const graph of [0, 1] as const) {
      const sizes = ["b", "s", "p", "p + s"].map((name) => dimensions.size(name, graph));
      for (const [i, a] of sizes.entries()) {
        expect(a).toBeGreaterThan(4096);
        for (const b of sizes.slice(i + 1)) expect(gcd(a, b)).toBe(1);
      }
    }
  });
});
