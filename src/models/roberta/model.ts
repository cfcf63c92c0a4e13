import { normal } from "../../nn/initializer.ts";
import { dropout, Linear } from "../../nn/layers.ts";
import { type ForwardContext, Module } from "../../nn/module.ts";
import { tanh } from "../../tensor/elementwise.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { bertEncoder } from "../bert/model.ts";
import type { ClassificationModel, PretrainingModel } from "../model.ts";
import type { TransformerEncoder } from "../transformer/encoder.ts";
import { MaskedLmHead } from "../transformer/head.ts";
import { positionOffset, type RobertaConfig, usablePositions } from "./config.ts";

/**
 * BERT's encoder with places counted from behind the padding id; without pooler, but for options of multiple choice.
 * @source Liu et al. 2019, arXiv:1907.11692, and its authors' repository (places, initial weights)
 */
export function robertaEncoder(
  config: RobertaConfig,
  { pools = false }: { readonly pools?: boolean } = {},
): TransformerEncoder {
  return bertEncoder(config, {
    init: normal(config.initializerRange),
    embeddings: { maxPositionEmbeddings: usablePositions(config), positionOffset: positionOffset(config) },
    pools,
  });
}

/** RoBERTa with its only pre-training head: masked words, by a GELU whatever the layers have. */
export class RobertaForMaskedLm extends Module implements PretrainingModel {
  readonly encoder: TransformerEncoder;
  readonly maskedLm: MaskedLmHead;

  constructor(config: RobertaConfig) {
    super();
    const { hiddenSize, layerNormEps } = config;
    this.encoder = robertaEncoder(config);
    const head = { hiddenSize, layerNormEps, activation: "gelu", init: normal(config.initializerRange) } as const;
    this.maskedLm = new MaskedLmHead(head, this.encoder.embeddings.wordEmbeddings.weight);
  }

  maskedLmLogits(context: ForwardContext, hidden: Tensor): Tensor {
    return this.maskedLm.apply(context, hidden);
  }
}

/** RoBERTa with a classifier of two layers on `<s>`. */
export class RobertaForSequenceClassification extends Module implements ClassificationModel {
  readonly encoder: TransformerEncoder;
  readonly dense: Linear;
  readonly classifier: Linear;
  readonly numLabels: number;
  private readonly dropoutRate: number;

  constructor(config: RobertaConfig, numLabels: number) {
    super();
    const init = normal(config.initializerRange);
    this.encoder = robertaEncoder(config);
    this.dense = new Linear(config.hiddenSize, config.hiddenSize, init);
    this.classifier = new Linear(config.hiddenSize, numLabels, init);
    this.numLabels = numLabels;
    this.dropoutRate = config.classifierDropout ?? config.hiddenDropoutProb;
  }

  classificationLogits(context: ForwardContext, pooled: Tensor): Tensor {
    const inner = tanh(this.dense.apply(context, dropout(context, pooled, this.dropoutRate)));
    return this.classifier.apply(context, dropout(context, inner, this.dropoutRate));
  }
}
