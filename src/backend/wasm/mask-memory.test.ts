import { expect, test } from "vitest";
import { tensorType } from "../../ir/shape.ts";
import { MaskMemory } from "./mask-memory.ts";
import type { PlannedMask } from "./mask-plan.ts";
import { MemoryPool } from "./memory.ts";

let id = 0;
const mask = (...shape: number[]): PlannedMask => ({
  value: { ...tensorType("f32", shape), id: id++ },
  key: { kind: "constant", words: [1, 2] },
  rate: 0.5,
});

test("graphs of many shapes share memory, each mask apart in its own run (would catch masks that overlap)", async () => {
  const memory = new MaskMemory(new MemoryPool());
  memory.join();
  const placesOf = (masks: readonly PlannedMask[]) =>
    memory.use(masks, async ({ masks: bound, generation }) => ({
      generation,
      regions: bound.map(({ buffer }) => buffer.region),
      shapes: bound.map(({ buffer }) => buffer.shape),
    }));
  const first = await placesOf([mask(2, 8), mask(100, 10), mask(4)]);
  expect(first.shapes).toEqual([[2, 8], [100, 10], [4]]);
  const ends = first.regions.map(({ byteOffset, byteLength }) => [byteOffset, byteOffset + byteLength] as const);
  const sorted = ends.toSorted((a, b) => a[0] - b[0]);
  for (const [i, [start]] of sorted.slice(1).entries()) expect(start).toBeGreaterThanOrEqual(sorted[i]![1]);

  const smaller = await placesOf([mask(90, 10), mask(3)]);
  expect(smaller.generation).toBe(first.generation);
  expect(smaller.regions[0]!.byteOffset).toBe(first.regions[1]!.byteOffset);

  const larger = await placesOf([mask(200, 10), mask(3)]);
  expect(larger.generation).toBeGreaterThan(first.generation);
  expect((await placesOf([mask(2, 8), mask(100, 10), mask(4)])).generation).toBe(larger.generation);
});

test("runs wait for each other, failed ones too (would catch a mask overwritten while it is read)", async () => {
  const memory = new MaskMemory(new MemoryPool());
  memory.join();
  const events: string[] = [];
  const run = (name: string, fails = false) =>
    memory.use([mask(4)], async () => {
      events.push(`${name} begins`);
      await new Promise((resolve) => setTimeout(resolve, 5));
      events.push(`${name} ends`);
      if (fails) throw new Error(name);
    });
  const results = await Promise.allSettled([run("a"), run("b", true), run("c")]);
  expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(events).toEqual(["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]);
});

test("the last graph that leaves gives the memory back (would catch memory held for ever)", async () => {
  const pool = new MemoryPool({ arenaBytes: 65_536 });
  const memory = new MaskMemory(pool);
  memory.join();
  memory.join();
  const place = () => memory.use([mask(1000)], async ({ masks }) => masks[0]!.buffer.region.byteOffset);
  const at = await place();
  memory.leave();
  expect(pool.allocate(tensorType("f32", [1000])).region.byteOffset).not.toBe(at);
  memory.leave();
  expect(pool.allocate(tensorType("f32", [1000])).region.byteOffset).toBe(at);
});
