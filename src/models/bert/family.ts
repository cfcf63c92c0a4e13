import { internalError } from "../../base/errors.ts";
import { initialWeights } from "../../nn/weights.ts";
import type { ModelFamily, ModelState } from "../family.ts";
import type { PretrainingModel } from "../model.ts";
import type { BertConfig } from "./config.ts";
import { loadBertForPretraining, loadBertForSequenceClassification, saveBert } from "./huggingface.ts";
import { BertForPretraining, BertForSequenceClassification } from "./model.ts";

/** BERT as a family. */
export const bertFamily: ModelFamily<BertConfig> = {
  name: "bert",
  pretraining: (config) => new BertForPretraining(config),
  classification: (config, numLabels) => new BertForSequenceClassification(config, numLabels),
  facts: (config) => config,
  loadPretraining: async (folder, seed) => {
    const { model, ...rest } = await loadBertForPretraining(folder, seed);
    return { family: bertFamily, module: model, ...rest };
  },
  loadClassification: async (folder, seed, numLabels) => {
    const { model, ...rest } = await loadBertForSequenceClassification(folder, seed, numLabels);
    return { family: bertFamily, module: model, ...rest };
  },
  save: async (folder, { config, module, weights, preserved }, options = {}) => {
    if (!(module instanceof BertForPretraining || module instanceof BertForSequenceClassification)) {
      throw internalError("the BERT family saves BERT models only");
    }
    await saveBert(folder, { config, model: module, weights, preserved, ...options });
  },
};

/**
 * A new BERT with its pre-training heads.
 * @param seed of the new weights
 */
export function bert(config: BertConfig, options: { readonly seed: number }): ModelState<PretrainingModel, BertConfig> {
  const module = bertFamily.pretraining(config);
  return { family: bertFamily, config, module, weights: initialWeights(module, options.seed) };
}
