import { defineFamily } from "../define-family.ts";
import { type ModelState, newModel } from "../family.ts";
import { robertaFraming } from "../framing.ts";
import type { PretrainingModel } from "../model.ts";
import { type BartConfig, bartConfigTable, bartPresets, completeBart } from "./config.ts";
import { BartForConditionalGeneration, BartForQuestionAnswering, BartForSequenceClassification } from "./model.ts";
import { bartWeightMap } from "./weight-map.ts";

/**
 * BART as a family. MASS is the same network under another objective, and its files are BART's: `model_type` "bart".
 * @source Lewis et al. 2020, arXiv:1910.13461; Song et al. 2019, arXiv:1905.02450
 */
export const bartFamily = defineFamily({
  table: bartConfigTable,
  name: "bart",
  presets: bartPresets,
  complete: completeBart,
  framing: robertaFraming,
  fromVocabulary: ({ vocabSize, special }) => {
    const end = special.eos ?? special.sep;
    return {
      vocabSize,
      padTokenId: special.pad,
      bosTokenId: special.bos ?? special.cls,
      eosTokenId: end,
      decoderStartTokenId: end,
      forcedEosTokenId: end,
    };
  },
  facts: (config) => ({ ...config, typeVocabSize: 0 }),
  pretraining: {
    build: (config) => new BartForConditionalGeneration(config),
    architecture: "BartForConditionalGeneration",
    mayBeNew: /^finalLogitsBias$/,
  },
  classification: {
    build: (config, numLabels) => new BartForSequenceClassification(config, numLabels),
    architecture: "BartForSequenceClassification",
    mayBeNew: /^(dense|output)\./,
  },
  questionAnswering: {
    build: (config) => new BartForQuestionAnswering(config),
    architecture: "BartForQuestionAnswering",
    mayBeNew: /^answerSpan\./,
  },
  generation: (config) => ({
    bos_token_id: config.bosTokenId,
    decoder_start_token_id: config.decoderStartTokenId,
    eos_token_id: config.eosTokenId,
    forced_eos_token_id: config.forcedEosTokenId,
    pad_token_id: config.padTokenId,
  }),
  weightMap: bartWeightMap,
  prefix: "model.",
  ignoredTensors:
    /^(model\.(encoder|decoder)\.(embed_tokens\.weight|version)|lm_head\.weight|final_logits_bias|classification_head\..*|qa_outputs\..*)$/,
});

/**
 * A new BART with its head for writing.
 * @param seed of the new weights
 */
export function bart(config: BartConfig, options: { readonly seed: number }): ModelState<PretrainingModel, BartConfig> {
  return newModel(bartFamily, config, options);
}
