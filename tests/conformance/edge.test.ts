/**
 * @file Numbers and sizes at the edge, on XLA: what its own operations do there is not what Firth's mean, where the lowering
 * does not see to it. Other engines leave some of these to their libraries.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Backend } from "../../src/backend/backend.ts";
import { decodeBfloat16, encodeBfloat16 } from "../../src/base/half-float.ts";
import { allocateHostData, type DType, type HostData, type HostTensor } from "../../src/ir/dtype.ts";
import { type Shape, sizeOf, tensorType } from "../../src/ir/shape.ts";
import {
  abs,
  compare,
  convert,
  div,
  maximum,
  minimum,
  mul,
  neg,
  pow,
  relu,
  select,
  shiftLeft,
  shiftRight,
  sign,
} from "../../src/tensor/elementwise.ts";
import { attention, crossEntropy, embedding, gelu, layerNorm, linear, softmax } from "../../src/tensor/fused.ts";
import { concatenate, gather, scatterAdd } from "../../src/tensor/movement.ts";
import { argMax, max, mean, sum } from "../../src/tensor/reduction.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { emitOne, type Tensors, trace } from "../../src/tensor/trace.ts";
import { xla } from "../support/backends.ts";
import { disagreements, execute } from "./execute.ts";

const { NaN: none, POSITIVE_INFINITY: infinite } = Number;
const LEAST_I32 = -(2 ** 31);

function tensor(dtype: DType, shape: Shape, ...numbers: readonly number[]): HostTensor {
  const data = allocateHostData(dtype, sizeOf(shape));
  expect(numbers).toHaveLength(data.length);
  numbers.forEach((x, i) => {
    data[i] = x;
  });
  return { dtype, shape, data };
}

const vector = (dtype: DType, ...numbers: readonly number[]): HostTensor => tensor(dtype, [numbers.length], ...numbers);
const floats = (...numbers: readonly number[]): HostTensor => vector("f32", ...numbers);
const empty = (dtype: DType, ...shape: readonly number[]): HostTensor => tensor(dtype, shape);

type Case = readonly [title: string, inputs: Readonly<Record<string, HostTensor>>, run: (given: Tensors) => Tensors];

const directions = ["eq", "ne", "lt", "le", "gt", "ge"] as const;

const cases: readonly Case[] = [
  [
    "whole numbers divided by 0 are 0, by −1 they wrap, and the rest truncates",
    {
      a: vector("i32", 7, -7, 0, LEAST_I32, LEAST_I32, -7, 7),
      b: vector("i32", 0, 0, 0, 0, -1, 2, -2),
    },
    ({ a, b }) => ({ y: div(a!, b!) }),
  ],
  [
    "unsigned numbers above 2³¹ are divided as what they are",
    { a: vector("u32", 2 ** 32 - 1, 5, 2 ** 31), b: vector("u32", 0, 2 ** 31, 3) },
    ({ a, b }) => ({ y: div(a!, b!), less: compare("lt", a!, b!), larger: maximum(a!, b!) }),
  ],
  [
    "negations and magnitudes of the least number wrap",
    { a: vector("i32", LEAST_I32, -1, 2 ** 31 - 1) },
    ({ a }) => ({ negative: neg(a!), magnitude: abs(a!), square: mul(a!, a!), sign: sign(a!) }),
  ],
  [
    "shifts by 32 and more leave nothing",
    { a: vector("u32", 2 ** 32 - 1, 2 ** 32 - 1, 3, 3), b: vector("u32", 32, 40, 31, 2 ** 32 - 1) },
    ({ a, b }) => ({ left: shiftLeft(a!, b!), right: shiftRight(a!, b!) }),
  ],
  [
    "what is no number compares with nothing",
    { a: floats(none, none, 1, none, infinite), b: floats(none, 1, none, infinite, infinite) },
    ({ a, b }) => Object.fromEntries(directions.map((direction) => [direction, compare(direction, a!, b!)])),
  ],
  [
    "what is no number stays none",
    { a: floats(none, none, 1, -1), b: floats(none, 1, none, 2) },
    ({ a, b }) => ({
      larger: maximum(a!, b!),
      smaller: minimum(a!, b!),
      relu: relu(a!),
      gelu: gelu(a!),
      isSomething: convert(a!, "bool"),
      chosen: select(compare("gt", a!, 0), a!, b!),
    }),
  ],
  [
    "a sum, a mean and a maximum of what is no number are none",
    { x: tensor("f32", [3, 3], 1, none, 2, none, 1, 1, 1, 1, none) },
    ({ x }) => ({ sum: sum(x!, 1), mean: mean(x!, 0), max: max(x!, 1), softmax: softmax(x!) }),
  ],
  [
    "zeros keep their signs",
    { x: floats(0, -0, 1, -1) },
    ({ x }) => ({ inverse: div(1, neg(x!)), scaled: div(1, mul(x!, 0)), kept: div(1, maximum(x!, -0)) }),
  ],
  [
    "powers of 0, of 1 and of negative numbers",
    { a: floats(0, 0, 1, -2, -2, 4, -8), b: floats(0, 2, 5, 3, -2, 0.5, 0.5) },
    ({ a, b }) => ({ y: pow(a!, b!) }),
  ],
  [
    "maxima of rows that are infinite throughout, and of negative whole numbers",
    {
      x: tensor("f32", [3, 3], -infinite, -infinite, -infinite, 1, infinite, infinite, -3, -1, -1),
      n: tensor("i32", [2, 2], LEAST_I32, LEAST_I32, -2, -1),
      u: tensor("u32", [2, 2], 0, 0, 2 ** 31 - 1, 2 ** 31),
    },
    ({ x, n, u }) => ({
      ...{ max: max(x!, 1), place: argMax(x!, 1) },
      ...{ maxN: max(n!, 1), placeN: argMax(n!, 1), maxU: max(u!, 1), placeU: argMax(u!, 1) },
    }),
  ],
  [
    "fractions are cut off on the way to whole numbers",
    { x: floats(-1.9, -0.5, -0, 0.9999999, 2 ** 24 + 2, -(2 ** 31), 2 ** 31 - 128) },
    ({ x }) => ({ y: convert(x!, "i32") }),
  ],
  [
    "scores of −∞ have no share, and a label outside them no loss",
    { x: tensor("f32", [3, 3], 1, -infinite, 2, -1e30, 0, 1e30, 0, 0, 0), labels: vector("i32", 2, 2, -100) },
    ({ x, labels }) => ({ softmax: softmax(x!), loss: crossEntropy(x!, labels!) }),
  ],
  [
    "rows and classes that are not there",
    {
      x: empty("f32", 0, 4),
      w: tensor("f32", [2, 4], 1, 2, 3, 4, 5, 6, 7, 8),
      gain: floats(1, 1, 1, 1),
      labels: empty("i32", 0),
      flat: empty("f32", 3, 0),
    },
    ({ x, w, gain, labels, flat }) => ({
      normal: layerNorm(x!, gain!, gain!, 1e-5),
      shares: softmax(x!),
      product: linear(x!, w!),
      activated: gelu(x!),
      loss: crossEntropy(x!, labels!),
      total: sum(crossEntropy(x!, labels!)),
      columns: sum(x!, 0),
      rows: sum(flat!, 1),
      outer: linear(flat!, emptyColumns()),
      joined: concatenate([x!, w!], 0),
    }),
  ],
  [
    "places that nobody asks for",
    { table: tensor("f32", [3, 2], 1, 2, 3, 4, 5, 6), ids: empty("i32", 0), nothing: empty("f32", 0, 2) },
    ({ table, ids, nothing }) => ({
      found: gather(table!, ids!),
      looked: embedding(table!, ids!),
      same: scatterAdd(table!, ids!, nothing!),
      gradient: emitOne("embeddingGrad", [ids!, nothing!], { rows: 3 }),
    }),
  ],
  [
    "attention of no sequences, and to one key",
    {
      none: empty("f32", 0, 2, 1, 4),
      q: tensor("f32", [1, 2, 1, 2], 1, 2, 3, 4),
      k: tensor("f32", [1, 1, 1, 2], 5, 6),
    },
    ({ none: nothing, q, k }) => ({ none: attention(nothing!, nothing!, nothing!), one: attention(q!, k!, k!) }),
  ],
];

/** [2, 0]: a weight without inputs. */
function emptyColumns(): Tensor {
  return emitOne("iota", [], { dtype: "f32", shape: [2, 0], axis: 0 });
}

