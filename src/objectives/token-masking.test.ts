import { describe, expect, test } from "vitest";
import { Random } from "../base/random.ts";
import { type MaskingOptions, type MaskingVocabulary, maskTokens } from "./token-masking.ts";

const vocabulary: MaskingVocabulary = { maskId: 4, vocabSize: 100, isSpecial: (id) => id < 10 };
const standard: MaskingOptions = {
  maskProbability: 0.15,
  unit: "token",
  maxNgram: 3,
  maskTokenProbability: 0.8,
  randomTokenProbability: 0.1,
};

/** `[CLS] … [SEP]` around ordinary tokens. */
function sequence(length: number, random: Random): Int32Array {
  const tokens = Int32Array.from({ length }, () => 10 + random.nextInt(90));
  tokens[0] = 2;
  tokens[length - 1] = 3;
  return tokens;
}

/** Five deviations of a binomial. */
const bound = (count: number, p: number): number => 5 * Math.sqrt(count * p * (1 - p));

test("15 % are chosen; of these 80 % become [MASK], 10 % random, 10 % stay (would catch shares of the wrong whole)", () => {
  const random = new Random(1, "text");
  let [chosen, masked, kept, total] = [0, 0, 0, 0];
  for (let i = 0; i < 400; i++) {
    const tokens = sequence(128, random);
    const before = tokens.slice();
    const result = maskTokens(tokens, new Uint8Array(128).fill(1), standard, vocabulary, new Random(2, i));
    expect(tokens).toEqual(before);
    total += 128;
    chosen += result.positions.length;
    result.positions.forEach((place, k) => {
      masked += Number(result.tokens[place] === 4);
      kept += Number(result.tokens[place] === result.labels[k]);
    });
  }
  expect(chosen / total).toBeCloseTo(0.1484, 3); // round(128 · 0.15) = 19 of 128
  expect(Math.abs(masked - 0.8 * chosen)).toBeLessThan(bound(chosen, 0.8));
  // A random token is the old one once in ninety times.
  expect(Math.abs(kept - (0.1 + 0.1 / 90) * chosen)).toBeLessThan(bound(chosen, 0.1 + 0.1 / 90));
});

test("special tokens are never chosen and never drawn; every place and every word has its turn", () => {
  const random = new Random(3, "text");
  const drawn = new Map<number, number>();
  const chosen = new Float64Array(32);
  const options = { ...standard, maskTokenProbability: 0, randomTokenProbability: 1, maskProbability: 0.4 };
  const count = 1500;
  for (let i = 0; i < count; i++) {
    const tokens = sequence(32, random);
    tokens[9] = 3;
    const result = maskTokens(tokens, new Uint8Array(32).fill(1), options, vocabulary, new Random(4, i));
    for (const place of result.positions) {
      chosen[place]!++;
      drawn.set(result.tokens[place]!, (drawn.get(result.tokens[place]!) ?? 0) + 1);
    }
  }
  expect([chosen[0], chosen[9], chosen[31]]).toEqual([0, 0, 0]);
  expect(Math.min(...drawn.keys())).toBe(10);
  expect(drawn.size).toBe(90);
  const draws = 13 * count;
  for (const times of drawn.values()) expect(Math.abs(times - draws / 90)).toBeLessThan(bound(draws, 1 / 90));
  // 13 of the 29 ordinary places, each equally often (would catch a bias to the front).
  for (const [place, times] of chosen.entries()) {
    if ([0, 9, 31].includes(place)) continue;
    expect(Math.abs(times - (count * 13) / 29), `place ${place}`).toBeLessThan(bound(count, 13 / 29));
  }
});

test("labels put the original back, places rise, and nothing else changes", () => {
  for (const unit of ["token", "wholeWord", "ngram"] as const) {
    for (let i = 0; i < 50; i++) {
      const tokens = sequence(60, new Random(5, i));
      const starts = Uint8Array.from({ length: 60 }, (_, place) => Number(place % 3 === 0));
      const result = maskTokens(tokens, starts, { ...standard, unit }, vocabulary, new Random(6, i));
      const restored = result.tokens.slice();
      result.positions.forEach((place, k) => {
        restored[place] = result.labels[k]!;
      });
      expect(restored).toEqual(tokens);
      expect(result.positions).toEqual([...new Set(result.positions)].sort((a, b) => a - b));
      expect(result.positions.length).toBeGreaterThan(0);
    }
  }
});

