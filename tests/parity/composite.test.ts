/** @file Composites, their gradients and scalar functions equal PyTorch's in double precision. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { vjp } from "../../src/autodiff/grad.ts";
import { evaluateGraph } from "../../src/backend/reference/evaluate.ts";
import type { HostTensor } from "../../src/ir/dtype.ts";
import { tensorType } from "../../src/ir/shape.ts";
import { decompose } from "../../src/tensor/decompose/decompose.ts";
import {
  add,
  constant,
  cos,
  div,
  erf,
  exp,
  floor,
  log,
  logistic,
  sign,
  sin,
  sqrt,
  sub,
  tanh,
} from "../../src/tensor/elementwise.ts";
import {
  attention,
  crossEntropy,
  embedding,
  gelu,
  gruCell,
  layerNorm,
  linear,
  lstmCell,
  softmax,
} from "../../src/tensor/fused.ts";
import { gather, transpose } from "../../src/tensor/movement.ts";
import { max, sum } from "../../src/tensor/reduction.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { type Tensors, trace } from "../../src/tensor/trace.ts";

type Nested = number | string | readonly Nested[];

interface Case {
  readonly attributes: Readonly<Record<string, Nested>>;
  readonly inputs: Readonly<Record<string, Nested>>;
  readonly outputs: Readonly<Record<string, Nested>>;
  readonly cotangents: Readonly<Record<string, Nested>>;
  readonly gradients: Readonly<Record<string, Nested>>;
}

const fixture = JSON.parse(readFileSync(new URL("../fixtures/composites.json", import.meta.url), "utf8")) as {
  readonly composites: Readonly<Record<string, Case>>;
  readonly scalars: Readonly<
    Record<string, { readonly x: readonly number[]; readonly y: readonly (number | string)[] }>
  >;
};

const flat = (nested: Nested): number[] => (Array.isArray(nested) ? nested.flatMap(flat) : [Number(nested)]);
const shapeOf = (nested: Nested): number[] =>
  Array.isArray(nested) ? [nested.length, ...shapeOf(nested[0] ?? 0)] : [];

function host(nested: Nested, isFloat: boolean): HostTensor {
  const data = isFloat ? Float64Array.from(flat(nested)) : Int32Array.from(flat(nested));
  return { ...tensorType(isFloat ? "f64" : "i32", shapeOf(nested)), data };
}

type Inputs = Readonly<Record<string, Tensor>>;
type Build = (inputs: Inputs, attributes: Case["attributes"]) => Tensors;

/** [B,N,T,D] ↔ [B,T,N,D]. */
const heads = (x: Tensor): Tensor => transpose(x, [0, 2, 1, 3]);

const attentionLike: Build = ({ query, key, value }, { scale, additiveMask }) => {
  const bias = constant(flat(additiveMask!), "f64", shapeOf(additiveMask!));
  return { y: heads(attention(heads(query!), heads(key!), heads(value!), { scale: Number(scale), bias })) };
};

const logSoftmax: Build = ({ x }) => {
  const shifted = sub(x!, max(x!, -1, { keepDims: true }));
  return { y: sub(shifted, log(sum(exp(shifted), -1, { keepDims: true }))) };
};

