/** @file Heads that several families share. */
import { type Initializer, zeros } from "../../nn/initializer.ts";
import { type Activation, activations, LayerNorm, Linear } from "../../nn/layers.ts";
import { type ForwardContext, Module, Parameter } from "../../nn/module.ts";
import { linear } from "../../tensor/fused.ts";
import type { Tensor } from "../../tensor/tensor.ts";

export interface VocabularyHeadOptions {
  readonly hiddenSize: number;
  readonly activation: Activation;
  readonly layerNormEps: number;
  readonly init: Initializer;
}

/**
 * Dense, activation, LayerNorm, then scores over the vocabulary with the word embeddings as weight (tied): the head of
 * masked words. Its width inside is that of the embeddings.
 */
export class MaskedLmHead extends Module {
  readonly dense: Linear;
  readonly layerNorm: LayerNorm;
  /** The word embeddings themselves: one parameter under two paths. */
  readonly decoder: Parameter;
  readonly bias: Parameter;
  private readonly activation: (x: Tensor) => Tensor;

  /** @param wordEmbeddings `[V, E]` */
  constructor(options: VocabularyHeadOptions, wordEmbeddings: Parameter) {
    super();
    const [vocabSize, embeddingSize] = wordEmbeddings.shape as [number, number];
    this.dense = new Linear(options.hiddenSize, embeddingSize, options.init);
    this.layerNorm = new LayerNorm(embeddingSize, options.layerNormEps);
    this.decoder = wordEmbeddings;
    this.bias = new Parameter([vocabSize], zeros, { decays: false });
    this.activation = activations[options.activation];
  }

  apply(context: ForwardContext, hidden: Tensor): Tensor {
    const transformed = this.layerNorm.apply(context, this.activation(this.dense.apply(context, hidden)));
    return linear(transformed, context.parameter(this.decoder), context.parameter(this.bias));
  }
}

/** Scores over the vocabulary by the word embeddings alone: `[M, H]` → `[M, V]`. */
export function tiedLogits(context: ForwardContext, hidden: Tensor, wordEmbeddings: Parameter): Tensor {
  return linear(hidden, context.parameter(wordEmbeddings));
}