describe("the budget", () => {
  const size = (length: number, options: Partial<MaskingOptions>, starts?: Uint8Array) =>
    maskTokens(
      sequence(length, new Random(7)),
      starts ?? new Uint8Array(length).fill(1),
      { ...standard, ...options },
      vocabulary,
      new Random(8),
    ).positions.length;

  test("is the rounded share, at least one, at most maxPredictionsPerSequence", () => {
    expect(size(100, {})).toBe(15);
    expect(size(3, {})).toBe(1);
    expect(size(100, { maxPredictionsPerSequence: 6 })).toBe(6);
    expect(size(100, { maxPredictionsPerSequence: 99 })).toBe(15);
  });

  test("is never exceeded by whole words or spans, and is used up where pieces are small enough", () => {
    for (const unit of ["wholeWord", "ngram"] as const) {
      for (let i = 0; i < 100; i++) {
        const random = new Random(9, i);
        const starts = Uint8Array.from({ length: 80 }, () => Number(random.next() < 0.5));
        const tokens = sequence(80, random);
        const result = maskTokens(tokens, starts, { ...standard, unit }, vocabulary, random);
        expect(result.positions.length).toBeLessThanOrEqual(12);
        expect(result.positions.length).toBeGreaterThanOrEqual(9);
      }
    }
  });
});

test("a word is chosen whole or not at all, up to the special tokens around it (would catch split words)", () => {
  // Words of 1, 2 and 3 pieces; after [SEP] at 13 a piece without a start, as where a segment was cut.
  const starts = Uint8Array.from([1, 1, 1, 0, 1, 0, 0, 1, 1, 0, 1, 0, 0, 1, 0, 0, 1, 1, 0, 1]);
  const tokens = sequence(20, new Random(10));
  tokens[13] = 3;
  const words = [[1], [2, 3], [4, 5, 6], [7], [8, 9], [10, 11, 12], [14, 15], [16], [17, 18]];
  const seen = new Set<string>();
  for (let i = 0; i < 300; i++) {
    const options = { ...standard, unit: "wholeWord" as const, maskProbability: 0.25 };
    const { positions } = maskTokens(tokens, starts, options, vocabulary, new Random(11, i));
    for (const word of words) {
      const taken = word.filter((place) => positions.includes(place)).length;
      expect([0, word.length]).toContain(taken);
      if (taken > 0) seen.add(word.join());
    }
    expect(positions.every((place) => words.flat().includes(place))).toBe(true);
  }
  expect(seen.size).toBe(words.length);
});

/** Tries every tenth unit first, so that spans do not meet. */
class Spaced extends Random {
  override shuffle<A extends { length: number; [index: number]: unknown }>(items: A): A {
    const order = (items as unknown as number[]).sort((a, b) => Number(b % 10 === 0) - Number(a % 10 === 0) || a - b);
    return order as unknown as A;
  }
}

test("spans of n words have probability ∝ 1/n (would catch uniform lengths, or lengths in pieces)", () => {
  const length = 40_000;
  const tokens = sequence(length, new Random(12));
  // Every word has two pieces: places 1–2, 3–4, ….
  const starts = Uint8Array.from({ length }, (_, place) => place % 2);
  const options = { ...standard, unit: "ngram" as const, maskProbability: 0.1 };
  const counts = [0, 0, 0, 0];
  for (let i = 0; i < 3; i++) {
    const { positions } = maskTokens(tokens, starts, options, vocabulary, new Spaced(13, i));
    const spans = new Map<number, number>();
    for (const place of positions) {
      const word = (place - 1) >> 1;
      spans.set(word - (word % 10), (spans.get(word - (word % 10)) ?? 0) + 1);
    }
    // The last span may have been cut by the budget.
    for (const pieces of [...spans.values()].slice(0, -1)) counts[pieces / 2]!++;
  }
  const total = counts.reduce((sum, count) => sum + count, 0);
  expect(total).toBeGreaterThan(3000);
  for (const n of [1, 2, 3]) {
    const p = 1 / n / (1 + 1 / 2 + 1 / 3);
    expect(Math.abs(counts[n]! - p * total), `spans of ${n}`).toBeLessThan(bound(total, p));
  }
});

test("a sequence of special tokens only has nothing to predict", () => {
  const result = maskTokens(Int32Array.of(2, 3), Uint8Array.of(1, 1), standard, vocabulary, new Random(1));
  expect(result).toEqual({ tokens: Int32Array.of(2, 3), positions: [], labels: [] });
});