describe.skipIf(xla.missing !== undefined)(xla.title, () => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await xla.open();
  });
  afterAll(() => backend?.dispose());

  it.each(cases)("%s", async (title, inputs, run) => {
    const graph = trace(title, inputs, run);
    expect(await disagreements(backend, graph, Object.values(inputs))).toEqual([]);
  });

  // Catches an index that lies outside where nothing is the greatest: whoever looks it up reads anything.
  it("the place of the greatest among none is in range", async () => {
    const x = tensor("f32", [2, 3], none, none, none, 1, none, 2);
    const [place] = await execute(
      backend,
      trace("argMax", { x }, (given) => ({ y: argMax(given.x!, 1) })),
      [x],
    );
    for (const index of place!.data) expect([0, 1, 2]).toContain(index);
  });

  // Catches a cast that cuts bits off, or rounds ties away from zero: a thousand steps drift.
  it("rounds to bf16 as the host does: to the nearest, ties to even, beyond the largest to infinity", async () => {
    const numbers = [
      ...[0, -0, 1, -1, 1 / 3, 65_535, 3e38, -3e38, 3.4e38, -3.4e38, infinite, -infinite, none],
      // Halfway between two neighbours, from an even and from an odd one, and a little beside.
      ...[1 + 2 ** -8, 1 + 3 * 2 ** -8, 1 + 2 ** -8 + 2 ** -20, 1 + 3 * 2 ** -8 - 2 ** -20],
      ...[-1 - 2 ** -8, -1 - 3 * 2 ** -8, 256.5, 257, 258.999],
    ];
    const x = floats(...numbers);
    const graph = trace("cast", { x }, (given) => {
      const narrow = convert(given.x!, "bf16");
      return { narrow, wide: convert(narrow, "f32") };
    });
    const [narrow, wide] = await execute(backend, graph, [x]);
    const expected = [...x.data].map(encodeBfloat16);
    expect([...narrow!.data].map(decodeBfloat16)).toEqual(expected.map(decodeBfloat16));
    expect([...wide!.data]).toEqual(expected.map(decodeBfloat16));
  });

  // Catches a constant that is written with another type's bits, or too short a decimal.
  it("gives constants of every type as they are", async () => {
    const bf16 = Uint16Array.from([1, -2.5, infinite, -infinite, -0, 3e38], encodeBfloat16);
    const thirds = Float32Array.from({ length: 20 }, (_, i) => 1 / (i - 3));
    const mixed = Float32Array.of(-0, none, 1e-7, 1e38, -infinite);
    const constant = (dtype: DType, data: HostData): Tensor =>
      emitOne("constant", [], { dtype, shape: [data.length], data });
    const graph = trace("constants", { x: tensorType("f32", []) }, ({ x }) => ({
      own: neg(x!),
      bf16: constant("bf16", bf16),
      alike: constant("bf16", new Uint16Array(3).fill(bf16[1]!)),
      f32: constant("f32", mixed),
      long: constant("f32", thirds),
      bool: constant("bool", Uint8Array.of(1, 0)),
      u32: constant("u32", Uint32Array.of(2 ** 32 - 1, 7)),
    }));
    const results = await execute(backend, graph, [tensor("f32", [], 2)]);
    const data = Object.fromEntries(graph.outputs.map(({ name }, i) => [name, [...results[i]!.data]]));
    expect(data.bf16).toEqual([...bf16]);
    expect(data.alike).toEqual(new Array(3).fill(bf16[1]));
    expect(data.f32).toEqual([...mixed]);
    expect(data.long).toEqual([...thirds]);
    expect([data.bool, data.u32]).toEqual([
      [1, 0],
      [2 ** 32 - 1, 7],
    ]);
  });
});
