import { describe, expect, it } from "vitest";
import { SharedArena } from "./shared-arena.ts";

const system = { addressOf: () => 4096, readString: () => "", adviseHugePages: () => undefined };

/** Counts how often it was told to let go, and by what the arena held then. */
function holderOf(arena: SharedArena) {
  const seen: number[] = [];
  return { seen, forget: () => void seen.push(arena.current.byteLength) };
}

describe("SharedArena", () => {
  it("has every program let go of the smaller place before there is a larger one (bug: programs of shapes that never came again kept each earlier arena, gigabytes of them)", () => {
    const arena = new SharedArena(system);
    arena.reserve(100);
    const [kept, gone] = [holderOf(arena), holderOf(arena)];
    arena.attach(kept);
    arena.attach(gone);
    arena.reserve(80);
    expect([kept.seen, gone.seen, arena.current.byteLength]).toEqual([[], [], 100]);
    arena.detach(gone);
    arena.reserve(300);
    expect([kept.seen, gone.seen, arena.current.byteLength]).toEqual([[100], [], 300]);
  });
});
