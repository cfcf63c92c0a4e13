import { bertEncoder, type EncoderChanges } from "../bert/model.ts";
import type { TransformerEncoder } from "../transformer/encoder.ts";
import type { AlbertConfig } from "./config.ts";

/** What layers have in common, as the shared stack says it. */
export function albertSharing(config: Pick<AlbertConfig, "sharing" | "numHiddenGroups" | "numHiddenLayers">) {
  const { sharing, numHiddenGroups, numHiddenLayers } = config;
  return { sharing, numHiddenLayers, sharingGroups: sharing === "all" ? numHiddenGroups : 1 };
}

/**
 * BERT's encoder with narrow embeddings that are projected to its width, and layers that are one and the same; the heads are
 * BERT's too, that of masked words as wide inside as the embeddings.
 *
 * Differs from transformers: what the feed-forward part adds is dropped out (where there is dropout) as in the authors' code.
 * @source Lan et al. 2020 §3.1, arXiv:1909.11942
 */
export function albertEncoder(config: AlbertConfig, changes: Pick<EncoderChanges, "pools"> = {}): TransformerEncoder {
  return bertEncoder(config, {
    ...changes,
    embeddings: { embeddingSize: config.embeddingSize },
    layers: albertSharing(config),
  });
}
