/** @file One BERT pre-training step as a bare graph: what the engine's lowering is timed and profiled with. */
import { gradients } from "../../src/autodiff/grad.ts";
import type { TensorType } from "../../src/ir/dtype.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { sizeOf, tensorType } from "../../src/ir/shape.ts";
import { add, broadcastTo, convert, mul, sub } from "../../src/tensor/elementwise.ts";
import * as fused from "../../src/tensor/fused.ts";
import { gather, reshape, sliceAxis } from "../../src/tensor/movement.ts";
import { dropout, KeySequence } from "../../src/tensor/random.ts";
import { sum } from "../../src/tensor/reduction.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { trace } from "../../src/tensor/trace.ts";

export interface BertStepSize {
  readonly layers: number;
  readonly hidden: number;
  readonly heads: number;
  readonly vocab: number;
  readonly batch: number;
  readonly length: number;
  readonly dropout: number;
}

export const sizes = {
  base: { layers: 12, hidden: 768, heads: 12, vocab: 30_522, batch: 8, length: 128, dropout: 0.1 },
  mini: { layers: 4, hidden: 256, heads: 4, vocab: 8192, batch: 32, length: 128, dropout: 0.1 },
} as const satisfies Record<string, BertStepSize>;

export interface BertStep {
  /** Inputs: parameters, then ids, token types, mask, scored rows, labels, key. Outputs: loss, gradients. */
  readonly graph: Graph;
  readonly parameters: readonly TensorType[];
  /** Floating point operations of the matrix products, forward and backward. */
  readonly flops: number;
}

/** Positions with a loss: 15 %. */
export const scoredRows = ({ batch, length }: BertStepSize) => Math.round(0.15 * batch * length);

function parameterTypes(size: BertStepSize): Record<string, TensorType> {
  const { hidden, vocab, layers } = size;
  const types: Record<string, TensorType> = {};
  const norm = (name: string) => {
    types[`${name}.weight`] = tensorType("f32", [hidden]);
    types[`${name}.bias`] = tensorType("f32", [hidden]);
  };
  const dense = (name: string, inputs: number, outputs: number) => {
    types[`${name}.weight`] = tensorType("f32", [outputs, inputs]);
    types[`${name}.bias`] = tensorType("f32", [outputs]);
  };
  types.word = tensorType("f32", [vocab, hidden]);
  types.position = tensorType("f32", [512, hidden]);
  types.type = tensorType("f32", [2, hidden]);
  norm("embeddings.norm");
  for (let i = 0; i < layers; i++) {
    for (const name of ["query", "key", "value", "attention.output"]) dense(`${i}.${name}`, hidden, hidden);
    norm(`${i}.attention.norm`);
    dense(`${i}.intermediate`, hidden, 4 * hidden);
    dense(`${i}.output`, 4 * hidden, hidden);
    norm(`${i}.norm`);
  }
  dense("transform", hidden, hidden);
  norm("transform.norm");
  types["decoder.bias"] = tensorType("f32", [vocab]);
  return types;
}

/** Floating point operations, 2·M·N·K over all products, the backward pass counted as twice the forward pass. */
function countFlops(size: BertStepSize): number {
  const { layers, hidden, vocab, batch, length } = size;
  const tokens = batch * length;
  const perLayer = 2 * tokens * hidden * hidden * 12 + 4 * tokens * length * hidden;
  const head = 2 * scoredRows(size) * hidden * (hidden + vocab);
  return 3 * (layers * perLayer + head);
}

export function bertStep(size: BertStepSize): BertStep {
  const { hidden, heads, batch, length, layers } = size;
  const types = parameterTypes(size);
  const scored = scoredRows(size);
  const graph = trace(
    "bert-step",
    {
      ...types,
      inputIds: tensorType("i32", [batch, length]),
      tokenTypeIds: tensorType("i32", [batch, length]),
      attentionMask: tensorType("i32", [batch, length]),
      rows: tensorType("i32", [scored]),
      labels: tensorType("i32", [scored]),
      key: tensorType("u32", [2]),
    },
    (inputs) => {
      const p = inputs as Readonly<Record<string, Tensor>>;
      const keys = new KeySequence(p.key!);
      const drop = (x: Tensor) => dropout(x, size.dropout, keys.next());
      const dense = (x: Tensor, name: string) => fused.linear(x, p[`${name}.weight`]!, p[`${name}.bias`]!);
      const norm = (x: Tensor, name: string) => fused.layerNorm(x, p[`${name}.weight`]!, p[`${name}.bias`]!, 1e-12);
      const positions = broadcastTo(sliceAxis(p.position!, 0, 0, length), [batch, length, hidden]);
      const words = fused.embedding(p.word!, p.inputIds!);
      const kinds = fused.embedding(p.type!, p.tokenTypeIds!);
      let x = drop(norm(add(add(words, positions), kinds), "embeddings.norm"));
      const allowed = convert(p.attentionMask!, "f32");
      const bias = reshape(mul(sub(allowed, 1), 1e9), [batch, 1, 1, length]);
      const split = (y: Tensor) => reshape(y, [batch, length, heads, hidden / heads]);
      for (let i = 0; i < layers; i++) {
        const [q, k, v] = ["query", "key", "value"].map((name) => split(dense(x, `${i}.${name}`)));
        const dropoutMask = fused.dropoutMask(keys.next(), [batch, heads, length, length], size.dropout);
        const mixed = reshape(fused.attention(q!, k!, v!, { bias, dropoutMask }), [batch, length, hidden]);
        x = norm(add(drop(dense(mixed, `${i}.attention.output`)), x), `${i}.attention.norm`);
        const inner = fused.gelu(dense(x, `${i}.intermediate`));
        x = norm(add(drop(dense(inner, `${i}.output`)), x), `${i}.norm`);
      }
      const chosen = gather(reshape(x, [batch * length, hidden]), p.rows!);
      const features = norm(fused.gelu(dense(chosen, "transform")), "transform.norm");
      const logits = fused.linear(features, p.word!, p["decoder.bias"]!);
      const loss = mul(sum(fused.crossEntropy(logits, p.labels!)), 1 / scored);
      const names = Object.keys(types);
      const grads = gradients(
        loss,
        names.map((name) => p[name]!),
      );
      return { loss, ...Object.fromEntries(names.map((name, i) => [`d.${name}`, grads[i]!])) };
    },
  );
  return { graph, parameters: Object.values(types), flops: countFlops(size) };
}

export const countParameters = (types: readonly TensorType[]) =>
  types.reduce((total, { shape }) => total + sizeOf(shape), 0);
