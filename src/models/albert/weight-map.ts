import { bertEmbeddingEntries } from "../bert/weight-map.ts";
import { sharedOwners } from "../transformer/layer.ts";
import { denseEntries, joinedEntries, normEntries, type WeightEntry } from "../weight-map.ts";
import type { AlbertConfig } from "./config.ts";
import { albertSharing } from "./model.ts";

/**
 * The tensors of one group. A part that several layers have in common is written with each of their groups, so that
 * transformers computes the same; reading checks that they agree.
 */
function groupEntries(config: AlbertConfig, group: number): WeightEntry[] {
  const { numHiddenLayers, numHiddenGroups } = config;
  const groups = Array.from({ length: numHiddenLayers }, (_, i) => Math.floor(i / (numHiddenLayers / numHiddenGroups)));
  const owner = sharedOwners(albertSharing(config), groups.indexOf(group));
  const attention = `encoder.layers.${owner.attention}`;
  const feedForward = `encoder.layers.${owner.feedForward}`;
  const theirs = `albert.encoder.albert_layer_groups.${group}.albert_layers.0`;
  const projections = ["query", "key", "value"].map((name) => `${theirs}.attention.${name}`);
  return [
    ...joinedEntries(`${attention}.attention.qkv`, projections),
    ...denseEntries(`${attention}.attentionOutput`, `${theirs}.attention.dense`),
    ...normEntries(`${attention}.attentionNorm`, `${theirs}.attention.LayerNorm`),
    ...denseEntries(`${feedForward}.intermediate`, `${theirs}.ffn`),
    ...denseEntries(`${feedForward}.output`, `${theirs}.ffn_output`),
    ...normEntries(`${feedForward}.outputNorm`, `${theirs}.full_layer_layer_norm`),
  ];
}

/** Names of all tensors that ALBERT models may have, heads included. */
export function albertWeightMap(config: AlbertConfig): WeightEntry[] {
  return [
    ...bertEmbeddingEntries("albert"),
    ...denseEntries("encoder.embeddings.projection", "albert.encoder.embedding_hidden_mapping_in"),
    ...Array.from({ length: config.numHiddenGroups }, (_, group) => groupEntries(config, group)).flat(),
    ...denseEntries("encoder.pooler", "albert.pooler"),
    { parameter: "maskedLm.bias", keys: ["predictions.bias"], aliases: [["predictions.decoder.bias"]] },
    ...denseEntries("maskedLm.dense", "predictions.dense"),
    ...normEntries("maskedLm.layerNorm", "predictions.LayerNorm"),
    ...denseEntries("sequencePair", "sop_classifier.classifier"),
    ...denseEntries("classifier", "classifier"),
  ];
}
