import { normal } from "../../nn/initializer.ts";
import { dropout, Embedding } from "../../nn/layers.ts";
import { BiLstm, sequenceStarts } from "../../nn/lstm.ts";
import { type ForwardContext, Module } from "../../nn/module.ts";
import { concatenate, gather, reshape } from "../../tensor/movement.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { Encoder, EncoderInputs, EncoderOutputs, OneSided } from "../model.ts";
import { type BiLstmConfig, statesSize } from "./config.ts";

/**
 * Word vectors and layers of an LSTM in both directions; what heads read are the states of all layers.
 * @source Clark et al. 2018 §4.2, arXiv:1809.08370. Differs: pieces of words instead of characters and words; no projection;
 * directions of all layers alike
 */
export class BiLstmEncoder extends Module implements Encoder {
  readonly embeddings: Embedding;
  readonly layers: readonly BiLstm[];
  readonly pooledToken = "first";
  readonly isCausal = false;
  readonly typeVocabSize = 0;
  readonly hiddenSize: number;
  readonly vocabSize: number;
  readonly maxPositionEmbeddings: number;
  readonly numHiddenLayers: number;
  private readonly dropoutRate: number;

  constructor(config: BiLstmConfig) {
    super();
    const { vocabSize, embeddingSize, lstmSize, numHiddenLayers, initializerRange } = config;
    const init = normal(initializerRange);
    this.embeddings = new Embedding(vocabSize, embeddingSize, init);
    this.layers = Array.from({ length: numHiddenLayers }, (_, layer) => {
      return new BiLstm(layer === 0 ? embeddingSize : 2 * lstmSize, lstmSize, init);
    });
    this.hiddenSize = statesSize(config);
    this.vocabSize = vocabSize;
    this.maxPositionEmbeddings = config.maxPositionEmbeddings;
    this.numHiddenLayers = numHiddenLayers;
    this.dropoutRate = config.hiddenDropoutProb;
  }

  encode(context: ForwardContext, inputs: EncoderInputs): EncoderOutputs {
    const starts = sequenceStarts(inputs.sequenceIds);
    const states = [this.words(context, inputs)];
    for (const layer of this.layers) {
      const both = context.layer((x) => {
        const { left, right } = layer.directions(context, x, starts);
        return concatenate([left, right], 2);
      }, states.at(-1)!);
      states.push(dropout(context, both, this.dropoutRate));
    }
    return { lastHiddenState: concatenate(states.slice(1), 2), hiddenStates: states };
  }

  encodeAt(context: ForwardContext, inputs: EncoderInputs, places: Tensor): Tensor {
    const { lastHiddenState } = this.encode(context, inputs);
    return gather(reshape(lastHiddenState, [-1, this.hiddenSize]), places);
  }

  pool(_context: ForwardContext, tokens: Tensor): Tensor {
    return tokens;
  }

  /** The first layer's directions: what lies above has seen both sides. */
  get oneSided(): OneSided {
    const [first] = this.layers;
    return {
      size: first!.forward.size,
      states: (context, inputs) =>
        first!.directions(context, this.words(context, inputs), sequenceStarts(inputs.sequenceIds)),
    };
  }

  private words(context: ForwardContext, { inputIds }: EncoderInputs): Tensor {
    return dropout(context, this.embeddings.apply(context, inputIds), this.dropoutRate);
  }
}
