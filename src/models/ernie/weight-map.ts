import { bertEncoderEntries, bertHeadEntries } from "../bert/weight-map.ts";
import type { WeightEntry } from "../weight-map.ts";
import type { ErnieConfig } from "./config.ts";

/** Names of all tensors that ERNIE models may have, heads included. */
export function ernieWeightMap({ numHiddenLayers }: ErnieConfig): WeightEntry[] {
  return [
    ...bertEncoderEntries("ernie", numHiddenLayers),
    {
      parameter: "encoder.embeddings.taskTypeEmbeddings.weight",
      keys: ["ernie.embeddings.task_type_embeddings.weight"],
    },
    ...bertHeadEntries,
  ];
}
