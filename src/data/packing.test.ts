import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Random } from "../base/random.ts";
import { packAlong, packRows, packSequences } from "./packing.ts";

/** Lengths like those of SST-2 sentences in WordPiece with two special tokens: mean about 25, at most 66. */
function shortLengths(count: number, seed: number): number[] {
  const random = new Random(seed, "lengths");
  return Array.from({ length: count }, () => 4 + Math.min(62, Math.floor(20 * Math.exp(0.5 * random.nextNormal()))));
}

describe("packSequences", () => {
  it("places every sequence once and never overfills (bug: room not updated after a placement)", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 32 }), { maxLength: 60 }), (lengths) => {
        const { rows, fillRatio } = packSequences(lengths, 32);
        expect(rows.flat().sort((a, b) => a - b)).toEqual(lengths.map((_, i) => i));
        for (const row of rows) expect(row.reduce((sum, i) => sum + lengths[i]!, 0)).toBeLessThanOrEqual(32);
        const total = lengths.reduce((a, b) => a + b, 0);
        if (rows.length > 0) expect(fillRatio).toBeCloseTo(total / (32 * rows.length), 12);
      }),
      { numRuns: 50 },
    );
  });

  it("chooses the fullest row that still has room (bug: first fit instead of best fit)", () => {
    // 7 and 6 open rows of room 3 and 4; 4 belongs into the second, 3 into the first.
    expect(packSequences([7, 6, 4, 3], 10).rows).toEqual([
      [0, 3],
      [1, 2],
    ]);
    expect(packSequences([6, 7, 3], 10).rows).toEqual([[0], [1, 2]]);
  });

  it("leaves less than 3 % padding on short sentences (bug: only neighbours are packed)", () => {
    for (const seed of [1, 2, 3])
      expect(packSequences(shortLengths(32 * 4, seed), 128).fillRatio).toBeGreaterThan(0.93);
    expect(packSequences(shortLengths(1000, 4), 128).fillRatio).toBeGreaterThan(0.97);
  });

  it("keeps at most maxPerRow together", () => {
    const { rows } = packSequences([1, 1, 1, 1, 1], 10, { maxPerRow: 2 });
    expect(rows.map((row) => row.length)).toEqual([2, 2, 1]);
  });

  it("refuses what cannot be packed, naming the sequence", () => {
    expect(() => packSequences([3, 11], 10)).toThrow(/sequence 1 has 11 tokens, a row only 10/);
    expect(() => packSequences([0], 10)).toThrow(/sequence 0 must have at least one token/);
  });
});

describe("packRows", () => {
  it("restarts positions, numbers sequences and pads (bug: positions run on across a boundary)", () => {
    const sequences = [
      [5, 6, 7],
      [8, 9],
      [1, 2, 3, 4],
    ];
    const packing = packSequences([3, 2, 4], 6);
    expect(packing.rows).toEqual([[0], [1, 2]]);
    const rows = packRows(sequences, packing, { width: 6, padId: 99, numRows: 3 });
    expect([...rows.inputIds]).toEqual([5, 6, 7, 99, 99, 99, 8, 9, 1, 2, 3, 4, 99, 99, 99, 99, 99, 99]);
    expect([...rows.positionIds]).toEqual([0, 1, 2, 0, 0, 0, 0, 1, 0, 1, 2, 3, 0, 0, 0, 0, 0, 0]);
    expect([...rows.sequenceIds]).toEqual([1, 1, 1, 0, 0, 0, 1, 1, 2, 2, 2, 2, 0, 0, 0, 0, 0, 0]);
    expect([...rows.starts]).toEqual([0, 6, 8]);
    expect([...packAlong([[1], [2, 2], [3, 3, 3, 3]], rows, -100)].slice(0, 12)).toEqual([
      1, -100, -100, -100, -100, -100, 2, 2, 3, 3, 3, 3,
    ]);
    expect(() => packRows(sequences, packing, { width: 6, padId: 0, numRows: 1 })).toThrow(/need 2 rows/);
  });
});
