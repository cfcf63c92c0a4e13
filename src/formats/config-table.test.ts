import { existsSync } from "node:fs";
import { expect, expectTypeOf, it } from "vitest";
import { ConfigError } from "../base/errors.ts";
import {
  booleanField,
  type ConfigInput,
  type ConfigOf,
  choiceField,
  defineFields,
  integerField,
  listField,
  nullableField,
  numberField,
  probabilityField,
  textField,
} from "./config-fields.ts";
import { defineConfig } from "./config-table.ts";
import { readJsonObject } from "./json-file.ts";

const fields = defineFields({
  vocabSize: integerField({ min: 1, doc: "Entries of the vocabulary." }),
  hiddenSize: integerField({ jsonKey: "hidden_size", default: 768, min: 1, doc: "Width." }),
  numAttentionHeads: integerField({ aliases: ["n_head"], default: 12, min: 1, doc: "Heads a layer." }),
  hiddenAct: choiceField(["gelu", "relu"], { default: "gelu", doc: "Activation." }),
  hiddenDropoutProb: probabilityField({ default: 0.1, doc: "Dropout." }),
  layerNormEps: numberField({ default: 1e-12, min: 0, doc: "Added to the variance." }),
  classifierDropout: nullableField(probabilityField({ doc: "Dropout before the head; null: as hidden." })),
  tieWordEmbeddings: booleanField({ default: true, doc: "Output layer shares the embedding." }),
  filterWidths: listField(integerField({ min: 1, doc: "" }), { default: [1, 2], doc: "Widths | characters." }),
  note: textField({ default: "", doc: "Free text." }),
});
const toy = defineConfig({
  name: "toy",
  fields,
  rules: ({ hiddenSize, numAttentionHeads }) =>
    hiddenSize % numAttentionHeads === 0
      ? []
      : [
          {
            path: "numAttentionHeads",
            message: `must divide hiddenSize; got ${numAttentionHeads} and ${hiddenSize}.`,
            code: "CONFIG_INDIVISIBLE",
          },
        ],
});

function issuesOf(work: () => unknown): readonly string[] {
  try {
    work();
  } catch (error) {
    if (error instanceof ConfigError)
      return error.issues.map((issue) => `${issue.code} ${issue.path}: ${issue.message}`);
    throw error;
  }
  return [];
}

it("infers the exact type of each setting, and which may be left out", () => {
  type Config = ConfigOf<typeof fields>;
  expectTypeOf<Config["hiddenAct"]>().toEqualTypeOf<"gelu" | "relu">();
  expectTypeOf<Config["hiddenSize"]>().toEqualTypeOf<number>();
  expectTypeOf<Config["classifierDropout"]>().toEqualTypeOf<number | null>();
  expectTypeOf<Config["filterWidths"]>().toEqualTypeOf<readonly number[]>();
  expectTypeOf<{ vocabSize: number }>().toExtend<ConfigInput<typeof fields>>();
  expectTypeOf<{ hiddenSize: number }>().not.toExtend<ConfigInput<typeof fields>>();
  expectTypeOf<{ vocabSize: number; hiddenAct: "tanh" }>().not.toExtend<ConfigInput<typeof fields>>();
});

it("fills defaults into a frozen object; an explicit undefined counts as left out", () => {
  const config = toy.resolve({ vocabSize: 10, hiddenSize: undefined });
  expect(config).toEqual({
    vocabSize: 10,
    hiddenSize: 768,
    numAttentionHeads: 12,
    hiddenAct: "gelu",
    hiddenDropoutProb: 0.1,
    layerNormEps: 1e-12,
    classifierDropout: null,
    tieWordEmbeddings: true,
    filterWidths: [1, 2],
    note: "",
  });
  expect(Object.isFrozen(config) && Object.isFrozen(config.filterWidths)).toBe(true);
});

