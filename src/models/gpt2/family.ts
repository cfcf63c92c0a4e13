import { normal } from "../../nn/initializer.ts";
import { defineFamily } from "../define-family.ts";
import { type ModelState, newModel } from "../family.ts";
import { gptFraming } from "../framing.ts";
import type { PretrainingModel } from "../model.ts";
import { CausalClassifier, CausalLanguageModel } from "../transformer/causal.ts";
import { choiceNetwork } from "../transformer/choice-head.ts";
import { tokenNetworks } from "../transformer/token-head.ts";
import { type Gpt2Config, gpt2ConfigTable, gpt2Presets, leftToRightVocabulary } from "./config.ts";
import { gpt2Encoder } from "./model.ts";
import { gpt2WeightMap, leftToRightIgnored } from "./weight-map.ts";

/** GPT-2 as a family. @source Radford et al. 2019 */
export const gpt2Family = defineFamily({
  table: gpt2ConfigTable,
  name: "gpt2",
  presets: gpt2Presets,
  framing: gptFraming,
  fromVocabulary: leftToRightVocabulary,
  facts: (config) => ({ ...config, typeVocabSize: 0 }),
  pretraining: {
    build: (config) => new CausalLanguageModel(gpt2Encoder(config)),
    architecture: "GPT2LMHeadModel",
    // The output is the word embedding: nothing can be missing.
    mayBeNew: /(?!)/,
  },
  classification: {
    build: (config, numLabels) =>
      new CausalClassifier(gpt2Encoder(config), {
        numLabels,
        dropout: config.classifierDropout ?? config.hiddenDropoutProb,
        init: normal(config.initializerRange),
      }),
    architecture: "GPT2ForSequenceClassification",
    mayBeNew: /^score$/,
  },
  ...tokenNetworks<Gpt2Config>({
    name: "GPT2",
    encoder: (config) => gpt2Encoder(config),
    init: (config) => normal(config.initializerRange),
    dropout: (config) => config.classifierDropout ?? 0.1,
  }),
  ...choiceNetwork<Gpt2Config>({
    architecture: "GPT2DoubleHeadsModel",
    encoder: (config) => gpt2Encoder(config),
    init: (config) => normal(config.initializerRange),
    dropout: (config) => config.classifierDropout ?? config.hiddenDropoutProb,
  }),
  choiceHead: "multiple_choice_head.summary",
  weightMap: gpt2WeightMap,
  prefix: "transformer.",
  ignoredTensors: leftToRightIgnored,
});

/**
 * A new GPT-2.
 * @param seed of the new weights
 */
export function gpt2(config: Gpt2Config, options: { readonly seed: number }): ModelState<PretrainingModel, Gpt2Config> {
  return newModel(gpt2Family, config, options);
}
