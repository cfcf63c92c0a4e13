/** @file What a pre-training recipe may say; all of it is checked before anything is done. */
import type { ConfigIssue } from "../../base/errors.ts";
import {
  booleanField,
  type ConfigOf,
  choiceField,
  defineFields,
  integerField,
  nullableField,
  numberField,
  probabilityField,
  showValue,
  textField,
} from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";
import { type BertConfigInput, bertConfig, bertConfigTable } from "../../models/bert/config.ts";
import { type TrainOptions, trainOptionsTable } from "../../train/options.ts";
import { corpusFields } from "../settings/corpus.ts";
import { type EngineSettings, engineTable } from "../settings/engine.ts";
import { type TokenizerSettings, tokenizerTable } from "../settings/tokenizer.ts";
import { pathsField } from "./path-field.ts";
import { isSection, Problems, type Section } from "./problems.ts";

const dataTable = defineConfig({
  name: "data",
  fields: defineFields({
    input: nullableField(pathsField("Text to learn from: files, tables, folders, patterns.")),
    evalInput: nullableField(pathsField("Held-out text.")),
    evalFraction: nullableField(
      numberField({ doc: "Share of the documents of input that is held out.", min: 0, max: 0.5 }),
    ),
    splitSeed: integerField({ default: 0, min: 0, doc: "Another seed holds out other documents." }),
    corpus: nullableField(textField({ doc: "A prepared corpus instead of input." })),
    evalCorpus: nullableField(textField({ doc: "A prepared corpus of held-out text." })),
    ...corpusFields,
  }),
  rules: ({ input, corpus, evalInput, evalFraction, evalCorpus }) => {
    const issues: ConfigIssue[] = [];
    if ((input === null) === (corpus === null)) {
      issues.push({
        path: "input",
        message: input === null ? "must be given, or corpus." : "must be left out where corpus is given.",
        code: input === null ? "CONFIG_MISSING" : "CONFIG_AMBIGUOUS",
      });
    }
    if ([evalInput, evalFraction, evalCorpus].filter((value) => value !== null).length > 1) {
      const message = "only one of evalInput, evalFraction and evalCorpus can be given.";
      issues.push({ path: "evalInput", message, code: "CONFIG_AMBIGUOUS" });
    }
    if (evalFraction !== null && input === null) {
      const message = "divides text; give evalCorpus with corpus.";
      issues.push({ path: "evalFraction", message, code: "CONFIG_AMBIGUOUS" });
    }
    if (evalFraction === 0) {
      issues.push({ path: "evalFraction", message: "must be above 0; leave it out.", code: "CONFIG_RANGE" });
    }
    return issues;
  },
});

const objectiveTable = defineConfig({
  name: "objective",
  fields: defineFields({
    name: choiceField(["maskedLanguageModeling"], { default: "maskedLanguageModeling", doc: "What is learned." }),
    maxSeqLength: integerField({ default: 128, min: 8, doc: "Tokens in a row, special tokens included." }),
    maskProbability: probabilityField({ default: 0.15, doc: "Share of the tokens that is predicted." }),
    unit: choiceField(["token", "wholeWord", "ngram"], { default: "token", doc: "What is masked together." }),
    maxNgram: integerField({ default: 3, min: 1, doc: "Longest n-gram with unit ngram." }),
    maxPredictionsPerSequence: nullableField(integerField({ min: 1, doc: "Most predicted tokens in a row." })),
    maskTokenProbability: probabilityField({ default: 0.8, doc: "Share of these that becomes [MASK]." }),
    randomTokenProbability: probabilityField({ default: 0.1, doc: "Share that becomes a random token." }),
    masking: choiceField(["dynamic", "static"], { default: "dynamic", doc: "Masks anew every epoch, or once." }),
    pair: choiceField(["none", "nextSentence", "sentenceOrder"], { default: "none", doc: "How two segments relate." }),
    packed: booleanField({ default: true, doc: "Put several short sequences into one row." }),
    shortSequenceProbability: probabilityField({ default: 0.1, doc: "Share of the examples cut short at random." }),
  }),
  rules: ({ maskProbability, maskTokenProbability, randomTokenProbability }) => [
    ...(maskProbability > 0 && maskProbability < 1
      ? []
      : [{ path: "maskProbability", message: `must lie in (0, 1); got ${maskProbability}.`, code: "CONFIG_RANGE" }]),
    ...(maskTokenProbability + randomTokenProbability <= 1
      ? []
      : [
          {
            path: "maskTokenProbability",
            message: `and randomTokenProbability must sum to at most 1; got ${maskTokenProbability} and ${randomTokenProbability}.`,
            code: "CONFIG_RANGE",
          },
        ]),
  ],
});

/** A new network of a family, or one to go on with. */
export type ModelSettings =
  | { readonly from: string }
  | ({ readonly family: "bert"; readonly preset: string | null } & BertConfigInput);

/** Where the tokenizer is, or how to learn one. */
export type TokenizerChoice = string | { readonly train: TokenizerSettings };

