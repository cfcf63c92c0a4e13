import { truncatedNormal } from "../../nn/initializer.ts";
import { BertForPretraining, BertForSequenceClassification } from "../bert/model.ts";
import { defineFamily } from "../define-family.ts";
import { type ModelState, newModel } from "../family.ts";
import { bertFraming } from "../framing.ts";
import type { PretrainingModel } from "../model.ts";
import { choiceNetwork } from "../transformer/choice-head.ts";
import { tokenNetworks } from "../transformer/token-head.ts";
import { type AlbertConfig, albertConfigTable, albertPresets, completeAlbert } from "./config.ts";
import { albertEncoder } from "./model.ts";
import { albertWeightMap } from "./weight-map.ts";

/** ALBERT as a family. @source Lan et al. 2020, arXiv:1909.11942 */
export const albertFamily = defineFamily({
  table: albertConfigTable,
  name: "albert",
  presets: albertPresets,
  complete: completeAlbert,
  framing: bertFraming,
  fromVocabulary: ({ vocabSize, special }) => ({ vocabSize, padTokenId: special.pad }),
  facts: (config) => config,
  pretraining: {
    build: (config) => new BertForPretraining(config, albertEncoder(config)),
    architecture: "AlbertForPreTraining",
    mayBeNew: /^(maskedLm|sequencePair|encoder\.pooler)\./,
  },
  classification: {
    build: (config, numLabels) => new BertForSequenceClassification(config, numLabels, albertEncoder(config)),
    architecture: "AlbertForSequenceClassification",
    mayBeNew: /^(classifier|encoder\.pooler)\./,
  },
  ...tokenNetworks<AlbertConfig>({
    name: "Albert",
    encoder: (config) => albertEncoder(config, { pools: false }),
    init: (config) => truncatedNormal(config.initializerRange),
    dropout: (config) => config.classifierDropout,
  }),
  ...choiceNetwork<AlbertConfig>({
    architecture: "AlbertForMultipleChoice",
    encoder: (config) => albertEncoder(config),
    init: (config) => truncatedNormal(config.initializerRange),
    dropout: (config) => config.classifierDropout,
  }),
  weightMap: albertWeightMap,
  prefix: "albert.",
  ignoredTensors: /^(predictions|sop_classifier|classifier|qa_outputs|dropout)\.|^albert\.embeddings\.position_ids$/,
});

/**
 * A new ALBERT with its pre-training heads.
 * @param seed of the new weights
 */
export function albert(
  config: AlbertConfig,
  options: { readonly seed: number },
): ModelState<PretrainingModel, AlbertConfig> {
  return newModel(albertFamily, config, options);
}
