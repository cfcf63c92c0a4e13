import { truncatedNormal } from "../../nn/initializer.ts";
import { defineFamily } from "../define-family.ts";
import { type ModelState, newModel } from "../family.ts";
import { bertFraming } from "../framing.ts";
import type { PretrainingModel } from "../model.ts";
import { choiceNetwork } from "../transformer/choice-head.ts";
import { tokenNetworks } from "../transformer/token-head.ts";
import { type BertConfig, bertConfigTable, bertPresets } from "./config.ts";
import { BertForPretraining, BertForSequenceClassification, bertEncoder } from "./model.ts";
import { bertWeightMap } from "./weight-map.ts";

/** BERT as a family. @source Devlin et al. 2019, arXiv:1810.04805 */
export const bertFamily = defineFamily({
  table: bertConfigTable,
  name: "bert",
  presets: bertPresets,
  framing: bertFraming,
  fromVocabulary: ({ vocabSize, special }) => ({ vocabSize, padTokenId: special.pad }),
  facts: (config) => config,
  pretraining: {
    build: (config) => new BertForPretraining(config),
    architecture: "BertForPreTraining",
    mayBeNew: /^(maskedLm|sequencePair|encoder\.pooler)\./,
  },
  classification: {
    build: (config, numLabels) => new BertForSequenceClassification(config, numLabels),
    architecture: "BertForSequenceClassification",
    mayBeNew: /^(classifier|encoder\.pooler)\./,
  },
  ...tokenNetworks<BertConfig>({
    name: "Bert",
    encoder: (config) => bertEncoder(config, { pools: false }),
    init: (config) => truncatedNormal(config.initializerRange),
    dropout: (config) => config.classifierDropout ?? config.hiddenDropoutProb,
  }),
  ...choiceNetwork<BertConfig>({
    architecture: "BertForMultipleChoice",
    encoder: (config) => bertEncoder(config),
    init: (config) => truncatedNormal(config.initializerRange),
    dropout: (config) => config.classifierDropout ?? config.hiddenDropoutProb,
  }),
  weightMap: bertWeightMap,
  prefix: "bert.",
  ignoredTensors: /^(cls|classifier|qa_outputs|dropout)\.|^bert\.embeddings\.position_ids$/,
});

/**
 * A new BERT with its pre-training heads.
 * @param seed of the new weights
 */
export function bert(config: BertConfig, options: { readonly seed: number }): ModelState<PretrainingModel, BertConfig> {
  return newModel(bertFamily, config, options);
}
