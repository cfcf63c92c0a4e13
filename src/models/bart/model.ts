import { normal, zeros } from "../../nn/initializer.ts";
import { dropout, Linear } from "../../nn/layers.ts";
import { type ForwardContext, Module, Parameter } from "../../nn/module.ts";
import { tanh } from "../../tensor/elementwise.ts";
import { linear } from "../../tensor/fused.ts";
import { reshape } from "../../tensor/movement.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { ClassificationModel, Encoder, PretrainingModel, TokenModel } from "../model.ts";
import type { TransformerDecoder } from "../transformer/decoder.ts";
import type { TransformerEncoder } from "../transformer/encoder.ts";
import { EncoderDecoder } from "../transformer/encoder-decoder.ts";
import type { BartConfig } from "./config.ts";

/** Rows of the position tables before that of place 0. */
const POSITION_OFFSET = 2;
const LAYER_NORM_EPS = 1e-5;

/**
 * BART's two stacks: post-LayerNorm layers over normalised sums of word and position embeddings, one table of words.
 * MASS is the same network.
 * @source Lewis et al. 2020 §2.1, arXiv:1910.13461; Song et al. 2019 §4.1, arXiv:1905.02450
 */
export function bartNetwork(config: BartConfig): EncoderDecoder {
  const { vocabSize, hiddenSize, maxPositionEmbeddings, hiddenDropoutProb: hiddenDropout } = config;
  const [layerNormEps, init] = [LAYER_NORM_EPS, normal(config.initializerRange)];
  const embeddings = {
    ...{ vocabSize, hiddenSize, maxPositionEmbeddings, layerNormEps, init },
    positionOffset: POSITION_OFFSET,
    typeVocabSize: 0,
    normalizes: true,
    dropout: hiddenDropout,
    scale: config.scaleEmbedding ? Math.sqrt(hiddenSize) : 1,
  };
  const layers = {
    ...{ hiddenSize, layerNormEps, init, hiddenDropout },
    activation: config.hiddenAct,
    normalization: "post" as const,
    attentionDropout: config.attentionProbsDropoutProb,
    activationDropout: config.activationDropoutProb,
  };
  const { numHiddenLayers, numAttentionHeads, intermediateSize } = config;
  return new EncoderDecoder({
    encoder: {
      embeddings,
      layers: {
        ...layers,
        ...{ numHiddenLayers, numAttentionHeads, intermediateSize },
        layerDrop: config.encoderLayerdrop,
      },
    },
    decoder: {
      embeddings,
      layers: {
        ...layers,
        numHiddenLayers: config.numDecoderLayers,
        numAttentionHeads: config.numDecoderAttentionHeads,
        intermediateSize: config.decoderIntermediateSize,
        layerDrop: config.decoderLayerdrop,
      },
      startTokenId: config.decoderStartTokenId,
    },
  });
}

/** BART that writes: scores of the next token by the table of words, and what their files add to them. */
export class BartForConditionalGeneration extends Module implements PretrainingModel {
  readonly network: EncoderDecoder;
  /** `[1, V]`, zeros in most files; not trained. */
  readonly finalLogitsBias: Parameter;

  constructor(config: BartConfig) {
    super();
    this.network = bartNetwork(config);
    this.finalLogitsBias = new Parameter([1, config.vocabSize], zeros, { decays: false, isFixed: true });
  }

  get encoder(): TransformerEncoder {
    return this.network.encoder;
  }

  get decoder(): TransformerDecoder {
    return this.network.decoder;
  }

  causalLmLogits(context: ForwardContext, hidden: Tensor): Tensor {
    const words = context.parameter(this.encoder.embeddings.wordEmbeddings.weight);
    return linear(hidden, words, reshape(context.parameter(this.finalLogitsBias), [-1]));
  }
}

/** BART with a classifier of two layers on the decoder's last token, which is the text's ending one. */
export class BartForSequenceClassification extends Module implements ClassificationModel {
  readonly network: EncoderDecoder;
  readonly dense: Linear;
  readonly output: Linear;
  readonly numLabels: number;
  private readonly dropoutRate: number;

  constructor(config: BartConfig, numLabels: number) {
    super();
    const init = normal(config.initializerRange);
    this.network = bartNetwork(config);
    this.dense = new Linear(config.hiddenSize, config.hiddenSize, init);
    this.output = new Linear(config.hiddenSize, numLabels, init);
    this.numLabels = numLabels;
    this.dropoutRate = config.classifierDropout;
  }

  get encoder(): Encoder {
    return this.network;
  }

  classificationLogits(context: ForwardContext, pooled: Tensor): Tensor {
    const inner = tanh(this.dense.apply(context, dropout(context, pooled, this.dropoutRate)));
    return this.output.apply(context, dropout(context, inner, this.dropoutRate));
  }
}

/** BART that finds where answers begin and end, on the decoder's states of the text it has read. */
export class BartForQuestionAnswering extends Module implements TokenModel {
  readonly network: EncoderDecoder;
  readonly answerSpan: Linear;
  readonly tokenHead = "questionAnswering";
  readonly numOutputs = 2;

  constructor(config: BartConfig) {
    super();
    this.network = bartNetwork(config);
    this.answerSpan = new Linear(config.hiddenSize, this.numOutputs, normal(config.initializerRange));
  }

  get encoder(): Encoder {
    return this.network;
  }

  tokenLogits(context: ForwardContext, hidden: Tensor): Tensor {
    return this.answerSpan.apply(context, hidden);
  }
}
