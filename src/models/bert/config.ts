import type { ConfigIssue } from "../../base/errors.ts";
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

/** Settings that BERT and its kin have; some differ in their defaults. */
export const bertFields = defineFields({
  vocabSize: integerField({ default: 30_522, min: 1, doc: "Rows of the word embedding." }),
  hiddenSize: integerField({ default: 768, min: 1, doc: "Width of the hidden states." }),
  numHiddenLayers: integerField({ default: 12, min: 1, doc: "Transformer layers." }),
  numAttentionHeads: integerField({ default: 12, min: 1, doc: "Attention heads a layer; divides hiddenSize." }),
  intermediateSize: integerField({ default: 3072, min: 1, doc: "Width inside the feed-forward part." }),
  hiddenAct: choiceField(["gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "tanh"], {
    default: "gelu",
    doc: "Activation of the feed-forward part; gelu is the exact one.",
  }),
  hiddenDropoutProb: probabilityField({ default: 0.1, doc: "Dropout of embeddings and of both parts of a layer." }),
  attentionProbsDropoutProb: probabilityField({ default: 0.1, doc: "Dropout of attention probabilities." }),
  maxPositionEmbeddings: integerField({ default: 512, min: 1, doc: "Longest sequence, in tokens." }),
  typeVocabSize: integerField({ default: 2, min: 1, doc: "Segment kinds." }),
  initializerRange: numberField({ default: 0.02, min: 0, doc: "Deviation of the truncated normal of new weights." }),
  layerNormEps: numberField({ default: 1e-12, min: 0, doc: "Added to the variance in LayerNorm." }),
  classifierDropout: nullableField(
    probabilityField({ doc: "Dropout before a classification head; null: as hiddenDropoutProb." }),
  ),
  padTokenId: integerField({ default: 0, min: 0, doc: "Id of [PAD]." }),
  tieWordEmbeddings: booleanField({ default: true, doc: "Whether the MLM decoder is the word embedding." }),
});

export type BertConfig = ConfigOf<typeof bertFields>;
export type BertConfigInput = ConfigInput<typeof bertFields>;

/** Rules between the settings of BERT and its kin. */
export function bertRules(config: BertConfig): ConfigIssue[] {
  return [
    ...headsDivide(config),
    ...epsilonAboveZero(config, "BERT uses 1e-12."),
    ...onlyValues(config, { tieWordEmbeddings: [true, "The MLM decoder is the word embedding."] }),
  ];
}

export const bertConfigTable = defineConfig({ name: "bert", fields: bertFields, rules: bertRules });

/** Layers, hidden size and heads of the published sizes; the feed-forward width is four times the hidden size. */
export const bertPresets = {
  tiny: { numHiddenLayers: 2, hiddenSize: 128, numAttentionHeads: 2, intermediateSize: 512 },
  mini: { numHiddenLayers: 4, hiddenSize: 256, numAttentionHeads: 4, intermediateSize: 1024 },
  small: { numHiddenLayers: 4, hiddenSize: 512, numAttentionHeads: 8, intermediateSize: 2048 },
  medium: { numHiddenLayers: 8, hiddenSize: 512, numAttentionHeads: 8, intermediateSize: 2048 },
  base: { numHiddenLayers: 12, hiddenSize: 768, numAttentionHeads: 12, intermediateSize: 3072 },
  large: { numHiddenLayers: 24, hiddenSize: 1024, numAttentionHeads: 16, intermediateSize: 4096 },
} as const satisfies Record<string, BertConfigInput>;

export type BertPreset = keyof typeof bertPresets;

/**
 * A whole, checked BERT configuration.
 * @param input settings that differ from BERT-base; `preset` fills layers, hidden size and heads
 * @throws {ConfigError} all problems together
 * @source sizes: Devlin et al. 2019 §3, arXiv:1810.04805; Turc et al. 2019, arXiv:1908.08962
 */
export function bertConfig(input: BertConfigInput & { readonly preset?: string | undefined } = {}): BertConfig {
  return configure({ name: "bert", table: bertConfigTable, presets: bertPresets }, input);
}
