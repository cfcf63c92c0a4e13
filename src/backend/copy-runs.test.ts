import { afterAll, expect, test } from "vitest";
import { tensorType } from "../ir/shape.ts";
import type { Buffer } from "./backend.ts";
import { createReferenceBackend } from "./reference/reference-backend.ts";
import { MemoryPool } from "./wasm/memory.ts";

const reference = createReferenceBackend();
const pool = new MemoryPool({ arenaBytes: 1 << 20 });
afterAll(() => reference.dispose());

const engines: readonly [string, (shape: readonly number[]) => Buffer][] = [
  ["reference", (shape) => reference.allocate(tensorType("f32", shape))],
  ["shared memory", (shape) => pool.allocate(tensorType("f32", shape))],
];

const counting = (length: number): Float32Array => Float32Array.from({ length }, (_, i) => i + 1);

test.each(engines)("%s: runs go where their strides say, short ones and long ones", async (_, allocate) => {
  for (const length of [2, 40]) {
    const source = allocate([3, 50]);
    const target = allocate([4, 60]);
    source.write(counting(150));
    target.copyFrom(source, { from: 5, to: 7, length, count: 3, fromStride: 50, toStride: 60 });
    const expected = new Float32Array(240);
    for (let run = 0; run < 3; run++) {
      for (let i = 0; i < length; i++) expected[7 + 60 * run + i] = 5 + 50 * run + i + 1;
    }
    // A stride in the wrong tensor shows at the second run, a copy of the whole row at the elements beside.
    expect(Float32Array.from(await target.read())).toEqual(expected);
  }
});

test.each(engines)("%s: a tensor copies into itself", async (_, allocate) => {
  const tensor = allocate([2, 30]);
  tensor.write(counting(60));
  tensor.copyFrom(tensor, { from: 0, to: 30, length: 30 });
  const half = counting(30);
  expect(Array.from(await tensor.read())).toEqual([...half, ...half]);
});

test.each(engines)("%s: runs that leave a tensor are refused, whichever it is", (_, allocate) => {
  const [small, large] = [allocate([10]), allocate([20])];
  const refused = expect.objectContaining({ code: "BUFFER_RANGE" });
  expect(() => small.copyFrom(large, { from: 0, to: 5, length: 6 })).toThrow(refused);
  expect(() => large.copyFrom(small, { from: 0, to: 0, length: 4, count: 3, fromStride: 4 })).toThrow(refused);
  expect(() => large.copyFrom(small, { from: -1, to: 0, length: 4 })).toThrow(refused);
});