it("reports all problems together, unknown keys with the nearest name (also when given in JSON spelling)", () => {
  const input = {
    hidenSize: 64,
    num_attention_heads: 2,
    hiddenAct: "tanh",
    hiddenDropoutProb: 1.5,
    layerNormEps: Number.NaN,
    filterWidths: [3, 0],
  };
  expect(issuesOf(() => toy.resolve(input as unknown as ConfigInput<typeof fields>))).toEqual([
    "CONFIG_UNKNOWN_KEY hidenSize: is not a setting. Did you mean hiddenSize?",
    "CONFIG_UNKNOWN_KEY num_attention_heads: is not a setting. Did you mean numAttentionHeads?",
    "CONFIG_MISSING vocabSize: must be given (integer ≥ 1). Entries of the vocabulary.",
    'CONFIG_VALUE hiddenAct: must be one of "gelu", "relu"; got "tanh".',
    "CONFIG_VALUE hiddenDropoutProb: must be a probability in [0, 1]; got 1.5.",
    "CONFIG_VALUE layerNormEps: must be a number ≥ 0; got NaN.",
    "CONFIG_VALUE filterWidths: item 1 must be an integer ≥ 1; got 0.",
  ]);
});

it("applies rules across settings, under the key of the file where it came from", () => {
  expect(issuesOf(() => toy.resolve({ vocabSize: 1, hiddenSize: 512, numAttentionHeads: 6 }))).toEqual([
    "CONFIG_INDIVISIBLE numAttentionHeads: must divide hiddenSize; got 6 and 512.",
  ]);
  expect(issuesOf(() => toy.parse({ vocab_size: 1, hidden_size: 512, n_head: 6 }, "config.json"))).toEqual([
    "CONFIG_INDIVISIBLE num_attention_heads: must divide hiddenSize; got 6 and 512.",
  ]);
});

it("keeps unknown keys of a config.json, says so in one sentence, and writes everything back", () => {
  const json = {
    architectures: ["ToyForSequenceClassification"],
    classifier_dropout: 0.2,
    filter_widths: [3],
    future: { deep: [1, null] },
    hidden_act: "relu",
    hidden_dropout_prob: 0,
    hidden_size: 8,
    id2label: {
      "0": "no",
      "1": "yes",
      "10": "k",
      "2": "c",
      "3": "d",
      "4": "e",
      "5": "f",
      "6": "g",
      "7": "h",
      "8": "i",
      "9": "j",
    },
    label2id: { no: 0, yes: 1, k: 10, c: 2, d: 3, e: 4, f: 5, g: 6, h: 7, i: 8, j: 9 },
    layer_norm_eps: 1e-5,
    model_type: "toy",
    note: "ü",
    num_attention_heads: 2,
    pad_token_id: null,
    tie_word_embeddings: false,
    vocab_size: 5,
  };
  const { config, notice, ...extras } = toy.parse(json, "config.json");
  expect(extras.labels?.[10]).toBe("k");
  expect(notice).toBe("config.json: not used by toy, kept as they are: future, pad_token_id.");
  const written = toy.serialize(config, extras);
  expect(written).toEqual(json);
  expect(Object.keys(written)).toEqual(Object.keys(json));
});

it.each([
  [{ model_type: "gpt2" }, "CONFIG_MODEL_TYPE model_type"],
  [{ id2label: { "0": "a", "2": "b" } }, "CONFIG_LABELS id2label"],
  [{ id2label: { "0": "a", "1": "b" }, label2id: { a: 1, b: 0 } }, "CONFIG_LABELS label2id"],
  [{ architectures: "Toy" }, "CONFIG_VALUE architectures"],
  [{ num_attention_heads: 2, n_head: 4 }, "CONFIG_AMBIGUOUS n_head"],
  [{ hidden_size: "768" }, "CONFIG_VALUE hidden_size"],
  [{ hidden_size: null }, "CONFIG_VALUE hidden_size"],
])("refuses %j", (part, says) => {
  expect(issuesOf(() => toy.parse({ vocab_size: 5, ...part }, "config.json")).join("\n")).toContain(says);
});

it("refuses a table that contradicts itself: shared keys, a default outside its range", () => {
  const width = integerField({ jsonKey: "width", default: 1, doc: "" });
  expect(() => defineFields({ a: width, b: width })).toThrow("a and b both have the JSON key width");
  expect(() => defineFields({ a: integerField({ default: 0, min: 1, doc: "" }) })).toThrow("default of a must be");
});

const published = new URL("../../../shared/models/bert-base-uncased/config.json", import.meta.url);
it.skipIf(!existsSync(published))("round-trips a published config.json (../shared/models is there)", async () => {
  const json = await readJsonObject(published.pathname);
  const bert = defineConfig({ name: "bert", fields: defineFields({ hiddenSize: integerField({ doc: "" }) }) });
  const { config, ...extras } = bert.parse(json, "config.json");
  expect(config).toEqual({ hiddenSize: 768 });
  expect(bert.serialize(config, extras)).toEqual(json);
});
