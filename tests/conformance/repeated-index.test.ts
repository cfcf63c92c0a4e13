/** @file Thousands of updates of the same rows with two threads: a racing kernel loses some of them. */
import { expect, it } from "vitest";
import { grad } from "../../src/autodiff/grad.ts";
import { Random } from "../../src/base/random.ts";
import type { HostTensor } from "../../src/ir/dtype.ts";
import { type Shape, sizeOf, tensorType } from "../../src/ir/shape.ts";
import { mul } from "../../src/tensor/elementwise.ts";
import { embedding } from "../../src/tensor/fused.ts";
import { scatterAdd } from "../../src/tensor/movement.ts";
import { sum } from "../../src/tensor/reduction.ts";
import { emitOne, trace } from "../../src/tensor/trace.ts";
import { forEachEngine } from "./engine.ts";
import { disagreements, execute } from "./execute.ts";

const random = new Random(11, "repeated indices");
const floats = (shape: Shape): HostTensor => ({
  ...tensorType("f32", shape),
  // Small whole numbers: every order of summation gives the same f32, so not one lost update can hide.
  data: Float32Array.from({ length: sizeOf(shape) }, () => random.nextInt(9) - 4),
});
const indices = (shape: Shape, rows: number): HostTensor => ({
  ...tensorType("i32", shape),
  data: Int32Array.from({ length: sizeOf(shape) }, () => Math.floor(rows * random.next() ** 3)),
});

forEachEngine((backend, engine) => {
  it("is the engine that runs", engine.prove);

  it.each([
    [11, 64],
    [1, 256],
    [997, 33],
  ])("embeddingGrad adds 4096 rows into %i of width %i", async (rows, width) => {
    const inputs = [indices([8, 512], rows), floats([8, 512, width])];
    const graph = trace("embeddingGrad", { ids: inputs[0]!, dOut: inputs[1]! }, ({ ids, dOut }) => ({
      y: emitOne("embeddingGrad", [ids, dOut], { rows }),
    }));
    for (let repeat = 0; repeat < 3; repeat++) {
      expect(await disagreements(backend, graph, inputs)).toEqual([]);
      expect(await disagreements(backend, graph, inputs, { primitivesOnly: true })).toEqual([]);
    }
  });

  it.each([0, 1, 2])("scatterAdd along axis %i adds 4096 entries", async (axis) => {
    const shape = [5, 7, 9];
    const updates = shape.flatMap((size, i) => (i === axis ? [4096] : [size]));
    const inputs = [floats(shape), indices([4096], shape[axis]!), floats(updates)];
    const graph = trace("scatterAdd", { x: inputs[0]!, at: inputs[1]!, dx: inputs[2]! }, ({ x, at, dx }) => ({
      y: scatterAdd(x, at, dx, axis),
    }));
    for (let repeat = 0; repeat < 3; repeat++) expect(await disagreements(backend, graph, inputs)).toEqual([]);
  });

  it("gives the whole batch's table gradient as the sum of its halves'", async () => {
    const table = floats([50, 32]);
    const graph = trace(
      "half",
      { table, ids: tensorType("i32", [2048]), weight: tensorType("f32", [2048, 32]) },
      ({ table, ids, weight }) => ({ d: grad((x) => sum(mul(embedding(x, ids), weight)))(table)[0]! }),
    );
    const whole = trace(
      "whole",
      { table, ids: tensorType("i32", [4096]), weight: tensorType("f32", [4096, 32]) },
      ({ table, ids, weight }) => ({ d: grad((x) => sum(mul(embedding(x, ids), weight)))(table)[0]! }),
    );
    const ids = indices([4096], 50);
    const weight = floats([4096, 32]);
    const part = (tensor: HostTensor, rows: number, start: number): HostTensor => {
      const width = tensor.data.length / 4096;
      const shape = [rows, ...tensor.shape.slice(1)];
      return { dtype: tensor.dtype, shape, data: tensor.data.slice(start * width, (start + rows) * width) };
    };
    const halves = await Promise.all(
      [0, 2048].map((start) => execute(backend, graph, [table, part(ids, 2048, start), part(weight, 2048, start)])),
    );
    const [all] = await execute(backend, whole, [table, ids, weight]);
    const added = Float64Array.from(halves[0]![0]!.data, (x, i) => x + halves[1]![0]!.data[i]!);
    expect(Float64Array.from(all!.data)).toEqual(added);
  });
});
