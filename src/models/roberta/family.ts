import { normal } from "../../nn/initializer.ts";
import { defineFamily } from "../define-family.ts";
import { type ModelState, newModel } from "../family.ts";
import { robertaFraming } from "../framing.ts";
import type { PretrainingModel } from "../model.ts";
import { choiceNetwork } from "../transformer/choice-head.ts";
import { tokenNetworks } from "../transformer/token-head.ts";
import { type RobertaConfig, robertaConfigTable, robertaPresets, usablePositions } from "./config.ts";
import { RobertaForMaskedLm, RobertaForSequenceClassification, robertaEncoder } from "./model.ts";
import { robertaWeightMap } from "./weight-map.ts";

/** RoBERTa as a family. @source Liu et al. 2019, arXiv:1907.11692 */
export const robertaFamily = defineFamily({
  table: robertaConfigTable,
  name: "roberta",
  presets: robertaPresets,
  framing: robertaFraming,
  fromVocabulary: ({ vocabSize, special }) => ({
    vocabSize,
    padTokenId: special.pad,
    bosTokenId: special.bos ?? special.cls ?? null,
    eosTokenId: special.eos ?? special.sep ?? null,
  }),
  facts: (config) => ({ ...config, maxPositionEmbeddings: usablePositions(config) }),
  pretraining: {
    build: (config) => new RobertaForMaskedLm(config),
    architecture: "RobertaForMaskedLM",
    mayBeNew: /^maskedLm\./,
  },
  classification: {
    build: (config, numLabels) => new RobertaForSequenceClassification(config, numLabels),
    architecture: "RobertaForSequenceClassification",
    mayBeNew: /^(dense|classifier)\./,
  },
  ...tokenNetworks<RobertaConfig>({
    name: "Roberta",
    encoder: (config) => robertaEncoder(config),
    init: (config) => normal(config.initializerRange),
    dropout: (config) => config.classifierDropout ?? config.hiddenDropoutProb,
  }),
  ...choiceNetwork<RobertaConfig>({
    architecture: "RobertaForMultipleChoice",
    encoder: (config) => robertaEncoder(config, { pools: true }),
    init: (config) => normal(config.initializerRange),
    dropout: (config) => config.hiddenDropoutProb,
  }),
  weightMap: robertaWeightMap,
  prefix: "roberta.",
  ignoredTensors: /^(lm_head|classifier|qa_outputs)\.|^roberta\.(pooler\.|embeddings\.position_ids$)/,
});

/**
 * A new RoBERTa with its pre-training head.
 * @param seed of the new weights
 */
export function roberta(
  config: RobertaConfig,
  options: { readonly seed: number },
): ModelState<PretrainingModel, RobertaConfig> {
  return newModel(robertaFamily, config, options);
}
