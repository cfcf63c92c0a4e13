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
import { headsDivide, onlyValues } from "../config-rule.ts";
import { configure } from "../configure.ts";

const fields = defineFields({
  vocabSize: integerField({ default: 50_265, min: 1, doc: "Rows of the word embedding." }),
  hiddenSize: integerField({ jsonKey: "d_model", default: 1024, min: 1, doc: "Width of the hidden states." }),
  numHiddenLayers: integerField({ jsonKey: "encoder_layers", default: 12, min: 1, doc: "Layers of the encoder." }),
  numAttentionHeads: integerField({
    jsonKey: "encoder_attention_heads",
    default: 16,
    min: 1,
    doc: "Attention heads of a layer of the encoder; divides hiddenSize.",
  }),
  intermediateSize: integerField({
    jsonKey: "encoder_ffn_dim",
    default: 4096,
    min: 1,
    doc: "Width inside the feed-forward part of the encoder.",
  }),
  numDecoderLayers: integerField({ jsonKey: "decoder_layers", default: 12, min: 1, doc: "Layers of the decoder." }),
  numDecoderAttentionHeads: integerField({
    jsonKey: "decoder_attention_heads",
    default: 16,
    min: 1,
    doc: "Attention heads of a layer of the decoder; divides hiddenSize.",
  }),
  decoderIntermediateSize: integerField({
    jsonKey: "decoder_ffn_dim",
    default: 4096,
    min: 1,
    doc: "Width inside the feed-forward part of the decoder.",
  }),
  hiddenAct: choiceField(["gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "tanh"], {
    jsonKey: "activation_function",
    default: "gelu",
    doc: "Activation of the feed-forward part; gelu is the exact one.",
  }),
  hiddenDropoutProb: probabilityField({
    jsonKey: "dropout",
    default: 0.1,
    doc: "Dropout of embeddings and of all parts of a layer.",
  }),
  attentionProbsDropoutProb: probabilityField({
    jsonKey: "attention_dropout",
    default: 0,
    doc: "Dropout of attention probabilities.",
  }),
  activationDropoutProb: probabilityField({
    jsonKey: "activation_dropout",
    default: 0,
    doc: "Dropout inside the feed-forward part.",
  }),
  encoderLayerdrop: numberField({
    default: 0,
    min: 0,
    max: 0.99,
    doc: "Probability that a step of training leaves a layer of the encoder out.",
  }),
  decoderLayerdrop: numberField({ default: 0, min: 0, max: 0.99, doc: "Of the decoder." }),
  classifierDropout: probabilityField({ default: 0, doc: "Dropout before both layers of a classification head." }),
  maxPositionEmbeddings: integerField({ default: 1024, min: 1, doc: "Longest sequence, in tokens." }),
  initializerRange: numberField({
    jsonKey: "init_std",
    default: 0.02,
    min: 0,
    doc: "Deviation of the normal distribution of new weights.",
  }),
  scaleEmbedding: booleanField({ default: false, doc: "Whether word vectors are multiplied by √hiddenSize." }),
  padTokenId: integerField({ default: 1, min: 0, doc: "Id of the token that fills rows." }),
  bosTokenId: integerField({ default: 0, min: 0, doc: "Id of the token that begins a text." }),
  eosTokenId: integerField({ default: 2, min: 0, doc: "Id of the token that ends a text." }),
  decoderStartTokenId: integerField({ default: 2, min: 0, doc: "Id that the decoder begins a target with." }),
  forcedEosTokenId: nullableField(
    integerField({ default: 2, min: 0, doc: "Id that ends a generated text of the longest length; null: none." }),
  ),
  isEncoderDecoder: booleanField({ default: true, doc: "Whether there are both stacks." }),
  tieWordEmbeddings: booleanField({ default: true, doc: "Whether one table is input and output of both stacks." }),
});

export type BartConfig = ConfigOf<typeof fields>;
export type BartConfigInput = ConfigInput<typeof fields>;

export const bartConfigTable = defineConfig({
  name: "bart",
  fields,
  rules: (config) => {
    const { hiddenSize, vocabSize, numDecoderAttentionHeads } = config;
    const ids = (["padTokenId", "bosTokenId", "eosTokenId", "decoderStartTokenId", "forcedEosTokenId"] as const)
      .filter((path) => (config[path] ?? 0) >= vocabSize)
      .map((path) => ({
        path,
        message: `must be below vocabSize; got ${config[path]} and ${vocabSize}.`,
        code: "CONFIG_RANGE",
      }));
    const decoderHeads = headsDivide({ hiddenSize, numAttentionHeads: numDecoderAttentionHeads });
    return [
      ...headsDivide(config),
      ...decoderHeads.map((issue) => ({ ...issue, path: "numDecoderAttentionHeads" })),
      ...ids,
      ...onlyValues(config, {
        isEncoderDecoder: [true, "BART has both stacks."],
        tieWordEmbeddings: [true, "BART has one table of words for all."],
      }),
    ];
  },
});

const size = (numHiddenLayers: number, hiddenSize: number, numAttentionHeads: number) => ({
  ...{ numHiddenLayers, hiddenSize, numAttentionHeads, intermediateSize: 4 * hiddenSize },
  attentionProbsDropoutProb: 0.1,
  activationDropoutProb: 0.1,
});

/** Layers of each stack, hidden size and heads; published are base and large, the others are for two cores. */
export const bartPresets = {
  tiny: { ...size(2, 128, 2), maxPositionEmbeddings: 512 },
  mini: { ...size(4, 256, 4), maxPositionEmbeddings: 512 },
  base: size(6, 768, 12),
  large: size(12, 1024, 16),
} as const satisfies Record<string, BartConfigInput>;

export type BartPreset = keyof typeof bartPresets;

/** The decoder is as the encoder where nothing else is said. */
export function completeBart(input: BartConfigInput): BartConfigInput {
  const { numHiddenLayers, numAttentionHeads, intermediateSize } = input;
  return {
    numDecoderLayers: numHiddenLayers,
    numDecoderAttentionHeads: numAttentionHeads,
    decoderIntermediateSize: intermediateSize,
    ...input,
  };
}

/**
 * A whole, checked BART configuration.
 * @param input settings that differ from those of BART-large; `preset` fills sizes and dropout
 * @throws {ConfigError} all problems together
 * @source sizes: Lewis et al. 2020 §2.1, arXiv:1910.13461; dropout: the published models' config.json
 */
export function bartConfig(input: BartConfigInput & { readonly preset?: string | undefined } = {}): BartConfig {
  return configure({ name: "bart", table: bartConfigTable, presets: bartPresets, complete: completeBart }, input);
}
