import { attentionBias } from "../../nn/attention-bias.ts";
import { type Embedding, LayerNorm } from "../../nn/layers.ts";
import { type ForwardContext, Module } from "../../nn/module.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { Decoder, EncoderInputs, EncoderOutputs, PastTokens, SourceStates } from "../model.ts";
import { TransformerEmbeddings } from "./embeddings.ts";
import { visiblePlaces } from "./encoder.ts";
import { type LayerView, type TransformerLayer, transformerLayers } from "./layer.ts";
import type { EmbeddingOptions, LayerOptions } from "./options.ts";
import { runStack, runStackAt, type StackRun } from "./stack.ts";

export interface TransformerDecoderOptions {
  readonly embeddings: EmbeddingOptions;
  readonly layers: LayerOptions;
  readonly startTokenId: number;
}

/**
 * The decoder of an encoder–decoder: every layer looks left at its own tokens, then at the source.
 * @source Vaswani et al. 2017 §3.1, arXiv:1706.03762; Lewis et al. 2020 §2.1, arXiv:1910.13461
 */
export class TransformerDecoder extends Module implements Decoder {
  readonly embeddings: TransformerEmbeddings;
  readonly layers: readonly TransformerLayer[];
  readonly finalNorm: LayerNorm | undefined;
  private readonly settings: TransformerDecoderOptions;

  /** @param words the encoder's word embeddings, which the decoder shares */
  constructor(options: TransformerDecoderOptions, words: Embedding) {
    super();
    const { hiddenSize, normalization, layerNormEps } = options.layers;
    this.embeddings = new TransformerEmbeddings(options.embeddings, words);
    this.layers = transformerLayers(options.layers, true);
    this.finalNorm = normalization === "pre" ? new LayerNorm(hiddenSize, layerNormEps) : undefined;
    this.settings = options;
  }

  get maxPositionEmbeddings(): number {
    return this.settings.embeddings.maxPositionEmbeddings;
  }

  get numHiddenLayers(): number {
    return this.settings.layers.numHiddenLayers;
  }

  get startTokenId(): number {
    return this.settings.startTokenId;
  }

  decode(context: ForwardContext, inputs: EncoderInputs, source: SourceStates, past?: PastTokens): EncoderOutputs {
    return runStack(context, this.begin(context, inputs, source, past));
  }

  decodeAt(
    context: ForwardContext,
    inputs: EncoderInputs,
    source: SourceStates,
    places: Tensor,
    past?: PastTokens,
  ): Tensor {
    return runStackAt(context, this.begin(context, inputs, source, past), places);
  }

  private begin(
    context: ForwardContext,
    inputs: EncoderInputs,
    { states, sequenceIds }: SourceStates,
    past: PastTokens | undefined,
  ): StackRun {
    const { queries, keys } = visiblePlaces(inputs, true, past);
    const bias = attentionBias(queries, keys);
    const source = { states, bias: attentionBias({ sequenceIds: inputs.sequenceIds }, { sequenceIds }) };
    const { layers, finalNorm } = this;
    const views = (layer: number): LayerView => ({ bias, source, cache: past?.caches[layer] });
    const { layerDrop } = this.settings.layers;
    return { layers, finalNorm, layerDrop, start: this.embeddings.apply(context, inputs), views };
  }
}
