/** @file Between our parameter names and those of BART files. */
import { denseEntries, joinedEntries, normEntries, type WeightEntry } from "../weight-map.ts";
import type { BartConfig } from "./config.ts";

const projections = (theirs: string, names: readonly string[]): string[] =>
  names.map((name) => `${theirs}.${name}_proj`);

function layerEntries(ours: string, theirs: string): WeightEntry[] {
  return [
    ...joinedEntries(`${ours}.attention.qkv`, projections(`${theirs}.self_attn`, ["q", "k", "v"])),
    ...denseEntries(`${ours}.attentionOutput`, `${theirs}.self_attn.out_proj`),
    ...normEntries(`${ours}.attentionNorm`, `${theirs}.self_attn_layer_norm`),
    ...denseEntries(`${ours}.intermediate`, `${theirs}.fc1`),
    ...denseEntries(`${ours}.output`, `${theirs}.fc2`),
    ...normEntries(`${ours}.outputNorm`, `${theirs}.final_layer_norm`),
  ];
}

function crossEntries(ours: string, theirs: string): WeightEntry[] {
  return [
    ...denseEntries(`${ours}.cross.attention.query`, `${theirs}.encoder_attn.q_proj`),
    ...joinedEntries(`${ours}.cross.attention.keyValue`, projections(`${theirs}.encoder_attn`, ["k", "v"])),
    ...denseEntries(`${ours}.cross.output`, `${theirs}.encoder_attn.out_proj`),
    ...normEntries(`${ours}.cross.norm`, `${theirs}.encoder_attn_layer_norm`),
  ];
}

/** A stack without its words. */
function stackEntries(
  stack: "encoder" | "decoder",
  count: number,
  entriesOf: (ours: string, theirs: string) => WeightEntry[],
): WeightEntry[] {
  const [ours, theirs] = [`network.${stack}`, `model.${stack}`];
  return [
    { parameter: `${ours}.embeddings.positionEmbeddings.weight`, keys: [`${theirs}.embed_positions.weight`] },
    ...normEntries(`${ours}.embeddings.layerNorm`, `${theirs}.layernorm_embedding`),
    ...Array.from({ length: count }, (_, i) => entriesOf(`${ours}.layers.${i}`, `${theirs}.layers.${i}`)).flat(),
  ];
}

/** Names of all tensors that BART models may have, heads included. */
export function bartWeightMap({ numHiddenLayers, numDecoderLayers }: BartConfig): WeightEntry[] {
  return [
    {
      parameter: "network.encoder.embeddings.wordEmbeddings.weight",
      keys: ["model.shared.weight"],
      // Files may have copies of it, or one of them instead.
      aliases: [["model.encoder.embed_tokens.weight"], ["model.decoder.embed_tokens.weight"], ["lm_head.weight"]],
    },
    ...stackEntries("encoder", numHiddenLayers, layerEntries),
    ...stackEntries("decoder", numDecoderLayers, (ours, theirs) => [
      ...layerEntries(ours, theirs),
      ...crossEntries(ours, theirs),
    ]),
    { parameter: "finalLogitsBias", keys: ["final_logits_bias"] },
    ...denseEntries("dense", "classification_head.dense"),
    ...denseEntries("output", "classification_head.out_proj"),
  ];
}
