/** @file What the section `search` of a fine-tuning recipe may say; the command's options have the same names. */
import {
  type ConfigOf,
  choiceField,
  defineFields,
  integerField,
  nullableField,
  numberField,
} from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";
import { parseDimension, type SearchSpace, type StopRule } from "../../selection/index.ts";
import { Problems, type Section } from "./problems.ts";

/** Settings that are options as they stand. */
export const searchFields = defineFields({
  method: choiceField(["random", "grid"], { default: "random", doc: "Draws, or all combinations." }),
  maxTrials: nullableField(integerField({ min: 1, doc: "Most settings that are tried." })),
  maxMinutes: nullableField(
    numberField({ min: 0, doc: "No run begins after so much computing, earlier starts included." }),
  ),
  drawSeed: integerField({ default: 0, min: 0, doc: "Of the draws." }),
  folds: nullableField(
    integerField({ min: 2, doc: "Each setting is measured on so many folds of data.train in turn, not on data.eval." }),
  ),
  stop: choiceField(["none", "median", "halving"], {
    default: "none",
    doc: "Ends poor trials: those worse than the median of earlier ones, or all but the best at each stage.",
  }),
  minTrials: integerField({ default: 3, min: 1, doc: "median: earlier trials that must have come as far." }),
  factor: numberField({ default: 3, min: 1.1, doc: "halving: one in so many goes on, for so many times the steps." }),
  keep: choiceField(["best", "all"], { default: "best", doc: "Whose models and checkpoints stay." }),
});

const searchTable = defineConfig({ name: "search", fields: searchFields });

/** A whole, checked section. */
export interface SearchRecipe extends ConfigOf<typeof searchFields> {
  readonly space: SearchSpace;
}

/**
 * Checks the section of a search.
 * @throws {ConfigError} all problems together
 */
export function checkSearchRecipe(section: Section, where: string): SearchRecipe {
  const problems = new Problems();
  const { space: given, ...settings } = section;
  const resolved = problems.resolve("search", searchTable, settings);
  const space: Record<string, ReturnType<typeof parseDimension>> = {};
  for (const [name, value] of Object.entries(problems.section("search.space", given) ?? {})) {
    const dimension = parseDimension(value);
    if ("rule" in dimension) problems.add(`search.space.${name}`, dimension.rule, "SEARCH_SPACE");
    else space[name] = dimension;
  }
  if (given === undefined) {
    const message = "must be given, or --try: settings by name, as train.learningRate: logUniform(1e-5, 1e-3).";
    problems.add("search.space", message, "SEARCH_SPACE");
  }
  problems.raise(where);
  return { ...resolved!, space: space as SearchSpace };
}

/** The rule that ends poor trials. */
export function stopRule({ stop, minTrials, factor }: SearchRecipe): StopRule {
  if (stop === "median") return { kind: "median", minTrials };
  return stop === "halving" ? { kind: "halving", factor } : { kind: "none" };
}
