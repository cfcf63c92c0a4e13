import { type Initializer, truncatedNormal } from "../../nn/initializer.ts";
import { dropout, Linear } from "../../nn/layers.ts";
import { type ForwardContext, Module } from "../../nn/module.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { ClassificationModel, PretrainingModel } from "../model.ts";
import { TransformerEncoder } from "../transformer/encoder.ts";
import { MaskedLmHead } from "../transformer/head.ts";
import type { EmbeddingOptions, LayerOptions } from "../transformer/options.ts";
import type { BertConfig } from "./config.ts";

/** What an encoder of BERT's kin has otherwise. */
export interface EncoderChanges {
  /** Of all weights; a truncated normal by default. */
  readonly init?: Initializer;
  readonly embeddings?: Partial<EmbeddingOptions>;
  readonly layers?: Partial<LayerOptions>;
  /** True by default. */
  readonly pools?: boolean;
}

/**
 * The BERT encoder: post-LayerNorm layers over normalised sums of word, position and segment embeddings.
 * @source Devlin et al. 2019 §3, arXiv:1810.04805
 */
export function bertEncoder(config: BertConfig, changes: EncoderChanges = {}): TransformerEncoder {
  const { vocabSize, hiddenSize, maxPositionEmbeddings, typeVocabSize, layerNormEps } = config;
  const { numHiddenLayers, numAttentionHeads, intermediateSize } = config;
  const { init = truncatedNormal(config.initializerRange), pools = true } = changes;
  return new TransformerEncoder({
    embeddings: {
      ...{ vocabSize, hiddenSize, maxPositionEmbeddings, typeVocabSize, layerNormEps, init },
      normalizes: true,
      dropout: config.hiddenDropoutProb,
      ...changes.embeddings,
    },
    layers: {
      ...{ hiddenSize, numHiddenLayers, numAttentionHeads, intermediateSize, layerNormEps, init },
      activation: config.hiddenAct,
      normalization: "post",
      hiddenDropout: config.hiddenDropoutProb,
      attentionDropout: config.attentionProbsDropoutProb,
      ...changes.layers,
    },
    pools,
  });
}

/**
 * BERT with its two pre-training heads: masked words, and the relation of two segments (NSP or SOP). The head of masked
 * words serves next words too, where the attention mask makes the network read in one direction (UniLM).
 */
export class BertForPretraining extends Module implements PretrainingModel {
  readonly encoder: TransformerEncoder;
  readonly maskedLm: MaskedLmHead;
  readonly sequencePair: Linear;

  constructor(config: BertConfig, encoder = bertEncoder(config)) {
    super();
    const { hiddenSize, hiddenAct: activation, layerNormEps } = config;
    const init = truncatedNormal(config.initializerRange);
    this.encoder = encoder;
    const head = { hiddenSize, activation, layerNormEps, init };
    this.maskedLm = new MaskedLmHead(head, this.encoder.embeddings.wordEmbeddings.weight);
    this.sequencePair = new Linear(hiddenSize, 2, init);
  }

  maskedLmLogits(context: ForwardContext, hidden: Tensor): Tensor {
    return this.maskedLm.apply(context, hidden);
  }

  sequencePairLogits(context: ForwardContext, pooled: Tensor): Tensor {
    return this.sequencePair.apply(context, pooled);
  }
}

/** BERT with a linear classifier on the pooled first token. */
export class BertForSequenceClassification extends Module implements ClassificationModel {
  readonly encoder: TransformerEncoder;
  readonly classifier: Linear;
  readonly numLabels: number;
  private readonly dropoutRate: number;

  constructor(config: BertConfig, numLabels: number, encoder = bertEncoder(config)) {
    super();
    this.encoder = encoder;
    this.classifier = new Linear(config.hiddenSize, numLabels, truncatedNormal(config.initializerRange));
    this.numLabels = numLabels;
    this.dropoutRate = config.classifierDropout ?? config.hiddenDropoutProb;
  }

  classificationLogits(context: ForwardContext, pooled: Tensor): Tensor {
    return this.classifier.apply(context, dropout(context, pooled, this.dropoutRate));
  }
}
