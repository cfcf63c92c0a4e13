/** @file What a pre-training recipe may say; all of it is checked before anything is done. */
import type { ConfigIssue } from "../../base/errors.ts";
import {
  type ConfigOf,
  defineFields,
  integerField,
  nullableField,
  numberField,
  showValue,
  textField,
} from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";
import { families } from "../../models/families.ts";
import type { FamilySettings } from "../../models/family.ts";
import { type TrainOptions, trainOptionsTable } from "../../train/options.ts";
import { corpusFields } from "../settings/corpus.ts";
import { type EngineSettings, engineTable } from "../settings/engine.ts";
import { type ObjectiveName, type ObjectiveSettings, objectiveChoices } from "../settings/objective/index.ts";
import { type TokenizerSettings, tokenizerTable, withFamilyPreset } from "../settings/tokenizer.ts";
import { pathsField } from "./path-field.ts";
import { isSection, Problems, type Section } from "./problems.ts";

export const textDataTable = defineConfig({
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

/** A new network of a family, or one to go on with. */
export type ModelSettings =
  | { readonly from: string; readonly family?: undefined }
  | ({ readonly from?: undefined; readonly family: string } & FamilySettings);

/** Where the tokenizer is, or how to learn one. */
export type TokenizerChoice = string | { readonly train: TokenizerSettings };

/** A whole, checked recipe; written as YAML it is a recipe again. */
export interface PretrainRecipe {
  readonly kind: "pretrain";
  readonly outputDir: string;
  readonly model: ModelSettings;
  readonly tokenizer: TokenizerChoice;
  readonly data: ConfigOf<typeof textDataTable.fields>;
  readonly objective: { readonly name: ObjectiveName } & ObjectiveSettings;
  readonly train: TrainOptions;
  readonly engine: EngineSettings;
}

function checkModel(problems: Problems, value: unknown): ModelSettings | undefined {
  const section = problems.section("model", value);
  if (section === undefined) return undefined;
  const { from, family: familyName = "bert", preset, ...settings } = section;
  if (from !== undefined) {
    if (typeof from !== "string") {
      problems.add("model.from", `must be a model's folder; got ${showValue(from)}.`, "CONFIG_VALUE");
    }
    for (const key of Object.keys(section).filter((name) => name !== "from")) {
      problems.add(`model.${key}`, "must be left out where from is given: that model has its own.", "CONFIG_AMBIGUOUS");
    }
    return typeof from === "string" ? { from } : undefined;
  }
  const family = families.find(({ name }) => name === familyName);
  if (family === undefined) {
    const message = `must be one of ${families.map(({ name }) => name).join(", ")}; got ${showValue(familyName)}.`;
    problems.add("model.family", message, "CONFIG_UNKNOWN_VALUE");
    return undefined;
  }
  const isText = preset === undefined || preset === null || typeof preset === "string";
  const name = isText ? (preset ?? null) : String(preset);
  const size = name === null ? {} : problems.collect("model", () => family.configure({ preset: name }));
  problems.knownKeys("model", section, ["from", "family", "preset", ...Object.keys(family.settings)]);
  const own = Object.fromEntries(Object.entries(settings).filter(([key]) => key in family.settings));
  // The size's settings take part in the rules between settings; those of the vocabulary come with the tokenizer.
  problems.collect("model", () => family.configure({ preset: size === undefined ? null : name, ...own }));
  return { family: family.name, preset: name, ...own };
}

function checkObjective(problems: Problems, value: unknown): PretrainRecipe["objective"] | undefined {
  const section = problems.section("objective", value);
  if (section === undefined) return undefined;
  const { name = "maskedLanguageModeling", ...settings } = section;
  const choice = Object.entries(objectiveChoices).find(([key]) => key === name);
  if (choice === undefined) {
    const message = `must be one of ${Object.keys(objectiveChoices).join(", ")}; got ${showValue(name)}.`;
    problems.add("objective.name", message, "CONFIG_UNKNOWN_VALUE");
    return undefined;
  }
  const resolved = problems.resolve("objective", choice[1].table, settings);
  return resolved && ({ name: choice[0], ...resolved } as PretrainRecipe["objective"]);
}

function checkTokenizer(
  problems: Problems,
  value: unknown,
  { family, hasText }: { readonly family: string | undefined; readonly hasText: boolean },
): TokenizerChoice | undefined {
  if (typeof value === "string") return value;
  if (!isSection(value)) {
    const message = "must be a tokenizer's folder, or train: with the settings of a new one.";
    problems.add("tokenizer", message, value === undefined ? "CONFIG_MISSING" : "CONFIG_VALUE");
    return undefined;
  }
  problems.knownKeys("tokenizer", value, ["train"]);
  const train = problems.resolve("tokenizer.train", tokenizerTable, withFamilyPreset(value.train, family));
  if (!hasText) {
    const message = "learns from text; name the tokenizer that made the corpus instead.";
    problems.add("tokenizer.train", message, "CONFIG_AMBIGUOUS");
  }
  return train && { train };
}

/** Rows must not be longer than the network's positions; told also where other settings of the sections are wrong. */
function checkLength(problems: Problems, model: unknown, objective: unknown): void {
  const { from, family: familyName = "bert", maxPositionEmbeddings, preset } = isSection(model) ? model : {};
  const length = isSection(objective) ? objective.maxSeqLength : undefined;
  const family = families.find(({ name }) => name === familyName);
  if (from !== undefined || family === undefined || typeof length !== "number") return;
  const own = maxPositionEmbeddings === undefined ? {} : { maxPositionEmbeddings };
  const quiet = new Problems();
  const sized = typeof preset === "string" ? { preset, ...own } : own;
  const config = quiet.collect("model", () => family.configure(sized));
  if (config === undefined) return;
  const positions = family.facts(config).maxPositionEmbeddings;
  if (length <= positions) return;
  const message = `must be at most the model's maxPositionEmbeddings; got ${length} and ${positions}.`;
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
  const data = problems.resolve("data", textDataTable, recipe.data);
  const hasText = !(isSection(recipe.data) && typeof recipe.data.corpus === "string");
  const tokenizer = checkTokenizer(problems, recipe.tokenizer, { family: model?.family, hasText });
  const objective = checkObjective(problems, recipe.objective);
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