/** A whole, checked recipe; written as YAML it is a recipe again. */
export interface PretrainRecipe {
  readonly kind: "pretrain";
  readonly outputDir: string;
  readonly model: ModelSettings;
  readonly tokenizer: TokenizerChoice;
  readonly data: ConfigOf<typeof dataTable.fields>;
  readonly objective: ConfigOf<typeof objectiveTable.fields>;
  readonly train: TrainOptions;
  readonly engine: EngineSettings;
}

const families = ["bert"];

function checkModel(problems: Problems, value: unknown): ModelSettings | undefined {
  const section = problems.section("model", value);
  if (section === undefined) return undefined;
  const { from, family, preset, ...settings } = section;
  if (from !== undefined) {
    if (typeof from !== "string") {
      problems.add("model.from", `must be a model's folder; got ${showValue(from)}.`, "CONFIG_VALUE");
    }
    for (const key of Object.keys(section).filter((name) => name !== "from")) {
      problems.add(`model.${key}`, "must be left out where from is given: that model has its own.", "CONFIG_AMBIGUOUS");
    }
    return typeof from === "string" ? { from } : undefined;
  }
  const known = family === undefined || families.includes(family as string);
  if (!known) {
    const message = `must be one of ${families.join(", ")}; got ${showValue(family)}.`;
    problems.add("model.family", message, "CONFIG_UNKNOWN_VALUE");
    return undefined;
  }
  const isText = preset === undefined || preset === null || typeof preset === "string";
  const name = isText ? (preset ?? null) : String(preset);
  const size = name === null ? {} : problems.collect("model", () => bertConfig({ preset: name }));
  problems.knownKeys("model", section, ["from", "family", "preset", ...Object.keys(bertConfigTable.fields)]);
  const own = Object.fromEntries(Object.entries(settings).filter(([key]) => key in bertConfigTable.fields));
  // The size's settings take part in the rules between settings; those of the vocabulary come with the tokenizer.
  problems.collect("model", () =>
    bertConfig({ ...(size === undefined || name === null ? {} : { preset: name }), ...own }),
  );
  return { family: "bert", preset: name, ...own };
}

function checkTokenizer(problems: Problems, value: unknown, hasText: boolean): TokenizerChoice | undefined {
  if (typeof value === "string") return value;
  if (!isSection(value)) {
    const message = "must be a tokenizer's folder, or train: with the settings of a new one.";
    problems.add("tokenizer", message, value === undefined ? "CONFIG_MISSING" : "CONFIG_VALUE");
    return undefined;
  }
  problems.knownKeys("tokenizer", value, ["train"]);
  const train = problems.resolve("tokenizer.train", tokenizerTable, value.train);
  if (!hasText) {
    const message = "learns from text; name the tokenizer that made the corpus instead.";
    problems.add("tokenizer.train", message, "CONFIG_AMBIGUOUS");
  }
  return train && { train };
}

/** Rows must not be longer than the network's positions; told also where other settings of the sections are wrong. */
function checkLength(problems: Problems, model: unknown, objective: unknown): void {
  if (isSection(model) && model.from !== undefined) return;
  const length = isSection(objective) ? objective.maxSeqLength : undefined;
  const given = isSection(model) ? model.maxPositionEmbeddings : undefined;
  const positions = given ?? bertConfigTable.fields.maxPositionEmbeddings.default;
  if (typeof length !== "number" || typeof positions !== "number" || length <= positions) return;
  const message = `must be at most model.maxPositionEmbeddings; got ${length} and ${positions}.`;
  problems.add("objective.maxSeqLength", message, "SEQUENCE_TOO_LONG");
}

/**
 * Checks a recipe as a whole.
 * @param where what messages call it
 * @throws {ConfigError} all problems of all sections together, with their dotted paths
 */
export function checkPretrainRecipe(recipe: Section, where: string): PretrainRecipe {
  const problems = new Problems();
  const keys = ["kind", "outputDir", "model", "tokenizer", "data", "objective", "train", "engine"];
  problems.knownKeys("", recipe, keys);
  const { outputDir } = recipe;
  if (typeof outputDir !== "string" || outputDir === "") {
    problems.add("outputDir", "must be given: a folder for the run (or --output-dir).", "CONFIG_MISSING");
  }
  const model = checkModel(problems, recipe.model);
  const data = problems.resolve("data", dataTable, recipe.data);
  const hasText = !(isSection(recipe.data) && typeof recipe.data.corpus === "string");
  const tokenizer = checkTokenizer(problems, recipe.tokenizer, hasText);
  const objective = problems.resolve("objective", objectiveTable, recipe.objective);
  const train = problems.resolve("train", trainOptionsTable, recipe.train);
  const engine = problems.resolve("engine", engineTable, recipe.engine);
  checkLength(problems, recipe.model, recipe.objective);
  problems.raise(where);
  return {
    kind: "pretrain",
    outputDir: outputDir as string,
    model: model!,
    tokenizer: tokenizer!,
    data: data!,
    objective: objective!,
    train: train!,
    engine: engine!,
  };
}
