import type { ConfigIssue } from "../../base/errors.ts";
import {
  type ConfigInput,
  type ConfigOf,
  choiceField,
  defineFields,
  integerField,
  probabilityField,
} from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";
import { bertFields, bertRules } from "../bert/config.ts";
import { configure, type Presets } from "../configure.ts";

const fields = defineFields({
  ...bertFields,
  vocabSize: integerField({ default: 30_000, min: 1, doc: "Rows of the word embedding." }),
  embeddingSize: integerField({ default: 128, min: 1, doc: "Width of the embedding tables, projected to hiddenSize." }),
  sharing: choiceField(["all", "attention", "feedForward", "none"], {
    default: "all",
    jsonKey: "firth_sharing",
    doc: "What all layers have in common. transformers reads any of them, but trains `all` only as one.",
  }),
  numHiddenGroups: integerField({
    default: 1,
    min: 1,
    doc: "Runs of layers that have their weights in common with sharing all; numHiddenLayers with any other.",
  }),
  innerGroupNum: integerField({ default: 1, min: 1, doc: "Layers in one step of a group; 1." }),
  hiddenAct: choiceField(["gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "tanh"], {
    default: "gelu_new",
    doc: "Activation of the feed-forward part; gelu_new is the one by tanh.",
  }),
  hiddenDropoutProb: probabilityField({ default: 0, doc: "Dropout of embeddings and of both parts of a layer." }),
  attentionProbsDropoutProb: probabilityField({ default: 0, doc: "Dropout of attention probabilities." }),
  classifierDropout: probabilityField({
    default: 0.1,
    jsonKey: "classifier_dropout_prob",
    doc: "Dropout before a classification head.",
  }),
  padTokenId: integerField({ default: 0, min: 0, doc: "Id of <pad>." }),
});

export type AlbertConfig = ConfigOf<typeof fields>;
export type AlbertConfigInput = ConfigInput<typeof fields>;

function groupIssues(config: AlbertConfig): ConfigIssue[] {
  const { sharing, numHiddenGroups, numHiddenLayers, innerGroupNum } = config;
  const issues: ConfigIssue[] = [];
  if (numHiddenGroups > numHiddenLayers) {
    const message = `must be at most numHiddenLayers; got ${numHiddenGroups} and ${numHiddenLayers}.`;
    issues.push({ path: "numHiddenGroups", message, code: "CONFIG_RANGE" });
  } else if (sharing !== "all" && numHiddenGroups !== numHiddenLayers) {
    const message = `must be numHiddenLayers, ${numHiddenLayers}, with sharing ${sharing}; got ${numHiddenGroups}. Leave it out.`;
    issues.push({ path: "numHiddenGroups", message, code: "CONFIG_RANGE" });
  }
  if (innerGroupNum !== 1) {
    const message = `must be 1; got ${innerGroupNum}. No published ALBERT has more.`;
    issues.push({ path: "innerGroupNum", message, code: "CONFIG_UNSUPPORTED" });
  }
  return issues;
}

export const albertConfigTable = defineConfig({
  name: "albert",
  fields,
  rules: (config) => [...bertRules(config), ...groupIssues(config)],
});

/** `base` to `xxlarge` are the published sizes, version 2 (no dropout); the small ones are for a few processors. */
export const albertPresets = {
  tiny: { numHiddenLayers: 2, hiddenSize: 128, numAttentionHeads: 2, intermediateSize: 512, embeddingSize: 64 },
  mini: { numHiddenLayers: 4, hiddenSize: 256, numAttentionHeads: 4, intermediateSize: 1024 },
  small: { numHiddenLayers: 6, hiddenSize: 512, numAttentionHeads: 8, intermediateSize: 2048 },
  base: { numHiddenLayers: 12, hiddenSize: 768, numAttentionHeads: 12, intermediateSize: 3072 },
  large: { numHiddenLayers: 24, hiddenSize: 1024, numAttentionHeads: 16, intermediateSize: 4096 },
  xlarge: { numHiddenLayers: 24, hiddenSize: 2048, numAttentionHeads: 16, intermediateSize: 8192 },
  xxlarge: { numHiddenLayers: 12, hiddenSize: 4096, numAttentionHeads: 64, intermediateSize: 16_384 },
} as const satisfies Presets<typeof fields>;

/** Without sharing, or with that of one part, files have a group for every layer. */
export function completeAlbert(input: AlbertConfigInput): AlbertConfigInput {
  const { sharing = "all", numHiddenLayers = fields.numHiddenLayers.default, numHiddenGroups } = input;
  if (sharing === "all" || numHiddenGroups !== undefined) return input;
  return { ...input, numHiddenGroups: numHiddenLayers };
}

/**
 * A whole, checked ALBERT configuration.
 * @param input settings that differ from ALBERT-base; `preset` fills layers, hidden size and heads
 * @throws {ConfigError} all problems together
 * @source Lan et al. 2020 §3.1 and Table 1, arXiv:1909.11942; no dropout: §4.9 and version 2 of the authors' models
 */
export function albertConfig(input: AlbertConfigInput & { readonly preset?: string | undefined } = {}): AlbertConfig {
  const family = { name: "albert", table: albertConfigTable, presets: albertPresets, complete: completeAlbert };
  return configure(family, input);
}
