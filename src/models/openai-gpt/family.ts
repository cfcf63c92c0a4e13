import { normal } from "../../nn/initializer.ts";
import { defineFamily } from "../define-family.ts";
import { type ModelState, newModel } from "../family.ts";
import { gptFraming } from "../framing.ts";
import { leftToRightVocabulary } from "../gpt2/config.ts";
import { leftToRightEntries, leftToRightIgnored } from "../gpt2/weight-map.ts";
import type { PretrainingModel } from "../model.ts";
import { CausalClassifier, CausalLanguageModel } from "../transformer/causal.ts";
import { choiceNetwork } from "../transformer/choice-head.ts";
import { type OpenAiGptConfig, openAiGptConfigTable, openAiGptPresets } from "./config.ts";
import { openAiGptEncoder } from "./model.ts";

/** GPT as a family. @source Radford et al. 2018 */
export const openAiGptFamily = defineFamily({
  table: openAiGptConfigTable,
  name: "openai-gpt",
  presets: openAiGptPresets,
  framing: gptFraming,
  fromVocabulary: leftToRightVocabulary,
  facts: (config) => ({ ...config, typeVocabSize: 0 }),
  pretraining: {
    build: (config) => new CausalLanguageModel(openAiGptEncoder(config)),
    architecture: "OpenAIGPTLMHeadModel",
    // The output is the word embedding: nothing can be missing.
    mayBeNew: /(?!)/,
  },
  classification: {
    build: (config, numLabels) =>
      new CausalClassifier(openAiGptEncoder(config), {
        numLabels,
        dropout: config.classifierDropout ?? config.hiddenDropoutProb,
        init: normal(config.initializerRange),
      }),
    architecture: "OpenAIGPTForSequenceClassification",
    mayBeNew: /^score$/,
  },
  ...choiceNetwork<OpenAiGptConfig>({
    architecture: "OpenAIGPTDoubleHeadsModel",
    encoder: (config) => openAiGptEncoder(config),
    init: (config) => normal(config.initializerRange),
    dropout: (config) => config.classifierDropout ?? config.hiddenDropoutProb,
  }),
  choiceHead: "multiple_choice_head.summary",
  weightMap: ({ numHiddenLayers }) =>
    leftToRightEntries(numHiddenLayers, { words: "tokens_embed", positions: "positions_embed" }),
  prefix: "transformer.",
  ignoredTensors: leftToRightIgnored,
});

/**
 * A new GPT.
 * @param seed of the new weights
 */
export function openAiGpt(
  config: OpenAiGptConfig,
  options: { readonly seed: number },
): ModelState<PretrainingModel, OpenAiGptConfig> {
  return newModel(openAiGptFamily, config, options);
}
