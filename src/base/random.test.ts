import { describe, expect, test } from "vitest";
import { foldSeed, mix32, Random } from "./random.ts";

test("the numbers of a seed are these, in every version (would catch a silent change that breaks resumes)", () => {
  expect([mix32(0), mix32(1), mix32(0xffffffff)]).toEqual([0, 1753845952, 1734902346]);
  expect([foldSeed(1, 2), foldSeed(1, "mask"), foldSeed(0, 2 ** 32 + 1)]).toEqual([264430139, 3969544522, 2668772815]);
  const random = new Random(1, "masking", 2, 3);
  expect([random.nextUint32(), random.nextUint32()]).toEqual([3455969415, 2277792043]);
  expect(random.next()).toBe(0.9434555734995472);
  expect(random.nextInt(10)).toBe(9);
  expect(random.nextNormal()).toBeCloseTo(0.4492946704105013, 14);
  expect(random.nextNormal()).toBeCloseTo(-0.3387084152228914, 14);
  expect(new Random(7).shuffle([0, 1, 2, 3, 4, 5, 6, 7])).toEqual([3, 0, 4, 1, 6, 5, 7, 2]);
});

test("every part of a stream's name matters, and its order (would catch parts that are added or ignored)", () => {
  const first = (seed: number, ...parts: (number | string)[]) => new Random(seed, ...parts).nextUint32();
  const draws = [
    first(1),
    first(2),
    first(1, 0),
    first(1, "0"),
    first(1, "a", "b"),
    first(1, "b", "a"),
    first(1, "ab"),
    first(1, 1, 2),
    first(1, 2, 1),
    first(1, 2 ** 32),
    first(1, 2 ** 32 + 1),
    first(1, -1),
    first(1, 0xffffffff),
  ];
  expect(new Set(draws).size).toBe(draws.length);
});

test("neighbouring seeds and parts are unrelated (would catch a linear fold)", () => {
  let together = 0;
  const count = 4000;
  for (let i = 0; i < count; i++) {
    const x = new Random(i).next() - 0.5;
    const y = new Random(i + 1).next() - 0.5;
    const z = new Random(1, i).next() - 0.5;
    together += (x * y + x * z) / (1 / 12) / 2;
  }
  // Each product has deviation 1/12; the mean of the sum stays below five deviations.
  expect(Math.abs(together / count)).toBeLessThan(5 / Math.sqrt(2 * count));
});

describe("nextInt", () => {
  test("has no modulo bias (with a bound of 3·2³⁰ a plain remainder favours the lowest third two to one)", () => {
    const bound = 3 * 2 ** 30;
    const random = new Random(11);
    const count = 30_000;
    let low = 0;
    for (let i = 0; i < count; i++) if (random.nextInt(bound) < 2 ** 30) low++;
    const deviation = Math.sqrt((count * 2) / 9);
    expect(Math.abs(low - count / 3)).toBeLessThan(5 * deviation);
  });

  test("stays inside and reaches both ends", () => {
    const random = new Random(5);
    const seen = new Set<number>();
    for (let i = 0; i < 500; i++) seen.add(random.nextInt(7));
    expect([...seen].sort()).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(random.nextInt(1)).toBe(0);
    for (const bound of [0, -1, 1.5, Number.NaN, 2 ** 32 + 1]) expect(() => random.nextInt(bound)).toThrow(RangeError);
    expect(random.nextInt(2 ** 32)).toBeGreaterThanOrEqual(0);
  });
});

test("uniform numbers have the right mean, spread and low bits (would catch 32 bits stretched to 53)", () => {
  const random = new Random(3);
  const count = 50_000;
  let sum = 0;
  let squares = 0;
  let fine = 0;
  let outside = 0;
  for (let i = 0; i < count; i++) {
    const x = random.next();
    outside += Number(!(x >= 0 && x < 1));
    sum += x;
    squares += (x - 0.5) ** 2;
    if ((x * 2 ** 40) % 1 !== 0) fine++;
  }
  expect(outside).toBe(0);
  expect(Math.abs(sum / count - 0.5)).toBeLessThan(5 / Math.sqrt(12 * count));
  expect(Math.abs(squares / count - 1 / 12)).toBeLessThan(5 * Math.sqrt(1 / 180 / count));
  expect(fine / count).toBeGreaterThan(0.99);
});

test("normal numbers have mean 0, variance 1, and independent pairs (would catch sine and cosine of two angles)", () => {
  const random = new Random(9);
  const count = 50_000;
  let sum = 0;
  let squares = 0;
  let pairs = 0;
  let tail = 0;
  for (let i = 0; i < count / 2; i++) {
    const [x, y] = [random.nextNormal(), random.nextNormal()];
    sum += x + y;
    squares += x * x + y * y;
    pairs += x * y;
    tail += Number(Math.abs(x) > 2) + Number(Math.abs(y) > 2);
  }
  expect(Math.abs(sum / count)).toBeLessThan(5 / Math.sqrt(count));
  expect(Math.abs(squares / count - 1)).toBeLessThan(5 * Math.sqrt(2 / count));
  expect(Math.abs(pairs / (count / 2))).toBeLessThan(5 / Math.sqrt(count / 2));
  expect(Math.abs(tail / count - 0.0455)).toBeLessThan(5 * Math.sqrt((0.0455 * 0.9545) / count));
});

test("shuffles reach every order equally often (would catch exchanging with any place)", () => {
  const random = new Random(13);
  const counts = new Map<string, number>();
  const count = 12_000;
  for (let i = 0; i < count; i++) {
    const order = random.shuffle([1, 2, 3]).join("");
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  expect(counts.size).toBe(6);
  for (const seen of counts.values()) expect(Math.abs(seen - count / 6)).toBeLessThan(5 * Math.sqrt((count * 5) / 36));
});
