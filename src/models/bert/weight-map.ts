/** @file Between our parameter names and those of BERT files; RoBERTa, ERNIE and others name their encoders alike. */
import { denseEntries, joinedEntries, normEntries, type WeightEntry } from "../weight-map.ts";
import type { BertConfig } from "./config.ts";

function layerEntries(ours: string, theirs: string): WeightEntry[] {
  const projections = ["query", "key", "value"].map((name) => `${theirs}.attention.self.${name}`);
  return [
    ...joinedEntries(`${ours}.attention.qkv`, projections),
    ...denseEntries(`${ours}.attentionOutput`, `${theirs}.attention.output.dense`),
    ...normEntries(`${ours}.attentionNorm`, `${theirs}.attention.output.LayerNorm`),
    ...denseEntries(`${ours}.intermediate`, `${theirs}.intermediate.dense`),
    ...denseEntries(`${ours}.output`, `${theirs}.output.dense`),
    ...normEntries(`${ours}.outputNorm`, `${theirs}.output.LayerNorm`),
  ];
}

/** Tensors of BERT-shaped embeddings whose names begin with `prefix`. */
export function bertEmbeddingEntries(prefix: string): WeightEntry[] {
  const embeddings = "encoder.embeddings";
  return [
    { parameter: `${embeddings}.wordEmbeddings.weight`, keys: [`${prefix}.embeddings.word_embeddings.weight`] },
    { parameter: `${embeddings}.positionEmbeddings.weight`, keys: [`${prefix}.embeddings.position_embeddings.weight`] },
    {
      parameter: `${embeddings}.tokenTypeEmbeddings.weight`,
      keys: [`${prefix}.embeddings.token_type_embeddings.weight`],
    },
    ...normEntries(`${embeddings}.layerNorm`, `${prefix}.embeddings.LayerNorm`),
  ];
}

/** Tensors of a BERT-shaped encoder whose names begin with `prefix`. */
export function bertEncoderEntries(prefix: string, numHiddenLayers: number): WeightEntry[] {
  return [
    ...bertEmbeddingEntries(prefix),
    ...Array.from({ length: numHiddenLayers }, (_, i) =>
      layerEntries(`encoder.layers.${i}`, `${prefix}.encoder.layer.${i}`),
    ).flat(),
    ...denseEntries("encoder.pooler", `${prefix}.pooler.dense`),
  ];
}

/** Tensors of BERT's heads. */
export const bertHeadEntries: readonly WeightEntry[] = [
  { parameter: "maskedLm.bias", keys: ["cls.predictions.bias"], aliases: [["cls.predictions.decoder.bias"]] },
  ...denseEntries("maskedLm.dense", "cls.predictions.transform.dense"),
  ...normEntries("maskedLm.layerNorm", "cls.predictions.transform.LayerNorm"),
  ...denseEntries("sequencePair", "cls.seq_relationship"),
  ...denseEntries("classifier", "classifier"),
];

/** Names of all tensors that BERT models may have, heads included. */
export function bertWeightMap(config: BertConfig): WeightEntry[] {
  return [...bertEncoderEntries("bert", config.numHiddenLayers), ...bertHeadEntries];
}
