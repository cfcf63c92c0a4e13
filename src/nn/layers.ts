/** @file Layers that every family shares. */

import { relu, tanh } from "../tensor/elementwise.ts";
import type { AttentionOptions } from "../tensor/fused.ts";
import * as fused from "../tensor/fused.ts";
import { reshape, split } from "../tensor/movement.ts";
import { dropout as dropEntries } from "../tensor/random.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Initializer, ones, zeros } from "./initializer.ts";
import { type ForwardContext, Module, Parameter } from "./module.ts";

/** x · weightᵀ + bias, weight `[outSize, inSize]`. */
export class Linear extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter;

  constructor(inSize: number, outSize: number, init: Initializer) {
    super();
    this.weight = new Parameter([outSize, inSize], init, { decays: true });
    this.bias = new Parameter([outSize], zeros, { decays: false });
  }

  apply(context: ForwardContext, x: Tensor): Tensor {
    const bias = context.parameter(this.bias);
    const quantized = context.quantized?.(this.weight);
    if (quantized !== undefined) return fused.quantizedLinear(x, quantized.levels, quantized.scale, bias);
    return fused.linear(x, context.parameter(this.weight), bias);
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

/**
 * Self-attention with one projection for query, key and value. Dims: R rows, W tokens, H hidden.
 * The projection's weight is `[3H, H]`: the rows of query, then key, then value.
 */
export class SelfAttention extends Module {
  readonly qkv: Linear;
  private readonly numHeads: number;
  private readonly dropoutRate: number;

  constructor(
    hiddenSize: number,
    numHeads: number,
    options: { readonly dropoutRate: number; readonly init: Initializer },
  ) {
    super();
    this.qkv = new Linear(hiddenSize, 3 * hiddenSize, options.init);
    this.numHeads = numHeads;
    this.dropoutRate = options.dropoutRate;
  }

  /**
   * @param x float `[R, W, H]`
   * @param bias float, broadcast to `[R, heads, W, W]`: 0 where a token may look, very negative elsewhere
   */
  apply(context: ForwardContext, x: Tensor, bias: Tensor | undefined): Tensor {
    const [rows, width, hiddenSize] = x.shape as [number, number, number];
    const [query, key, value] = split(this.qkv.apply(context, x), -1, 3).map((part) =>
      reshape(part, [rows, width, this.numHeads, hiddenSize / this.numHeads]),
    ) as [Tensor, Tensor, Tensor];
    const options: AttentionOptions = {
      bias,
      dropoutMask:
        context.training && this.dropoutRate > 0
          ? fused.dropoutMask(context.randomKey(), [rows, this.numHeads, width, width], this.dropoutRate)
          : undefined,
    };
    return reshape(fused.attention(query, key, value, options), x.shape);
  }
}
