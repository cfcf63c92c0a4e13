/** @file Between our parameter names and those of GPT-2 files; GPT names its layers alike. */
import { denseEntries, normEntries, type WeightEntry } from "../weight-map.ts";
import type { Gpt2Config } from "./config.ts";

/** A layer's matrices are stored `[in, out]`; query, key and value are one already. */
function layerEntries(ours: string, theirs: string): WeightEntry[] {
  return [
    ...denseEntries(`${ours}.attention.qkv`, `${theirs}.attn.c_attn`, true),
    ...denseEntries(`${ours}.attentionOutput`, `${theirs}.attn.c_proj`, true),
    ...normEntries(`${ours}.attentionNorm`, `${theirs}.ln_1`),
    ...denseEntries(`${ours}.intermediate`, `${theirs}.mlp.c_fc`, true),
    ...denseEntries(`${ours}.output`, `${theirs}.mlp.c_proj`, true),
    ...normEntries(`${ours}.outputNorm`, `${theirs}.ln_2`),
  ];
}

/** Tensors of GPT or GPT-2 with the head of classes. @param words, positions what the tables are called */
export function leftToRightEntries(
  numHiddenLayers: number,
  { words, positions }: { readonly words: string; readonly positions: string },
): WeightEntry[] {
  return [
    // A model with two heads may be stored with its table under the name of the tied output.
    {
      parameter: "encoder.embeddings.wordEmbeddings.weight",
      keys: [`transformer.${words}.weight`],
      aliases: [["lm_head.weight"]],
    },
    { parameter: "encoder.embeddings.positionEmbeddings.weight", keys: [`transformer.${positions}.weight`] },
    ...Array.from({ length: numHiddenLayers }, (_, i) =>
      layerEntries(`encoder.layers.${i}`, `transformer.h.${i}`),
    ).flat(),
    { parameter: "score", keys: ["score.weight"] },
  ];
}

/** The stored copy of the tied output, masks kept as buffers, and heads of other tasks. */
export const leftToRightIgnored =
  /^lm_head\.weight$|^transformer\.h\.\d+\.attn\.(bias|masked_bias)$|^transformer\.position_ids$|^(score|classifier|multiple_choice_head|qa_outputs)\./;

/** Names of all tensors that GPT-2 models may have, heads included. */
export function gpt2WeightMap({ numHiddenLayers }: Gpt2Config): WeightEntry[] {
  return [
    ...leftToRightEntries(numHiddenLayers, { words: "wte", positions: "wpe" }),
    ...normEntries("encoder.finalNorm", "transformer.ln_f"),
  ];
}
