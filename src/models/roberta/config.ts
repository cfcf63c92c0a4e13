import {
  type ConfigInput,
  type ConfigOf,
  defineFields,
  integerField,
  nullableField,
  numberField,
} from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";
import { bertFields, bertPresets, bertRules } from "../bert/config.ts";
import { configure } from "../configure.ts";

const fields = defineFields({
  ...bertFields,
  vocabSize: integerField({ default: 50_265, min: 1, doc: "Rows of the word embedding." }),
  maxPositionEmbeddings: integerField({
    default: 514,
    min: 1,
    doc: "Rows of the position table: those of the longest sequence, and padTokenId + 1 before them.",
  }),
  typeVocabSize: integerField({
    default: 1,
    min: 1,
    doc: "Segment kinds; RoBERTa tells segments apart by separators alone.",
  }),
  layerNormEps: numberField({ default: 1e-5, min: 0, doc: "Added to the variance in LayerNorm." }),
  padTokenId: integerField({ default: 1, min: 0, doc: "Id of <pad>; positions are counted from the row behind it." }),
  bosTokenId: nullableField(integerField({ default: 0, min: 0, doc: "Id of <s>." })),
  eosTokenId: nullableField(integerField({ default: 2, min: 0, doc: "Id of </s>." })),
});

export type RobertaConfig = ConfigOf<typeof fields>;
export type RobertaConfigInput = ConfigInput<typeof fields>;

/** Rows of the position table that no token has. */
export function positionOffset({ padTokenId }: Pick<RobertaConfig, "padTokenId">): number {
  return padTokenId + 1;
}

/** Longest sequence, in tokens. */
export function usablePositions(config: Pick<RobertaConfig, "padTokenId" | "maxPositionEmbeddings">): number {
  return config.maxPositionEmbeddings - positionOffset(config);
}

export const robertaConfigTable = defineConfig({
  name: "roberta",
  fields,
  rules: (config) => {
    const least = positionOffset(config) + 1;
    const message = `must be at least padTokenId + 2, ${least}; got ${config.maxPositionEmbeddings}. Add the longest sequence to padTokenId + 1.`;
    return [
      ...bertRules(config),
      ...(usablePositions(config) > 0 ? [] : [{ path: "maxPositionEmbeddings", message, code: "CONFIG_RANGE" }]),
    ];
  },
});

/** `base` and `large` are the published sizes; the small ones are BERT's. */
export const robertaPresets = bertPresets satisfies Readonly<Record<string, RobertaConfigInput>>;

/**
 * A whole, checked RoBERTa configuration.
 * @param input settings that differ from RoBERTa-base; `preset` fills layers, hidden size and heads
 * @throws {ConfigError} all problems together
 * @source Liu et al. 2019, appendix A, arXiv:1907.11692
 */
export function robertaConfig(
  input: RobertaConfigInput & { readonly preset?: string | undefined } = {},
): RobertaConfig {
  return configure({ name: "roberta", table: robertaConfigTable, presets: robertaPresets }, input);
}
