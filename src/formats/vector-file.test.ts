import { appendFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { VectorFile } from "./vector-file.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "firth-vectors-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const facts = { size: 3, count: 10, identity: "one" };
const vector = (i: number): Float32Array => Float32Array.of(i, i / 2, -i);

/** Vectors from `first` on in pieces of 4; fails before the piece that begins at `until`. */
async function* pieces(first: number, until = facts.count) {
  for (let at = first; at < facts.count; at += 4) {
    if (at >= until) throw new Error("interrupted");
    yield Array.from({ length: Math.min(4, facts.count - at) }, (_, i) => vector(at + i));
  }
}

function all(vectors: VectorFile): number[][] {
  return Array.from({ length: vectors.facts.count }, (_, i) => {
    const target = new Float32Array(5).fill(9);
    vectors.read(i, target, 1);
    expect([target[0], target[4]]).toEqual([9, 9]);
    return [...target.subarray(1, 4)];
  });
}

const expected = Array.from({ length: facts.count }, (_, i) => [...vector(i)]);

it("goes on behind the last whole piece, whatever lies behind it, and makes nothing twice (catches torn vectors kept)", async () => {
  const place = join(folder, "torn");
  await expect(VectorFile.fill(place, facts, (first) => pieces(first, 8))).rejects.toThrow("interrupted");
  await appendFile(join(place, "vectors.f32"), "torn");
  const starts: number[] = [];
  const again = await VectorFile.fill(place, facts, (first) => {
    starts.push(first);
    return pieces(first);
  });
  expect([starts, again.made]).toEqual([[8], 2]);
  expect(all(again.vectors)).toEqual(expected);
  again.vectors.close();
  const third = await VectorFile.fill(place, facts, () => {
    throw new Error("must not be asked");
  });
  expect(third.made).toBe(0);
  expect(all(third.vectors)).toEqual(expected);
  third.vectors.close();
});

it("refuses vectors of another identity, size or number, and leaves them as they are", async () => {
  const place = join(folder, "other");
  (await VectorFile.fill(place, facts, (first) => pieces(first))).vectors.close();
  for (const other of [{ identity: "two" }, { size: 4 }, { count: 11 }]) {
    const refused = VectorFile.fill(place, { ...facts, ...other }, (first) => pieces(first));
    await expect(refused).rejects.toMatchObject({ code: "VECTORS_OTHER" });
  }
  const { vectors } = await VectorFile.fill(place, facts, (first) => pieces(first));
  expect(all(vectors)).toEqual(expected);
  vectors.close();
});
