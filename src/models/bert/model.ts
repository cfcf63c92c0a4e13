import { blockDiagonalBias } from "../../nn/attention-bias.ts";
import { truncatedNormal, zeros } from "../../nn/initializer.ts";
import { activations, dropout, Embedding, LayerNorm, Linear, SelfAttention } from "../../nn/layers.ts";
import { type ForwardContext, Module, Parameter } from "../../nn/module.ts";
import { add, tanh } from "../../tensor/elementwise.ts";
import { linear } from "../../tensor/fused.ts";
import { gather, reshape } from "../../tensor/movement.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { ClassificationModel, Encoder, EncoderInputs, EncoderOutputs, PretrainingModel } from "../model.ts";
import type { BertConfig } from "./config.ts";

/** Sum of word, position and segment embeddings, normalised. */
class BertEmbeddings extends Module {
  readonly wordEmbeddings: Embedding;
  readonly positionEmbeddings: Embedding;
  readonly tokenTypeEmbeddings: Embedding;
  readonly layerNorm: LayerNorm;
  private readonly dropoutRate: number;

  constructor(config: BertConfig) {
    super();
    const init = truncatedNormal(config.initializerRange);
    this.wordEmbeddings = new Embedding(config.vocabSize, config.hiddenSize, init);
    this.positionEmbeddings = new Embedding(config.maxPositionEmbeddings, config.hiddenSize, init);
    this.tokenTypeEmbeddings = new Embedding(config.typeVocabSize, config.hiddenSize, init);
    this.layerNorm = new LayerNorm(config.hiddenSize, config.layerNormEps);
    this.dropoutRate = config.hiddenDropoutProb;
  }

  apply(context: ForwardContext, inputs: EncoderInputs): Tensor {
    const words = this.wordEmbeddings.apply(context, inputs.inputIds);
    const positions = this.positionEmbeddings.apply(context, inputs.positionIds);
    const types = this.tokenTypeEmbeddings.apply(context, inputs.tokenTypeIds);
    return dropout(context, this.layerNorm.apply(context, add(add(words, positions), types)), this.dropoutRate);
  }
}

/** One post-LayerNorm Transformer layer: attention, then feed-forward, each with residual and normalisation. */
class BertLayer extends Module {
  readonly attention: SelfAttention;
  readonly attentionOutput: Linear;
  readonly attentionNorm: LayerNorm;
  readonly intermediate: Linear;
  readonly output: Linear;
  readonly outputNorm: LayerNorm;
  private readonly dropoutRate: number;
  private readonly activation: (x: Tensor) => Tensor;

  constructor(config: BertConfig) {
    super();
    const { hiddenSize, intermediateSize } = config;
    const init = truncatedNormal(config.initializerRange);
    const dropoutRate = config.attentionProbsDropoutProb;
    this.attention = new SelfAttention(hiddenSize, config.numAttentionHeads, { dropoutRate, init });
    this.attentionOutput = new Linear(hiddenSize, hiddenSize, init);
    this.attentionNorm = new LayerNorm(hiddenSize, config.layerNormEps);
    this.intermediate = new Linear(hiddenSize, intermediateSize, init);
    this.output = new Linear(intermediateSize, hiddenSize, init);
    this.outputNorm = new LayerNorm(hiddenSize, config.layerNormEps);
    this.dropoutRate = config.hiddenDropoutProb;
    this.activation = activations[config.hiddenAct];
  }

  /**
   * @param places i32 `[P]` over all rows: the result is that of these places, `[P, H]`; of all when left out
   */
  apply(context: ForwardContext, x: Tensor, bias: Tensor, places?: Tensor): Tensor {
    const pick = (all: Tensor) => (places === undefined ? all : gather(reshape(all, [-1, all.dim(-1)]), places));
    const mixed = this.attentionOutput.apply(context, pick(this.attention.apply(context, x, bias)));
    const attended = this.attentionNorm.apply(context, add(dropout(context, mixed, this.dropoutRate), pick(x)));
    const inner = this.activation(this.intermediate.apply(context, attended));
    const result = dropout(context, this.output.apply(context, inner), this.dropoutRate);
    return this.outputNorm.apply(context, add(result, attended));
  }
}

/**
 * The BERT encoder.
 * @source Devlin et al. 2019 §3, arXiv:1810.04805. Differs: rows may hold several sequences, kept apart by the
 * attention bias; query, key and value are one projection.
 */
