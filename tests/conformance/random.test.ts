/** @file Random numbers are the same bits on every engine, in graphs of every size. */
import { expect, it } from "vitest";
import { mix32 } from "../../src/base/random.ts";
import { tensorType } from "../../src/ir/shape.ts";
import { constant, mul } from "../../src/tensor/elementwise.ts";
import { dropoutMask, foldIn } from "../../src/tensor/fused.ts";
import { KeySequence, randomBits, randomNormal, randomUniform } from "../../src/tensor/random.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { trace } from "../../src/tensor/trace.ts";
import { forEachEngine } from "./engine.ts";
import { disagreements, execute, expected } from "./execute.ts";

const keyType = tensorType("u32", [2]);
const keyOf = (...words: readonly [number, number]) => ({ ...keyType, data: Uint32Array.from(words) });
const keys = [keyOf(0, 0), keyOf(1, 2), keyOf(0xffffffff, 0x80000000)];

const graphOf = (run: (key: Tensor) => Tensor) => trace("random", { key: keyType }, ({ key }) => ({ y: run(key) }));

forEachEngine((backend, engine) => {
  it("is the engine that runs", engine.prove);

  it("gives the defined bits (signed shifts, lost carries, indices beyond one block)", async () => {
    const graph = graphOf((key) => randomBits(key, [37, 271]));
    for (const key of keys) {
      const [bits] = await execute(backend, graph, [key]);
      const [k0, k1] = key.data as Uint32Array;
      const wanted = Uint32Array.from({ length: 37 * 271 }, (_, i) => mix32(mix32(i + k0!) ^ k1!));
      expect(bits!.data).toEqual(wanted);
    }
  });

  it("gives the same dropout masks, bit for bit, for every rate and size", async () => {
    for (const rate of [0, 0.1, 0.5, 0.9]) {
      for (const shape of [[], [1], [4099], [3, 2, 17, 33]]) {
        const graph = graphOf((key) => dropoutMask(foldIn(key, 7), shape, rate));
        for (const key of keys) {
          const wanted = Float32Array.from(expected(graph, [key])[0]!.data);
          const [mask] = await execute(backend, graph, [key]);
          expect(Float32Array.from(mask!.data)).toEqual(wanted);
          const [expanded] = await execute(backend, graph, [key], { primitivesOnly: true });
          expect(Float32Array.from(expanded!.data)).toEqual(wanted);
        }
      }
    }
  });

  it("keeps several masks of one step apart", async () => {
    const graph = trace("masks", { key: keyType }, ({ key }) => {
      const sequence = new KeySequence(key);
      const masks = Array.from({ length: 4 }, () => dropoutMask(sequence.next(), [1000], 0.5));
      return Object.fromEntries(masks.map((mask, i) => [`m${i}`, mul(mask, constant(1))]));
    });
    const masks = (await execute(backend, graph, [keyOf(3, 4)])).map(({ data }) => [...data].join());
    expect(new Set(masks).size).toBe(4);
    expect(await disagreements(backend, graph, [keyOf(3, 4)])).toEqual([]);
  });

  it("draws uniform and normal numbers from the bits", async () => {
    for (const run of [randomUniform, randomNormal]) {
      const graph = graphOf((key) => run(key, [501]));
      expect(await disagreements(backend, graph, [keyOf(5, 6)])).toEqual([]);
    }
  });
});