/** How each case is written with our functions; the part of its name before the first full stop chooses. */
const builders: Readonly<Record<string, Build>> = {
  layerNorm: ({ x, gain, bias }, { eps }) => ({ y: layerNorm(x!, gain!, bias!, Number(eps)) }),
  "gelu.erf": ({ x }) => ({ y: gelu(x!) }),
  "gelu.tanh": ({ x }) => ({ y: gelu(x!, "tanh") }),
  softmax: ({ x }) => ({ y: softmax(x!) }),
  logSoftmax,
  crossEntropy: ({ logits, labels }, { reduction }) => {
    const rows = crossEntropy(logits!, labels!);
    if (reduction === "none") return { y: rows };
    // The mean is over scored rows: four of the six in the fixture.
    return { y: reduction === "sum" ? sum(rows) : div(sum(rows), 4) };
  },
  attention: attentionLike,
  embedding: ({ ids, table }) => ({ y: embedding(table!, ids!) }),
  gatherRows: ({ rows, x }) => ({ y: gather(x!, rows!) }),
  linear: ({ input, weight, bias }) => ({ y: linear(input!, weight!, bias!) }),
  lstmCell: ({ x, h, c, weightIh, weightHh, biasIh, biasHh }) => {
    const input = linear(x!, weightIh!, biasIh!);
    const step = lstmCell(add(input, linear(h!, weightHh!, biasHh!)), c!);
    return { h: step.hidden, c: step.cell };
  },
  gruCell: ({ x, h, weightIh, weightHh, biasIh, biasHh }) => ({
    y: gruCell(linear(x!, weightIh!, biasIh!), linear(h!, weightHh!, biasHh!), h!),
  }),
};

function compute(name: string, one: Case): Readonly<Record<string, number[]>> {
  const build = builders[name.split(".").slice(0, 2).join(".")] ?? builders[name.split(".")[0]!];
  if (build === undefined) throw new Error(`no builder for the fixture ${name}`);
  const floats = Object.keys(one.gradients);
  const inputs = Object.entries(one.inputs).map(([key, nested]) => [key, host(nested, floats.includes(key))] as const);
  const graph = trace(name.replaceAll(".", " "), Object.fromEntries(inputs), (symbols) => {
    const outputs = build(symbols, one.attributes);
    const cotangents = Object.keys(outputs).map((key) => {
      const given = one.cotangents[key]!;
      return constant(flat(given), "f64", shapeOf(given));
    });
    const wrt = floats.map((key) => symbols[key]!);
    const gradients = vjp(Object.values(outputs), wrt, cotangents);
    return { ...outputs, ...Object.fromEntries(floats.map((key, i) => [`d.${key}`, gradients[i]!])) };
  });
  const results = evaluateGraph(
    decompose(graph),
    inputs.map(([, tensor]) => tensor),
  );
  return Object.fromEntries(graph.outputs.map(({ name: key }, i) => [key, [...results[i]!.data]]));
}

function expectClose(what: string, actual: readonly number[], wanted: readonly number[]): void {
  expect(actual.length).toBe(wanted.length);
  const scale = wanted.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-3);
  wanted.forEach((y, i) => {
    const near = Math.abs(actual[i]! - y) <= 1e-12 * scale;
    expect(Object.is(actual[i], y) || near, `${what}[${i}] is ${actual[i]} instead of ${y}`).toBe(true);
  });
}

describe("composites and their gradients", () => {
  it.each(Object.entries(fixture.composites))("%s", (name, one) => {
    const results = compute(name, one);
    for (const [key, wanted] of Object.entries(one.outputs)) expectClose(key, results[key]!, flat(wanted));
    for (const [key, wanted] of Object.entries(one.gradients))
      expectClose(`d.${key}`, results[`d.${key}`]!, flat(wanted));
  });
});

describe("scalar functions", () => {
  const functions = { erf, tanh, exp, log, sigmoid: logistic, sqrt, sin, cos, sign, floor };

  it.each(Object.entries(functions))("%s", (name, apply) => {
    const { x, y } = fixture.scalars[name]!;
    const graph = trace(name, { x: tensorType("f64", [x.length]) }, (inputs) => ({ y: apply(inputs.x) }));
    const [result] = evaluateGraph(graph, [host(x, true)]);
    y.forEach((wanted, i) => {
      const actual = result!.data[i]!;
      const value = Number(wanted);
      const near = Math.abs(actual - value) <= 1e-15 + 4e-16 * Math.abs(value);
      expect(actual === value || Object.is(actual, value) || near, `${name}(${x[i]}) is ${actual}, not ${value}`).toBe(
        true,
      );
    });
  });
});
