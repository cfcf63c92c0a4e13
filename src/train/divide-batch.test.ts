import { describe, expect, test } from "vitest";
import { cyclicExamples, tinyObjective } from "../../tests/support/tiny-run.ts";
import { type Batch, batchSignature } from "../data/batch.ts";
import { divideBatch, itemTensor } from "./divide-batch.ts";

function batchOf(numExamples: number, packed = true): Batch {
  const examples = cyclicExamples(numExamples);
  const drawn = Array.from({ length: numExamples }, (_, item) => ({
    example: examples.example(0, 0, item),
    epoch: 0,
    item,
  }));
  return tinyObjective({ packed }).collate(drawn, 7);
}

const numbers = (batch: Batch, name: string): number[] => [...batch.tensors[name]!.data];

describe.each([
  ["rows that divide", 14, true],
  ["an odd number of rows", 11, true],
  ["rows of one sequence", 5, false],
])("%s", (_, numExamples, packed) => {
  const whole = batchOf(numExamples, packed);
  const [numRows, width] = whole.tensors.inputIds!.shape as [number, number];
  const parts = divideBatch(whole, 2);

  test("are cut in two without gap or overlap (bug: a row lost, or trained twice)", () => {
    expect(parts).toHaveLength(2);
    for (const name of ["inputIds", "sequenceIds", "positionIds", "tokenTypeIds"]) {
      expect(parts.flatMap((part) => numbers(part, name))).toEqual(numbers(whole, name));
    }
    const rows = parts.map(({ tensors }) => tensors.inputIds!.shape[0]!);
    expect(rows).toEqual([Math.ceil(numRows / 2), Math.floor(numRows / 2)]);
    expect(parts.map(({ part }) => part!.firstRow)).toEqual([0, rows[0]]);
    const sum = (of: (batch: Batch) => number): number => parts.reduce((total, part) => total + of(part), 0);
    expect(sum(({ numTokens }) => numTokens)).toBe(whole.numTokens);
    expect(sum(({ numPlaces }) => numPlaces)).toBe(whole.numPlaces);
  });

  test("take their places, labels and item numbers along (bug: places of the undivided batch, or labels of other places)", () => {
    const { count } = whole.lists!.maskedPositions!;
    const [places, labels] = [numbers(whole, "maskedPositions"), numbers(whole, "maskedLabels")];
    const seen: number[] = [];
    for (const part of parts) {
      const own = part.lists!.maskedPositions!.count;
      const [local, kept, items] = ["maskedPositions", "maskedLabels", itemTensor("maskedPositions")].map((name) =>
        numbers(part, name),
      ) as [number[], number[], number[]];
      items.slice(0, own).forEach((item, i) => {
        expect(local[i]! + part.part!.firstRow * width).toBe(places[item]);
        expect(local[i]).toBeLessThan(part.tensors.inputIds!.shape[0]! * width);
        expect(kept[i]).toBe(labels[item]);
        seen.push(item);
      });
      expect(kept.slice(own).every((label) => label === -100)).toBe(true);
      expect(local.length % 8).toBe(0);
    }
    expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_unused, i) => i));
    expect(parts[0]!.part!.rooms).toEqual({ maskedPositions: places.length });
  });

  test("have graphs of their own (bug: the second part run with the first one's masks)", () => {
    expect(new Set([whole, ...parts].map(batchSignature)).size).toBe(3);
  });
});

test("a batch of one row stays as it is", () => {
  const one = batchOf(1);
  expect(one.tensors.inputIds!.shape[0]).toBe(1);
  expect(divideBatch(one, 2)).toEqual([one]);
});

test("a tensor that is neither rows nor a list is refused by name (bug: cut where it must not be)", () => {
  const batch = batchOf(5);
  const odd: Batch = {
    ...batch,
    tensors: { ...batch.tensors, weights: { dtype: "f32", shape: [24], data: new Float32Array(24) } },
  };
  expect(() => divideBatch(odd, 2)).toThrowError(/tensor "weights" is neither rows nor a list.*Set train\.lanes: 1/);
});
