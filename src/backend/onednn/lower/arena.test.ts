import { describe, expect, test } from "vitest";
import { Random } from "../../../base/random.ts";
import { type Access, planArena } from "./arena.ts";
import type { Block } from "./ref.ts";

const block = (bytes: number): Block => ({ bytes, home: { kind: "arena" } });

describe("planArena", () => {
  test("blocks that live at the same time never share bytes, in place or not (would catch memory given back too early)", () => {
    for (let seed = 0; seed < 30; seed++) {
      const random = new Random(seed, "arena");
      const blocks: Block[] = [];
      const accesses: Access[] = Array.from({ length: 60 }, () => {
        const reads = Array.from({ length: Math.min(blocks.length, random.nextInt(4)) }, () => {
          // Mostly young blocks, sometimes one from long ago.
          const back = random.next() < 0.8 ? random.nextInt(Math.min(6, blocks.length)) : random.nextInt(blocks.length);
          return blocks[blocks.length - 1 - back]!;
        });
        const made = block(64 * (1 + random.nextInt(8)) - random.nextInt(3));
        blocks.push(made);
        const [from] = reads;
        return { reads, writes: [made], ...(from === undefined ? {} : { inPlace: [from, made] as const }) };
      });
      const { offsets, bytes } = planArena(accesses);
      const last = new Map<Block, number>();
      accesses.forEach(({ reads, writes }, step) => {
        for (const one of [...reads, ...writes]) last.set(one, step);
      });
      // What each byte holds, by simulation: a block's bytes must be its own at every read.
      const owner = new Array<Block | undefined>(bytes).fill(undefined);
      const range = (one: Block) => [offsets.get(one)!, offsets.get(one)! + one.bytes] as const;
      accesses.forEach(({ reads, writes, inPlace }, step) => {
        for (const one of reads) {
          const [start, end] = range(one);
          expect(start % 64).toBe(0);
          for (let at = start; at < end; at++)
            if (owner[at] !== one) throw new Error(`step ${step} reads foreign bytes`);
        }
        for (const one of writes) {
          const [start, end] = range(one);
          for (let at = start; at < end; at++) {
            const before = owner[at];
            const isTaken = before !== undefined && last.get(before)! >= step;
            const isInherited = before === inPlace?.[0] && last.get(before!) === step;
            if (isTaken && !isInherited) throw new Error(`step ${step} overwrites a block that is still needed`);
            owner[at] = one;
          }
        }
      });
    }
  });

  test("a chain of passes runs in the memory of one, in place (would catch an arena that only grows)", () => {
    const chain = Array.from({ length: 10 }, () => block(1000));
    const accesses = chain.map((one, i): Access => {
      const before = chain[i - 1];
      return before === undefined
        ? { reads: [], writes: [one] }
        : { reads: [before], writes: [one], inPlace: [before, one] };
    });
    expect(planArena(accesses).bytes).toBe(1024);
    expect(planArena(accesses.map(({ reads, writes }) => ({ reads, writes }))).bytes).toBe(2048);
  });

  test("a block that is read again later is not written over in place", () => {
    const [a, b, c] = [block(64), block(64), block(64)];
    const { offsets } = planArena([
      { reads: [], writes: [a] },
      { reads: [a], writes: [b], inPlace: [a, b] },
      { reads: [a, b], writes: [c] },
    ]);
    expect(offsets.get(b)).not.toBe(offsets.get(a));
  });
});
