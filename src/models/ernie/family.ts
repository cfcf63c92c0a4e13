import { truncatedNormal } from "../../nn/initializer.ts";
import { BertForPretraining, BertForSequenceClassification } from "../bert/model.ts";
import { defineFamily } from "../define-family.ts";
import { type ModelState, newModel } from "../family.ts";
import { bertFraming } from "../framing.ts";
import type { PretrainingModel } from "../model.ts";
import { choiceNetwork } from "../transformer/choice-head.ts";
import { tokenNetworks } from "../transformer/token-head.ts";
import { type ErnieConfig, ernieConfigTable, erniePresets } from "./config.ts";
import { ernieEncoder } from "./model.ts";
import { ernieWeightMap } from "./weight-map.ts";

/** ERNIE as a family: BERT's networks under other names. @source Sun et al. 2019, arXiv:1904.09223 */
export const ernieFamily = defineFamily({
  table: ernieConfigTable,
  name: "ernie",
  presets: erniePresets,
  framing: bertFraming,
  fromVocabulary: ({ vocabSize, special }) => ({ vocabSize, padTokenId: special.pad }),
  facts: (config) => config,
  pretraining: {
    build: (config) => new BertForPretraining(config, ernieEncoder(config)),
    architecture: "ErnieForPreTraining",
    mayBeNew: /^(maskedLm|sequencePair|encoder\.pooler)\./,
  },
  classification: {
    build: (config, numLabels) => new BertForSequenceClassification(config, numLabels, ernieEncoder(config)),
    architecture: "ErnieForSequenceClassification",
    mayBeNew: /^(classifier|encoder\.pooler)\./,
  },
  ...tokenNetworks<ErnieConfig>({
    name: "Ernie",
    encoder: (config) => ernieEncoder(config, { pools: false }),
    init: (config) => truncatedNormal(config.initializerRange),
    dropout: (config) => config.classifierDropout ?? config.hiddenDropoutProb,
  }),
  ...choiceNetwork<ErnieConfig>({
    architecture: "ErnieForMultipleChoice",
    encoder: (config) => ernieEncoder(config),
    init: (config) => truncatedNormal(config.initializerRange),
    dropout: (config) => config.classifierDropout ?? config.hiddenDropoutProb,
  }),
  weightMap: ernieWeightMap,
  prefix: "ernie.",
  ignoredTensors: /^(cls|classifier|qa_outputs|dropout)\.|^ernie\.embeddings\.position_ids$/,
});

/**
 * A new ERNIE with its pre-training heads.
 * @param seed of the new weights
 */
export function ernie(
  config: ErnieConfig,
  options: { readonly seed: number },
): ModelState<PretrainingModel, ErnieConfig> {
  return newModel(ernieFamily, config, options);
}
