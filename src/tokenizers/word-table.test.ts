import { describe, expect, it } from "vitest";
import { Random } from "../base/random.ts";
import { WordTable } from "./word-table.ts";

describe("WordTable", () => {
  it("numbers words as a Map does, while it grows (catches words lost when places are doubled, units of a longer word left over)", () => {
    const random = new Random(1, "words");
    const table = new WordTable(6);
    const map = new Map<string, number>();
    for (let i = 0; i < 60_000; i++) {
      const units = Array.from(
        { length: 1 + random.nextInt(6) },
        () => 0x61 + random.nextInt(i % 3 === 0 ? 4 : 0x3000),
      );
      const word = String.fromCharCode(...units);
      if (!map.has(word)) map.set(word, map.size);
      expect(table.numberOf(word)).toBe(map.get(word));
    }
    expect(table.size).toBe(map.size);
    expect(map.size).toBeGreaterThan(20_000);
    for (const [word, index] of map) expect(table.word(index)).toBe(word);
  });

  it("tells words with equal hashes apart (catches a comparison of hashes alone)", () => {
    const table = new WordTable(2);
    const add = (word: string) => {
      for (let i = 0; i < word.length; i++) table.units[i] = word.charCodeAt(i);
      return table.number(word.length, 7);
    };
    expect(["a", "b", "ab", "a", "ab", "b"].map(add)).toEqual([0, 1, 2, 0, 2, 1]);
  });
});
