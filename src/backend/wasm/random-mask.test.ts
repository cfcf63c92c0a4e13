import { afterAll, describe, expect, it } from "vitest";
import { mix32 } from "../../base/random.ts";
import { MemoryPool } from "./memory.ts";
import { foldIn, type Key, MaskWriter, randomBitsAt } from "./random-mask.ts";
import { KernelTeam } from "./team.ts";

const pool = new MemoryPool({ arenaBytes: 65_536 });
const team = new KernelTeam({ threads: 2 });
const writer = new MaskWriter(team);
afterAll(async () => {
  await team.dispose();
});

const key: Key = [0xfedcba98, 0x89abcdef];

function expected(size: number, rate: number, of: Key): number[] {
  const threshold = Math.floor(rate * 2 ** 32);
  const scale = Math.fround(1 / (1 - rate));
  return Array.from({ length: size }, (_, i) => (randomBitsAt(of, i) < threshold ? 0 : scale));
}

describe("dropout masks", () => {
  it.each([1, 2, 3, 4, 5, 15, 16, 17, 1001])(
    "of %i elements equal the definition (tail, signed compare, wrap of the counter)",
    async (size) => {
      // key₀ near 2³² makes index + key₀ wrap inside the mask.
      const near: Key = [0xffffffff - 7, 12345];
      const mask = pool.allocate({ dtype: "f32", shape: [size] });
      await writer.fill([{ target: mask, key: near, rate: 0.6 }]);
      expect([...(await mask.read())]).toEqual(expected(size, 0.6, near));
      mask.dispose();
    },
  );

  it("of many elements over two threads are the same, f32 and bool, several at once (index restarted in a piece)", async () => {
    const shape = [3, 70_001];
    const first = pool.allocate({ dtype: "f32", shape });
    const second = pool.allocate({ dtype: "bool", shape });
    await writer.fill([
      { target: first, key, rate: 0.1 },
      { target: second, key: foldIn(key, 3), rate: 0.1 },
    ]);
    const size = 3 * 70_001;
    const wanted = [expected(size, 0.1, key), expected(size, 0.1, foldIn(key, 3)).map(Math.sign)];
    const got = [await first.read(), await second.read()];
    got.forEach((data, k) => {
      expect(data.findIndex((x, i) => x !== wanted[k]![i])).toBe(-1);
    });
  });

  it("drop nothing at rate 0", async () => {
    const mask = pool.allocate({ dtype: "f32", shape: [999] });
    await writer.fill([{ target: mask, key, rate: 0 }]);
    expect((await mask.read()).every((x) => x === 1)).toBe(true);
  });

  it("drop the share asked for, independently of the neighbour (shared low bits of key and counter)", async () => {
    const n = 400_000;
    const mask = pool.allocate({ dtype: "bool", shape: [n] });
    await writer.fill([{ target: mask, key, rate: 0.1 }]);
    const kept = await mask.read();
    let dropped = 0;
    let pairs = 0;
    for (let i = 0; i < n; i++) {
      dropped += 1 - kept[i]!;
      if (i > 0) pairs += (1 - kept[i]!) * (1 - kept[i - 1]!);
    }
    // Five standard deviations of the binomial.
    expect(Math.abs(dropped - 0.1 * n)).toBeLessThan(5 * Math.sqrt(n * 0.09));
    expect(Math.abs(pairs - 0.01 * n)).toBeLessThan(5 * Math.sqrt(n * 0.0099 * 1.2));
    mask.dispose();
  });
});

describe("foldIn", () => {
  it("follows its definition where sums wrap (unsigned conversion forgotten)", () => {
    const d = 0xffffffff;
    expect(foldIn(key, d)).toEqual([
      mix32((0xfedcba98 + mix32((d + 0x9e3779b9) % 2 ** 32)) % 2 ** 32),
      mix32((0x89abcdef ^ mix32((d ^ 0x85ebca6b) >>> 0)) >>> 0),
    ]);
  });
});
