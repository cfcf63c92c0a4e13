/** @file What may be asked of generation; names, defaults and meaning are those of transformers unless a setting says otherwise. */
import type { ConfigIssue } from "../base/errors.ts";
import {
  booleanField,
  type ConfigField,
  type ConfigInput,
  type ConfigOf,
  defineFields,
  integerField,
  jsonKeyOf,
  listField,
  nullableField,
  numberField,
  showValue,
  textField,
} from "../formats/config-fields.ts";
import { defineConfig } from "../formats/config-table.ts";
import type { JsonObject } from "../formats/json-text.ts";

/** When a beam search ends, see `earlyStopping`. */
export type EarlyStopping = boolean | "never";

const earlyStopping: ConfigField<EarlyStopping, false> = {
  kind: 'one of "true", "false", "never"',
  jsonKey: undefined,
  aliases: [],
  needed: false,
  default: false,
  doc: "Beam search ends: true: when there are numBeams finished texts; false: when none is likely to become better; never: when none can.",
  check: (value) =>
    typeof value === "boolean" || value === "never"
      ? { value }
      : { rule: `must be true, false or "never"; got ${showValue(value)}.` },
};

/** `config.json` has one id or a list. */
const tokenIds = listField(integerField({ min: 0, doc: "Id." }), { default: [], doc: "Ids." });
const eosTokenIds: ConfigField<readonly number[] | null, false> = {
  ...nullableField(tokenIds),
  kind: "list of integer ≥ 0 or null",
  jsonKey: "eos_token_id",
  default: null,
  doc: "Tokens that end a text; null: the tokenizer's.",
  check: (value) => (value === null ? { value } : tokenIds.check(typeof value === "number" ? [value] : value)),
};

const tokenId = (doc: string): ConfigField<number | null, false> => nullableField(integerField({ min: 0, doc }));

export const generationFields = defineFields({
  maxNewTokens: integerField({ default: 64, min: 1, doc: "Most tokens that are written." }),
  minNewTokens: integerField({ default: 0, min: 0, doc: "Tokens before which a text does not end." }),
  doSample: booleanField({ default: false, doc: "Draw each token by its probability, instead of the likeliest." }),
  temperature: numberField({ default: 1, min: 0, doc: "Sampling: scores are divided by it; above 0." }),
  topK: nullableField(integerField({ min: 0, doc: "Sampling: only so many of the likeliest tokens; null or 0: all." })),
  topP: numberField({
    default: 1,
    min: 0,
    max: 1,
    doc: "Sampling: only the likeliest tokens with this share; in (0, 1].",
  }),
  repetitionPenalty: numberField({ default: 1, min: 0, doc: "Makes tokens that occurred less likely where above 1." }),
  noRepeatNgramSize: integerField({
    default: 0,
    min: 0,
    doc: "No sequence of so many tokens occurs twice; 0: any may.",
  }),
  seed: integerField({ default: 0, min: 0, doc: "Of the draws; a text's depend on its number and nothing beside it." }),
  numBeams: integerField({ default: 1, min: 1, doc: "Texts that a beam search follows; 1: no such search." }),
  lengthPenalty: numberField({ default: 1, doc: "Beam search: scores are divided by the length to this power." }),
  earlyStopping,
  numReturnSequences: integerField({ default: 1, min: 1, doc: "Texts for each prompt; when sampling or with beams." }),
  stopStrings: listField(textField({ doc: "Text." }), { default: [], doc: "A text ends before the first of these." }),
  eosTokenIds,
  forcedBosTokenId: tokenId("The first token that is written; null: any."),
  forcedEosTokenId: tokenId("The token at maxNewTokens, if the text goes so far; null: any."),
});

/** Settings of generation, whole. */
export type GenerationSettings = ConfigOf<typeof generationFields>;
/** Settings of generation as callers give them. */
export type GenerationInput = ConfigInput<typeof generationFields>;

function rules(settings: GenerationSettings): ConfigIssue[] {
  const { doSample, numBeams, numReturnSequences, temperature, topP, repetitionPenalty } = settings;
  const issues: ConfigIssue[] = [];
  const refuse = (path: string, message: string, code: string): void => {
    issues.push({ path, message, code });
  };
  const positive = (path: string, value: number, fix = ""): void => {
    if (value <= 0) refuse(path, `must be above 0; got ${value}.${fix}`, "CONFIG_RANGE");
  };
  positive("temperature", temperature, " Leave doSample out for the likeliest tokens.");
  positive("topP", topP, " Leave it out for all tokens.");
  positive("repetitionPenalty", repetitionPenalty);
  if (doSample && numBeams > 1) {
    const message = `is for numBeams 1; got ${numBeams} beams. Leave one of the two out.`;
    refuse("doSample", message, "CONFIG_AMBIGUOUS");
  }
  if (numBeams > 1 && numReturnSequences > numBeams) {
    const message = `must be at most numBeams, ${numBeams}; got ${numReturnSequences}.`;
    refuse("numReturnSequences", message, "CONFIG_RANGE");
  }
  if (numBeams === 1 && !doSample && numReturnSequences > 1) {
    const message = `must be 1 where the likeliest tokens are taken; got ${numReturnSequences}. Set doSample or numBeams.`;
    refuse("numReturnSequences", message, "CONFIG_AMBIGUOUS");
  }
  if (settings.minNewTokens > settings.maxNewTokens) {
    const message = `must be at most maxNewTokens, ${settings.maxNewTokens}; got ${settings.minNewTokens}.`;
    refuse("minNewTokens", message, "CONFIG_RANGE");
  }
  if (settings.stopStrings.includes("")) refuse("stopStrings", "must not be empty texts.", "CONFIG_RANGE");
  return issues;
}

/** Reads `generation_config.json` too. */
export const generationTable = defineConfig({ name: "generation", fields: generationFields, rules });

/**
 * Settings of a `generation_config.json` under those that were given; what would do nothing is left out.
 * @throws {ConfigError} all problems together
 */
export function settingsFromFile(json: JsonObject, given: GenerationInput, where: string): GenerationInput {
  const stated = Object.fromEntries(Object.entries(json).filter(([, value]) => value !== null));
  const { config } = generationTable.parse(stated, where);
  const names = Object.keys(generationFields) as (keyof GenerationInput)[];
  const isStated = (name: keyof GenerationInput) => stated[jsonKeyOf(name, generationFields[name])] !== undefined;
  const merged: GenerationInput = {
    ...Object.fromEntries(names.filter(isStated).map((name) => [name, config[name]])),
    ...given,
  };
  const idle = new Set(idleSettings(merged).map(({ path }) => path));
  return Object.fromEntries(
    Object.entries(merged).filter(([name]) => !idle.has(name) || given[name as keyof GenerationInput] !== undefined),
  );
}

/** Settings that only sampling or only beams know, which were given without them. */
export function idleSettings(given: GenerationInput): ConfigIssue[] {
  const idle = (names: readonly (keyof GenerationInput)[], need: string): ConfigIssue[] =>
    names
      .filter((name) => given[name] !== undefined && given[name] !== generationFields[name].default)
      .map((path) => ({
        path,
        message: `does nothing without ${need}; got ${showValue(given[path])}. Set it, or leave this out.`,
        code: "CONFIG_IDLE",
      }));
  return [
    ...(given.doSample === true ? [] : idle(["temperature", "topK", "topP", "seed"], "doSample")),
    ...((given.numBeams ?? 1) > 1 ? [] : idle(["lengthPenalty", "earlyStopping"], "numBeams above 1")),
  ];
}
