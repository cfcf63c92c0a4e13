import { bertEncoderEntries } from "../bert/weight-map.ts";
import { denseEntries, normEntries, type WeightEntry } from "../weight-map.ts";
import type { RobertaConfig } from "./config.ts";

/** Names of all tensors that RoBERTa models may have, heads included. */
export function robertaWeightMap({ numHiddenLayers }: RobertaConfig): WeightEntry[] {
  return [
    ...bertEncoderEntries("roberta", numHiddenLayers),
    { parameter: "maskedLm.bias", keys: ["lm_head.bias"], aliases: [["lm_head.decoder.bias"]] },
    ...denseEntries("maskedLm.dense", "lm_head.dense"),
    ...normEntries("maskedLm.layerNorm", "lm_head.layer_norm"),
    ...denseEntries("dense", "classifier.dense"),
    ...denseEntries("classifier", "classifier.out_proj"),
  ];
}
