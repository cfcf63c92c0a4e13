import { type AttentionPlaces, attentionBias } from "../../nn/attention-bias.ts";
import { LayerNorm, Linear } from "../../nn/layers.ts";
import { type ForwardContext, Module } from "../../nn/module.ts";
import { tanh } from "../../tensor/elementwise.ts";
import { concatenate } from "../../tensor/movement.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { Encoder, EncoderInputs, EncoderOutputs, PastTokens } from "../model.ts";
import { TransformerEmbeddings } from "./embeddings.ts";
import { type LayerView, type TransformerLayer, transformerLayers } from "./layer.ts";
import type { EmbeddingOptions, LayerOptions } from "./options.ts";
import { runStack, runStackAt, type StackRun } from "./stack.ts";

export interface TransformerEncoderOptions {
  readonly embeddings: EmbeddingOptions;
  readonly layers: LayerOptions;
  /** Whether tokens look left only (GPT). */
  readonly isCausal?: boolean | undefined;
  /** Whether a sequence's vector goes through a dense layer and tanh (BERT, ALBERT). */
  readonly pools?: boolean | undefined;
}

/** The tokens of a call and those before them, as attention sees them. */
export function visiblePlaces(
  inputs: EncoderInputs,
  isCausal: boolean,
  past: PastTokens | undefined,
): { readonly queries: AttentionPlaces; readonly keys: AttentionPlaces } {
  const { sequenceIds, positionIds, attentionRanks = isCausal ? positionIds : undefined } = inputs;
  const queries = { sequenceIds, ranks: attentionRanks };
  const before = past?.tokens;
  if (before === undefined) return { queries, keys: queries };
  const keys = {
    sequenceIds: concatenate([before.sequenceIds, sequenceIds], 1),
    ranks: attentionRanks && concatenate([before.attentionRanks, attentionRanks], 1),
  };
  return { queries, keys };
}

/**
 * Embeddings and a stack of layers: the encoder of BERT and its kin and, looking left only, GPT.
 * @source Devlin et al. 2019 §3, arXiv:1810.04805; Radford et al. 2018 §3.1, 2019 §2.3. Differs: rows may hold several
 * sequences, kept apart by the attention bias; query, key and value are one projection.
 */
export class TransformerEncoder extends Module implements Encoder {
  readonly embeddings: TransformerEmbeddings;
  readonly layers: readonly TransformerLayer[];
  readonly pooler: Linear | undefined;
  readonly finalNorm: LayerNorm | undefined;
  private readonly settings: TransformerEncoderOptions;

  constructor(options: TransformerEncoderOptions) {
    super();
    const { hiddenSize, normalization, layerNormEps, init } = options.layers;
    this.embeddings = new TransformerEmbeddings(options.embeddings);
    this.layers = transformerLayers(options.layers);
    this.pooler = options.pools === true ? new Linear(hiddenSize, hiddenSize, init) : undefined;
    this.finalNorm = normalization === "pre" ? new LayerNorm(hiddenSize, layerNormEps) : undefined;
    this.settings = options;
  }

  get hiddenSize(): number {
    return this.settings.layers.hiddenSize;
  }

  get vocabSize(): number {
    return this.settings.embeddings.vocabSize;
  }

  get maxPositionEmbeddings(): number {
    return this.settings.embeddings.maxPositionEmbeddings;
  }

  get typeVocabSize(): number {
    return this.settings.embeddings.typeVocabSize;
  }

  get numHiddenLayers(): number {
    return this.settings.layers.numHiddenLayers;
  }

  get isCausal(): boolean {
    return this.settings.isCausal ?? false;
  }

  get pooledToken(): "first" | "last" {
    return this.isCausal ? "last" : "first";
  }

  encode(context: ForwardContext, inputs: EncoderInputs, past?: PastTokens): EncoderOutputs {
    return runStack(context, this.begin(context, inputs, past));
  }

  encodeAt(context: ForwardContext, inputs: EncoderInputs, places: Tensor, past?: PastTokens): Tensor {
    return runStackAt(context, this.begin(context, inputs, past), places);
  }

  pool(context: ForwardContext, tokens: Tensor): Tensor {
    return this.pooler === undefined ? tokens : tanh(this.pooler.apply(context, tokens));
  }

  private begin(context: ForwardContext, inputs: EncoderInputs, past: PastTokens | undefined): StackRun {
    const { queries, keys } = visiblePlaces(inputs, this.isCausal, past);
    const bias = attentionBias(queries, keys);
    const { layers, finalNorm } = this;
    const { layerDrop } = this.settings.layers;
    const views = (layer: number): LayerView => ({ bias, cache: past?.caches[layer] });
    return { layers, finalNorm, layerDrop, start: this.embeddings.apply(context, inputs), views };
  }
}
