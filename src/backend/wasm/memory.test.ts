import { describe, expect, it } from "vitest";
import { MemoryBuffer, MemoryPool, pageBytes } from "./memory.ts";
import { MemoryStore } from "./store.ts";

const bytes = (length: number) => ({ dtype: "bool" as const, shape: [length] });

describe("the pool", () => {
  it("reuses freed blocks joined with their neighbours (a pool that only grows)", () => {
    const pool = new MemoryPool({ arenaBytes: pageBytes });
    const quarters = Array.from({ length: 4 }, () => pool.allocate(bytes(pageBytes / 4)));
    const { memory } = quarters[0]!.region;
    expect(quarters.every(({ region }) => region.memory === memory)).toBe(true);
    for (const i of [1, 3, 2]) quarters[i]!.dispose();
    const large = pool.allocate(bytes((3 * pageBytes) / 4));
    expect(large.region.memory).toBe(memory);
    expect(large.region.byteOffset).toBe(pageBytes / 4);
  });

  it("hands out zeros where old data lay", async () => {
    const pool = new MemoryPool({ arenaBytes: pageBytes });
    const old = pool.allocate(bytes(1000));
    old.view().fill(7);
    old.dispose();
    expect((await pool.allocate(bytes(2000)).read()).every((x) => x === 0)).toBe(true);
  });

  it("aligns every tensor and keeps neighbours apart", () => {
    const pool = new MemoryPool({ arenaBytes: pageBytes });
    const list = [1, 63, 64, 65].map((length) => pool.allocate(bytes(length)).region.byteOffset);
    expect(list).toEqual([0, 64, 128, 192]);
  });

  it("frees once, and refuses a buffer after its disposal (double free hands one block to two)", () => {
    const pool = new MemoryPool({ arenaBytes: pageBytes });
    const first = pool.allocate(bytes(64));
    first.dispose();
    first.dispose();
    const [a, b] = [pool.allocate(bytes(64)), pool.allocate(bytes(64))];
    expect(a.region.byteOffset).not.toBe(b.region.byteOffset);
    expect(() => first.view()).toThrow(/disposed/);
  });

  it("names a type and a length that do not fit, and reads copies", async () => {
    const buffer = new MemoryPool().allocate({ dtype: "f32", shape: [3] });
    expect(() => buffer.write(Float32Array.of(1, 2))).toThrow(/f32\[3\].*2 elements/);
    expect(() => buffer.write(Int32Array.of(1, 2, 3))).toThrow(/Int32Array/);
    buffer.write(Float32Array.of(1, 2, 3));
    const copy = await buffer.read();
    buffer.view()[0] = 9;
    expect([...copy]).toEqual([1, 2, 3]);
    expect(copy.buffer).toBeInstanceOf(ArrayBuffer);
  });
});

describe("the store", () => {
  const types = [[5], [64, 3], [1], [7, 7]].map((shape) => ({ dtype: "f32" as const, shape }));

  it("gives every tensor its own aligned bytes in the memory of its parameter (sections overlapping)", () => {
    const store = new MemoryStore(types, ["value", "grad"], { memoryBytes: 3 * pageBytes });
    const spans = ["value", "grad"]
      .flatMap((section) => types.map((_, i) => store.region(section, i)))
      .map(({ byteOffset, byteLength }) => [byteOffset, byteOffset + byteLength] as const)
      .sort((a, b) => a[0] - b[0]);
    spans.forEach(([begin], i) => {
      expect(begin % 64).toBe(0);
      if (i > 0) expect(begin).toBeGreaterThanOrEqual(spans[i - 1]![1]);
    });
    expect(store.buffer("grad", 1)).toBeInstanceOf(MemoryBuffer);
  });

  it("refuses a parameter larger than a memory and suggests the section that was meant", () => {
    expect(() => new MemoryStore([{ dtype: "f32", shape: [100_000] }], ["value"], { memoryBytes: pageBytes })).toThrow(
      /Split the parameter/,
    );
    expect(() => new MemoryStore(types, ["value"]).buffer("vaule", 0)).toThrow(/Did you mean "value"/);
  });
});
