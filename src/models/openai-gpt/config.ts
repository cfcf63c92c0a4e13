import {
  type ConfigInput,
  type ConfigOf,
  choiceField,
  defineFields,
  integerField,
  nullableField,
} from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";
import { epsilonAboveZero, headsDivide, onlyValues } from "../config-rule.ts";
import { configure } from "../configure.ts";
import { leftToRightFields } from "../gpt2/config.ts";

const fields = defineFields({
  ...leftToRightFields,
  vocabSize: integerField({ default: 40_478, min: 1, doc: "Rows of the word embedding." }),
  maxPositionEmbeddings: integerField({
    jsonKey: "n_positions",
    aliases: ["n_ctx"],
    default: 512,
    min: 1,
    doc: "Longest sequence, in tokens.",
  }),
  hiddenAct: choiceField(["gelu", "relu"], {
    jsonKey: "afn",
    default: "gelu",
    doc: "Activation of the feed-forward part, four times as wide inside; GPT's gelu is the tanh form.",
  }),
  bosTokenId: nullableField(integerField({ min: 0, doc: "Id that begins a text; null where there is none." })),
  eosTokenId: nullableField(integerField({ min: 0, doc: "Id that ends a text; null where there is none." })),
});

export type OpenAiGptConfig = ConfigOf<typeof fields>;
export type OpenAiGptConfigInput = ConfigInput<typeof fields>;

export const openAiGptConfigTable = defineConfig({
  name: "openai-gpt",
  fields,
  rules: (config) => [
    ...headsDivide(config),
    ...epsilonAboveZero(config, "GPT uses 1e-5."),
    ...onlyValues(config, { tieWordEmbeddings: [true, "GPT's output is its word embedding."] }),
  ],
});

/** Layers, hidden size and heads: base as published, the others for two cores. */
export const openAiGptPresets = {
  tiny: { numHiddenLayers: 2, hiddenSize: 128, numAttentionHeads: 2 },
  mini: { numHiddenLayers: 4, hiddenSize: 256, numAttentionHeads: 4 },
  base: { numHiddenLayers: 12, hiddenSize: 768, numAttentionHeads: 12 },
} as const satisfies Record<string, OpenAiGptConfigInput>;

/**
 * A whole, checked GPT configuration.
 * @param input settings that differ from the published GPT; `preset` fills layers, hidden size and heads
 * @throws {ConfigError} all problems together
 * @source Radford et al. 2018, "Improving Language Understanding by Generative Pre-Training", §4.1
 */
export function openAiGptConfig(
  input: OpenAiGptConfigInput & { readonly preset?: string | undefined } = {},
): OpenAiGptConfig {
  return configure({ name: "openai-gpt", table: openAiGptConfigTable, presets: openAiGptPresets }, input);
}