export class BertEncoder extends Module implements Encoder {
  readonly embeddings: BertEmbeddings;
  readonly layers: readonly BertLayer[];
  readonly pooler: Linear;
  readonly config: BertConfig;

  constructor(config: BertConfig) {
    super();
    this.config = config;
    this.embeddings = new BertEmbeddings(config);
    this.layers = Array.from({ length: config.numHiddenLayers }, () => new BertLayer(config));
    this.pooler = new Linear(config.hiddenSize, config.hiddenSize, truncatedNormal(config.initializerRange));
  }

  get hiddenSize(): number {
    return this.config.hiddenSize;
  }

  get vocabSize(): number {
    return this.config.vocabSize;
  }

  get maxPositionEmbeddings(): number {
    return this.config.maxPositionEmbeddings;
  }

  get typeVocabSize(): number {
    return this.config.typeVocabSize;
  }

  get numHiddenLayers(): number {
    return this.config.numHiddenLayers;
  }

  encode(context: ForwardContext, inputs: EncoderInputs): EncoderOutputs {
    const bias = blockDiagonalBias(inputs.sequenceIds);
    const hiddenStates = [this.embeddings.apply(context, inputs)];
    for (const layer of this.layers) {
      hiddenStates.push(context.layer((x) => layer.apply(context, x, bias), hiddenStates.at(-1)!));
    }
    return { lastHiddenState: hiddenStates.at(-1)!, hiddenStates };
  }

  encodeAt(context: ForwardContext, inputs: EncoderInputs, places: Tensor): Tensor {
    const bias = blockDiagonalBias(inputs.sequenceIds);
    const below = this.layers.slice(0, -1);
    const start = this.embeddings.apply(context, inputs);
    const hidden = below.reduce((x, layer) => context.layer((h) => layer.apply(context, h, bias), x), start);
    return this.layers.at(-1)!.apply(context, hidden, bias, places);
  }

  pool(context: ForwardContext, firstTokens: Tensor): Tensor {
    return tanh(this.pooler.apply(context, firstTokens));
  }
}

/** Dense, activation, LayerNorm, then scores over the vocabulary with the word embeddings as weight (tied). */
class MaskedLmHead extends Module {
  readonly dense: Linear;
  readonly layerNorm: LayerNorm;
  /** The word embeddings themselves: one parameter under two paths. */
  readonly decoder: Parameter;
  readonly bias: Parameter;
  private readonly activation: (x: Tensor) => Tensor;

  constructor(config: BertConfig, wordEmbeddings: Parameter) {
    super();
    this.dense = new Linear(config.hiddenSize, config.hiddenSize, truncatedNormal(config.initializerRange));
    this.layerNorm = new LayerNorm(config.hiddenSize, config.layerNormEps);
    this.decoder = wordEmbeddings;
    this.bias = new Parameter([config.vocabSize], zeros, { decays: false });
    this.activation = activations[config.hiddenAct];
  }

  apply(context: ForwardContext, hidden: Tensor): Tensor {
    const transformed = this.layerNorm.apply(context, this.activation(this.dense.apply(context, hidden)));
    return linear(transformed, context.parameter(this.decoder), context.parameter(this.bias));
  }
}

/** BERT with its two pre-training heads: masked words, and the relation of two segments (NSP or SOP). */
export class BertForPretraining extends Module implements PretrainingModel {
  readonly encoder: BertEncoder;
  readonly maskedLm: MaskedLmHead;
  readonly sequencePair: Linear;

  constructor(config: BertConfig) {
    super();
    this.encoder = new BertEncoder(config);
    this.maskedLm = new MaskedLmHead(config, this.encoder.embeddings.wordEmbeddings.weight);
    this.sequencePair = new Linear(config.hiddenSize, 2, truncatedNormal(config.initializerRange));
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
  readonly encoder: BertEncoder;
  readonly classifier: Linear;
  readonly numLabels: number;
  private readonly dropoutRate: number;

  constructor(config: BertConfig, numLabels: number) {
    super();
    this.encoder = new BertEncoder(config);
    this.classifier = new Linear(config.hiddenSize, numLabels, truncatedNormal(config.initializerRange));
    this.numLabels = numLabels;
    this.dropoutRate = config.classifierDropout ?? config.hiddenDropoutProb;
  }

  classificationLogits(context: ForwardContext, pooled: Tensor): Tensor {
    return this.classifier.apply(context, dropout(context, pooled, this.dropoutRate));
  }
}
