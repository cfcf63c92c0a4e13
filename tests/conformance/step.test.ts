/** @file Whole training graphs: what engines fuse, share and reorder shows only when operations stand together. */
import { expect, it } from "vitest";
import { gradients } from "../../src/autodiff/grad.ts";
import { Random } from "../../src/base/random.ts";
import type { HostTensor } from "../../src/ir/dtype.ts";
import { type Shape, sizeOf, tensorType } from "../../src/ir/shape.ts";
import { checkpoint } from "../../src/tensor/call.ts";
import { add, div, iota, mul, tanh } from "../../src/tensor/elementwise.ts";
import {
  attention,
  crossEntropy,
  dropoutMask,
  embedding,
  gelu,
  layerNorm,
  linear,
  lstmCell,
} from "../../src/tensor/fused.ts";
import { expandDims, gather, reshape } from "../../src/tensor/movement.ts";
import { dropout, KeySequence } from "../../src/tensor/random.ts";
import { mean, sum } from "../../src/tensor/reduction.ts";
import { scan } from "../../src/tensor/scan.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { trace } from "../../src/tensor/trace.ts";
import { forEachEngine } from "./engine.ts";
import { disagreements } from "./execute.ts";

const random = new Random(8, "step");
const floats = (shape: Shape, scale = 0.4): HostTensor => ({
  ...tensorType("f32", shape),
  data: Float32Array.from({ length: sizeOf(shape) }, () => scale * random.nextNormal()),
});
const integers = (shape: Shape, bound: number): HostTensor => ({
  ...tensorType("i32", shape),
  data: Int32Array.from({ length: sizeOf(shape) }, () => random.nextInt(bound)),
});

const [batch, length, heads, size, vocabulary] = [3, 7, 2, 5, 31];
const hidden = heads * size;

const weights: Readonly<Record<string, HostTensor>> = {
  words: floats([vocabulary, hidden]),
  positions: floats([length, hidden]),
  query: floats([hidden, hidden]),
  key: floats([hidden, hidden]),
  value: floats([hidden, hidden]),
  valueBias: floats([hidden]),
  output: floats([hidden, hidden]),
  gain: floats([hidden]),
  bias: floats([hidden]),
  up: floats([3 * hidden, hidden]),
  upBias: floats([3 * hidden]),
  down: floats([hidden, 3 * hidden]),
  decoderBias: floats([vocabulary]),
};

const inputs: Readonly<Record<string, HostTensor>> = {
  ...weights,
  ids: integers([batch, length], vocabulary),
  padding: {
    ...tensorType("f32", [batch, 1, 1, length]),
    data: Float32Array.from({ length: batch * length }, (_, i) => (i % length > 4 ? -1e9 : 0)),
  },
  scored: integers([6], batch * length),
  labels: { ...tensorType("i32", [6]), data: Int32Array.of(3, -100, 0, 30, 7, 3) },
  rngKey: { ...tensorType("u32", [2]), data: Uint32Array.of(17, 4) },
};

type Symbols = Readonly<Record<string, Tensor>>;

/** One transformer layer after the original order, with dropout in all three places. */
function layer(x: Tensor, w: Symbols, keys: KeySequence): Tensor {
  const split = (y: Tensor): Tensor => reshape(y, [batch, length, heads, size]);
  const mixed = attention(
    split(linear(x, w.query!)),
    split(linear(x, w.key!)),
    split(linear(x, w.value!, w.valueBias!)),
    { bias: w.padding!, dropoutMask: dropoutMask(keys.next(), [batch, heads, length, length], 0.2) },
  );
  const attended = dropout(linear(reshape(mixed, [batch, length, hidden]), w.output!), 0.1, keys.next());
  const normal = layerNorm(add(x, attended), w.gain!, w.bias!, 1e-12);
  const wide = linear(gelu(linear(normal, w.up!, w.upBias!)), w.down!);
  return layerNorm(add(normal, dropout(wide, 0.1, keys.next())), w.gain!, w.bias!, 1e-12);
}

/** Masked-language-model loss with the decoder tied to the word embeddings. */
function loss(w: Symbols, recompute: boolean): Tensor {
  const keys = new KeySequence(w.rngKey!);
  let x = add(embedding(w.words!, w.ids!), embedding(w.positions!, iota([length])));
  for (let i = 0; i < 2; i++) {
    const block = (y: Tensor): Tensor => layer(y, w, keys);
    x = recompute ? checkpoint((y) => block(y!))(x)[0]! : block(x);
  }
  const rows = gather(reshape(x, [batch * length, hidden]), w.scored!);
  const losses = crossEntropy(linear(rows, w.words!, w.decoderBias!), w.labels!);
  return div(sum(losses), 5);
}

const names = Object.keys(weights);
const transformer = (recompute: boolean) =>
  trace(recompute ? "checkpointed transformer" : "transformer", inputs, (symbols) => {
    const value = loss(symbols, recompute);
    const derived = gradients(
      value,
      names.map((name) => symbols[name]!),
    );
    return { loss: value, ...Object.fromEntries(names.map((name, i) => [`d.${name}`, derived[i]!])) };
  });

const recurrentInputs: Readonly<Record<string, HostTensor>> = {
  words: floats([vocabulary, hidden]),
  inputWeight: floats([4 * hidden, hidden]),
  hiddenWeight: floats([4 * hidden, hidden]),
  bias: floats([4 * hidden]),
  ids: integers([length, batch], vocabulary),
};

/** An LSTM language model read in both directions. */
const recurrent = trace("lstm", recurrentInputs, (w) => {
  const [words, inputWeight, hiddenWeight, bias, ids] = ["words", "inputWeight", "hiddenWeight", "bias", "ids"].map(
    (name) => w[name]!,
  ) as [Tensor, Tensor, Tensor, Tensor, Tensor];
  const gates = linear(embedding(words, ids), inputWeight, bias);
  const start = mul(reshape(gather(words, iota([batch])), [batch, hidden]), 0.5);
  const read = (reverse: boolean): Tensor =>
    scan(
      ([h, c], [entry]) => {
        const next = lstmCell(add(entry!, linear(h!, hiddenWeight)), c!);
        return { carries: [next.hidden, next.cell], outputs: [next.hidden] };
      },
      [start, start],
      [gates],
      { reverse },
    ).outputs[0]!;
  const value = mean(tanh(mul(read(false), expandDims(mean(read(true), 0), 0))));
  const [dWords, dInput, dHidden, dBias] = gradients(value, [words, inputWeight, hiddenWeight, bias]) as [
    Tensor,
    Tensor,
    Tensor,
    Tensor,
  ];
  return { value, dWords, dInput, dHidden, dBias };
});

forEachEngine((backend, engine) => {
  it("is the engine that runs", engine.prove);

  it.each([false, true])(
    "transformer with dropout and tied decoder: loss and all gradients (recomputed: %s)",
    async (recompute) => {
      const graph = transformer(recompute);
      const given = Object.values(inputs);
      expect(await disagreements(backend, graph, given)).toEqual([]);
      expect(await disagreements(backend, graph, given, { primitivesOnly: true })).toEqual([]);
    },
  );

  it("LSTM in both directions: value and all gradients", async () => {
    expect(await disagreements(backend, recurrent, Object.values(recurrentInputs))).toEqual([]);
  });
});
