import {
  booleanField,
  type ConfigInput,
  type ConfigOf,
  choiceField,
  defineFields,
  integerField,
  nullableField,
  numberField,
  probabilityField,
} from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";
import { epsilonAboveZero, headsDivide, onlyValues } from "../config-rule.ts";
import { configure } from "../configure.ts";
import type { VocabularyFacts } from "../family.ts";

/** Settings that GPT and GPT-2 have alike. */
export const leftToRightFields = defineFields({
  hiddenSize: integerField({ jsonKey: "n_embd", default: 768, min: 1, doc: "Width of the hidden states." }),
  numHiddenLayers: integerField({ jsonKey: "n_layer", default: 12, min: 1, doc: "Transformer layers." }),
  numAttentionHeads: integerField({
    jsonKey: "n_head",
    default: 12,
    min: 1,
    doc: "Attention heads a layer; divides hiddenSize.",
  }),
  hiddenDropoutProb: probabilityField({
    jsonKey: "resid_pdrop",
    default: 0.1,
    doc: "Dropout of both parts of a layer.",
  }),
  embeddingDropoutProb: probabilityField({ jsonKey: "embd_pdrop", default: 0.1, doc: "Dropout of the embeddings." }),
  attentionProbsDropoutProb: probabilityField({
    jsonKey: "attn_pdrop",
    default: 0.1,
    doc: "Dropout of attention probabilities.",
  }),
  layerNormEps: numberField({
    jsonKey: "layer_norm_epsilon",
    default: 1e-5,
    min: 0,
    doc: "Added to the variance in LayerNorm.",
  }),
  initializerRange: numberField({ default: 0.02, min: 0, doc: "Deviation of the normal of new weights." }),
  classifierDropout: nullableField(
    probabilityField({ doc: "Dropout before a classification head; null: as hiddenDropoutProb." }),
  ),
  padTokenId: nullableField(integerField({ min: 0, doc: "Id that fills rows; null where there is none." })),
  tieWordEmbeddings: booleanField({ default: true, doc: "Whether the output is the word embedding." }),
});

export type LeftToRightConfig = ConfigOf<typeof leftToRightFields>;

/** Settings that come with a tokenizer. A token that ends texts too is none for padding: programs look for the last token before it. */
export function leftToRightVocabulary({ vocabSize, special }: VocabularyFacts) {
  const bosTokenId = special.bos ?? special.cls ?? special.eos ?? null;
  const eosTokenId = special.eos ?? special.sep ?? null;
  return { vocabSize, bosTokenId, eosTokenId, padTokenId: special.pad === eosTokenId ? null : special.pad };
}

const fields = defineFields({
  ...leftToRightFields,
  vocabSize: integerField({ default: 50_257, min: 1, doc: "Rows of the word embedding." }),
  maxPositionEmbeddings: integerField({
    jsonKey: "n_positions",
    aliases: ["n_ctx"],
    default: 1024,
    min: 1,
    doc: "Longest sequence, in tokens.",
  }),
  intermediateSize: nullableField(
    integerField({
      jsonKey: "n_inner",
      min: 1,
      doc: "Width inside the feed-forward part; null: four times hiddenSize.",
    }),
  ),
  hiddenAct: choiceField(["gelu_new", "gelu_pytorch_tanh", "gelu", "relu", "tanh"], {
    jsonKey: "activation_function",
    default: "gelu_new",
    doc: "Activation of the feed-forward part; gelu_new is the tanh form, gelu the exact one.",
  }),
  bosTokenId: nullableField(integerField({ default: 50_256, min: 0, doc: "Id that begins a text." })),
  eosTokenId: nullableField(integerField({ default: 50_256, min: 0, doc: "Id that ends a text." })),
  scaleAttnWeights: booleanField({ default: true, doc: "Whether scores are divided by the root of the head size." }),
  scaleAttnByInverseLayerIdx: booleanField({ default: false, doc: "Whether they are divided by the layer's number." }),
  reorderAndUpcastAttn: booleanField({ default: false, doc: "Whether half precision scores are computed in f32." }),
  addCrossAttention: booleanField({ default: false, doc: "Whether layers look at another sequence." }),
});

export type Gpt2Config = ConfigOf<typeof fields>;
export type Gpt2ConfigInput = ConfigInput<typeof fields>;

export const gpt2ConfigTable = defineConfig({
  name: "gpt2",
  fields,
  rules: (config) => [
    ...headsDivide(config),
    ...epsilonAboveZero(config, "GPT-2 uses 1e-5."),
    ...onlyValues(config, {
      tieWordEmbeddings: [true, "GPT-2's output is its word embedding."],
      scaleAttnWeights: [true, "Attention without this division is not computed here."],
      scaleAttnByInverseLayerIdx: [false, "This division is not computed here."],
      reorderAndUpcastAttn: [false, "Scores are in the compute dtype; use f32 where bf16 does not do."],
      addCrossAttention: [false, "GPT-2 has no source; use an encoder–decoder."],
    }),
  ],
});

/** Layers, hidden size and heads: tiny and mini for two cores, the others as published. */
export const gpt2Presets = {
  tiny: { numHiddenLayers: 2, hiddenSize: 128, numAttentionHeads: 2 },
  mini: { numHiddenLayers: 4, hiddenSize: 256, numAttentionHeads: 4 },
  small: { numHiddenLayers: 12, hiddenSize: 768, numAttentionHeads: 12 },
  medium: { numHiddenLayers: 24, hiddenSize: 1024, numAttentionHeads: 16 },
  large: { numHiddenLayers: 36, hiddenSize: 1280, numAttentionHeads: 20 },
  xl: { numHiddenLayers: 48, hiddenSize: 1600, numAttentionHeads: 25 },
} as const satisfies Record<string, Gpt2ConfigInput>;

/**
 * A whole, checked GPT-2 configuration.
 * @param input settings that differ from the small GPT-2; `preset` fills layers, hidden size and heads
 * @throws {ConfigError} all problems together
 * @source Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", table 2
 */
export function gpt2Config(input: Gpt2ConfigInput & { readonly preset?: string | undefined } = {}): Gpt2Config {
  return configure({ name: "gpt2", table: gpt2ConfigTable, presets: gpt2Presets }, input);
}
