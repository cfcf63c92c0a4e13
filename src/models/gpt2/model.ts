import { normal } from "../../nn/initializer.ts";
import type { Activation } from "../../nn/layers.ts";
import { TransformerEncoder } from "../transformer/encoder.ts";
import type { LayerOptions } from "../transformer/options.ts";
import type { Gpt2Config, LeftToRightConfig } from "./config.ts";

/** What GPT and GPT-2 differ in. */
export interface LeftToRightDifferences extends Pick<LayerOptions, "normalization" | "residualInit"> {
  readonly intermediateSize: number;
  readonly activation: Activation;
}

/** A stack of layers that look left only, over words and positions that are neither normalised nor of several kinds. */
export function leftToRightEncoder(
  config: LeftToRightConfig & { readonly vocabSize: number; readonly maxPositionEmbeddings: number },
  differences: LeftToRightDifferences,
): TransformerEncoder {
  const { vocabSize, hiddenSize, maxPositionEmbeddings, layerNormEps } = config;
  const { numHiddenLayers, numAttentionHeads } = config;
  const init = normal(config.initializerRange);
  return new TransformerEncoder({
    isCausal: true,
    embeddings: {
      ...{ vocabSize, hiddenSize, maxPositionEmbeddings, layerNormEps, init },
      typeVocabSize: 0,
      normalizes: false,
      dropout: config.embeddingDropoutProb,
    },
    layers: {
      ...{ hiddenSize, numHiddenLayers, numAttentionHeads, layerNormEps, init },
      hiddenDropout: config.hiddenDropoutProb,
      attentionDropout: config.attentionProbsDropoutProb,
      ...differences,
    },
  });
}

/**
 * GPT-2: every layer normalises what goes into its parts, and the last one's sum is normalised too. Projections that end
 * in the residual begin smaller by 1/√(2N), as there are 2N of them.
 * @source Radford et al. 2019 §2.3
 */
export function gpt2Encoder(config: Gpt2Config): TransformerEncoder {
  const { hiddenSize, intermediateSize, hiddenAct, numHiddenLayers, initializerRange } = config;
  return leftToRightEncoder(config, {
    normalization: "pre",
    intermediateSize: intermediateSize ?? 4 * hiddenSize,
    activation: hiddenAct,
    residualInit: normal(initializerRange / Math.sqrt(2 * numHiddenLayers)),
  });
}
