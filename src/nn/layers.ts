/** @file Layers that every family shares. */
import { internalError } from "../base/errors.ts";
import { add, relu, tanh } from "../tensor/elementwise.ts";
import type { AttentionOptions } from "../tensor/fused.ts";
import * as fused from "../tensor/fused.ts";
import { reshape, split } from "../tensor/movement.ts";
import { dropout as dropEntries } from "../tensor/random.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { blockAttention, type KeyValue } from "./block-attention.ts";
import { type Initializer, ones, zeros } from "./initializer.ts";
import { type ForwardContext, Module, Parameter } from "./module.ts";

/** What is added to the result of a layer, or of a part of one: a function of its input and weights of its own. */
export interface Adapter extends Module {
  apply(context: ForwardContext, x: Tensor): Tensor;
}

/** x · weightᵀ + bias, weight `[outSize, inSize]`. */
export class Linear extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter;
  /** Set where the layer is adapted to a task while its weights stay. */
  adapter: Adapter | undefined;

  constructor(inSize: number, outSize: number, init: Initializer) {
    super();
    this.weight = new Parameter([outSize, inSize], init, { decays: true });
    this.bias = new Parameter([outSize], zeros, { decays: false });
  }

  apply(context: ForwardContext, x: Tensor): Tensor {
    const bias = context.parameter(this.bias);
    const quantized = context.quantized?.(this.weight);
    const result =
      quantized === undefined
        ? fused.linear(x, context.parameter(this.weight), bias)
        : fused.quantizedLinear(x, quantized.levels, quantized.scale, bias);
    return this.adapter === undefined ? result : add(result, this.adapter.apply(context, x));
  }
}

export class LayerNorm extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter;
  private readonly epsilon: number;

  constructor(size: number, epsilon: number) {
    super();
    this.weight = new Parameter([size], ones, { decays: false });
    this.bias = new Parameter([size], zeros, { decays: false });
    this.epsilon = epsilon;
  }

  apply(context: ForwardContext, x: Tensor): Tensor {
    return fused.layerNorm(x, context.parameter(this.weight), context.parameter(this.bias), this.epsilon);
  }
}

export class Embedding extends Module {
  readonly weight: Parameter;

  constructor(rows: number, size: number, init: Initializer) {
    super();
    this.weight = new Parameter([rows, size], init, { decays: true });
  }

  apply(context: ForwardContext, ids: Tensor): Tensor {
    return fused.embedding(context.parameter(this.weight), ids);
  }
}

/** Dropout in training, nothing otherwise. */
export function dropout(context: ForwardContext, x: Tensor, rate: number): Tensor {
  return context.training && rate > 0 ? dropEntries(x, rate, context.randomKey()) : x;
}

export const activations = {
  gelu: (x: Tensor): Tensor => fused.gelu(x),
  gelu_new: (x: Tensor): Tensor => fused.gelu(x, "tanh"),
  gelu_pytorch_tanh: (x: Tensor): Tensor => fused.gelu(x, "tanh"),
  relu,
  tanh,
} as const;

export type Activation = keyof typeof activations;

export type { KeyValue } from "./block-attention.ts";

export interface AttentionLayerOptions {
  /** Of the attention probabilities. */
  readonly dropoutRate: number;
  readonly init: Initializer;
}

/** `[R, W, parts·H]` as `parts` tensors of heads `[R, W, N, H/N]`. */
function splitHeads(x: Tensor, parts: number, numHeads: number): Tensor[] {
  const [rows, width, size] = x.shape as [number, number, number];
  return split(x, -1, parts).map((part) => reshape(part, [rows, width, numHeads, size / parts / numHeads]));
}

/** Attention of heads, joined again: `[R, T, H]`; dropout of the probabilities in training, which has one block only. */
function attend(
  context: ForwardContext,
  query: Tensor,
  blocks: readonly KeyValue[],
  bias: Tensor | undefined,
  dropoutRate: number,
): Tensor {
  const [rows, length, numHeads, size] = query.shape as [number, number, number, number];
  const [{ key, value }, ...others] = blocks as readonly [KeyValue, ...KeyValue[]];
  if (others.length > 0 || key.dim(0) !== rows) {
    if (context.training) throw internalError("training has no past, and a source for every row");
    return reshape(blockAttention(query, blocks, bias), [rows, length, numHeads * size]);
  }
  const options: AttentionOptions = {
    bias,
    dropoutMask:
      context.training && dropoutRate > 0
        ? fused.dropoutMask(context.randomKey(), [rows, numHeads, length, key.dim(1)], dropoutRate)
        : undefined,
  };
  return reshape(fused.attention(query, key, value, options), [rows, length, numHeads * size]);
}

/**
 * Self-attention with one projection for query, key and value. Dims: R rows, W tokens, H hidden.
 * The projection's weight is `[3H, H]`: the rows of query, then key, then value.
 */
export class SelfAttention extends Module {
  readonly qkv: Linear;
  private readonly numHeads: number;
  private readonly dropoutRate: number;

  constructor(hiddenSize: number, numHeads: number, options: AttentionLayerOptions) {
    super();
    this.qkv = new Linear(hiddenSize, 3 * hiddenSize, options.init);
    this.numHeads = numHeads;
    this.dropoutRate = options.dropoutRate;
  }

  /**
   * @param x float `[R, W, H]`
   * @param bias float, broadcast to `[R, heads, W, S]`: 0 where a token may look, very negative elsewhere
   * @param extend gives all keys and values to look at for those of `x`, in blocks, `S` in all; just those when left out
   */
  apply(
    context: ForwardContext,
    x: Tensor,
    bias: Tensor | undefined,
    extend: (fresh: KeyValue) => readonly KeyValue[] = (fresh) => [fresh],
  ): Tensor {
    const [query, key, value] = splitHeads(this.qkv.apply(context, x), 3, this.numHeads) as [Tensor, Tensor, Tensor];
    return attend(context, query, extend({ key, value }), bias, this.dropoutRate);
  }
}

/**
 * Attention of one sequence to another. Dims: R rows, T queries, S source tokens, H hidden.
 * One projection for query `[H, H]`, one for key and value `[2H, H]`.
 */
export class CrossAttention extends Module {
  readonly query: Linear;
  readonly keyValue: Linear;
  private readonly numHeads: number;
  private readonly dropoutRate: number;

  constructor(hiddenSize: number, numHeads: number, options: AttentionLayerOptions) {
    super();
    this.query = new Linear(hiddenSize, hiddenSize, options.init);
    this.keyValue = new Linear(hiddenSize, 2 * hiddenSize, options.init);
    this.numHeads = numHeads;
    this.dropoutRate = options.dropoutRate;
  }

  /** Keys and values of the source `[R, S, H]`; they are the same for every query. */
  project(context: ForwardContext, source: Tensor): KeyValue {
    const [key, value] = splitHeads(this.keyValue.apply(context, source), 2, this.numHeads) as [Tensor, Tensor];
    return { key, value };
  }

  /**
   * @param x float `[R, T, H]`
   * @param bias float, broadcast to `[R, heads, T, S]`
   */
  apply(context: ForwardContext, x: Tensor, source: KeyValue, bias: Tensor | undefined): Tensor {
    const [query] = splitHeads(this.query.apply(context, x), 1, this.numHeads) as [Tensor];
    return attend(context, query, [source], bias, this.dropoutRate);
  }
}
