/** @file What all recipes of fine-tuning say alike: where the run is kept, what it begins with, how often it is repeated. */
import { integerField, listField, showValue } from "../../formats/config-fields.ts";
import type { Problems, Section } from "./problems.ts";

export interface RunPlace {
  readonly outputDir: string;
  readonly model: string;
  readonly tokenizer: string | null;
}

/**
 * Reads `outputDir`, `model` and `tokenizer`; what is wrong is added to the problems.
 * @param modelMeaning what `model` has to be, for the message
 */
export function checkRunPlace(problems: Problems, recipe: Section, modelMeaning: string): RunPlace {
  const text = (key: string, meaning: string): string => {
    const value = recipe[key];
    if (typeof value === "string" && value !== "") return value;
    problems.add(key, `must be given: ${meaning}.`, "CONFIG_MISSING");
    return "";
  };
  const outputDir = text("outputDir", "a folder for the run (or --output-dir)");
  const model = text("model", modelMeaning);
  const { tokenizer = null } = recipe;
  const isFolder = typeof tokenizer === "string";
  if (!isFolder && tokenizer !== null) {
    problems.add("tokenizer", `must be a tokenizer's folder; got ${showValue(tokenizer)}.`, "CONFIG_VALUE");
  }
  return { outputDir, model, tokenizer: isFolder ? tokenizer : null };
}

const seedsField = listField(integerField({ doc: "", min: 0 }), { doc: "Runs with these seeds, one after the other." });

/**
 * Reads `seeds`: one run each.
 * @param usual the seed where none are given
 */
export function checkSeeds(problems: Problems, recipe: Section, usual: number): readonly number[] {
  const seeds = seedsField.check(recipe.seeds ?? [usual]);
  if ("rule" in seeds) {
    problems.add("seeds", seeds.rule, "CONFIG_VALUE");
    return [];
  }
  if (seeds.value.length === 0 || new Set(seeds.value).size < seeds.value.length) {
    problems.add("seeds", `must be different seeds, one at least; got ${showValue(seeds.value)}.`, "CONFIG_VALUE");
  }
  return seeds.value;
}
