/** @file Models over an encoder that looks left only: the next word, and a class from the last token. */
import type { Initializer } from "../../nn/initializer.ts";
import { dropout } from "../../nn/layers.ts";
import { type ForwardContext, Module, Parameter } from "../../nn/module.ts";
import { linear } from "../../tensor/fused.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { ClassificationModel, PretrainingModel } from "../model.ts";
import type { TransformerEncoder } from "./encoder.ts";
import { tiedLogits } from "./head.ts";

/** The next word by the word embeddings alone: no parameter of its own. */
export class CausalLanguageModel extends Module implements PretrainingModel {
  readonly encoder: TransformerEncoder;

  constructor(encoder: TransformerEncoder) {
    super();
    this.encoder = encoder;
  }

  causalLmLogits(context: ForwardContext, hidden: Tensor): Tensor {
    return tiedLogits(context, hidden, this.encoder.embeddings.wordEmbeddings.weight);
  }
}

export interface CausalClassifierOptions {
  readonly numLabels: number;
  /** Before the scores. */
  readonly dropout: number;
  readonly init: Initializer;
}

/** A linear classifier without bias on the last token of a text. */
export class CausalClassifier extends Module implements ClassificationModel {
  readonly encoder: TransformerEncoder;
  /** `[numLabels, H]`. */
  readonly score: Parameter;
  readonly numLabels: number;
  private readonly dropoutRate: number;

  constructor(encoder: TransformerEncoder, options: CausalClassifierOptions) {
    super();
    this.encoder = encoder;
    this.score = new Parameter([options.numLabels, encoder.hiddenSize], options.init, { decays: true });
    this.numLabels = options.numLabels;
    this.dropoutRate = options.dropout;
  }

  classificationLogits(context: ForwardContext, pooled: Tensor): Tensor {
    return linear(dropout(context, pooled, this.dropoutRate), context.parameter(this.score));
  }
}
