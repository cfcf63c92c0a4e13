/** @file What the commands that take a recipe have in common. */
import type { Command } from "commander";
import { ConfigError } from "../../base/errors.ts";
import { showValue } from "../../formats/config-fields.ts";
import type { Given } from "../define-command.ts";
import type { Section } from "./problems.ts";
import { applyOverrides, type Override, parseOverride, readRecipe } from "./read-recipe.ts";

/** Adds the recipe and what may replace its settings. */
export function addRecipeOptions(command: Command): Command {
  return command
    .argument("<recipe>", "YAML file; its paths are relative to the working folder")
    .option("--set <path=value>", "replace a setting, as train.learningRate=1e-4; may be repeated", collect)
    .option("--output-dir <folder>", "the run's folder (outputDir)")
    .option("--engine <name>", "engine.name")
    .option("--dtype <name>", "engine.dtype")
    .option("--threads <number>", "engine.threads", Number);
}

function collect(text: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), text];
}

/**
 * The recipe of a command, with the command line's settings in it.
 * @throws {ConfigError} CONFIG_KIND when it is for another command
 */
export async function givenRecipe(path: string, given: Given, kind: string): Promise<Section> {
  const recipe = await readRecipe(path);
  if (recipe.kind !== kind) {
    const message = `must be ${kind} for this command; got ${showValue(recipe.kind)}.`;
    throw new ConfigError(path, [{ path: "kind", message, code: "CONFIG_KIND" }]);
  }
  const overrides: Override[] = ((given.set as readonly string[] | undefined) ?? []).map(parseOverride);
  const shortcuts = {
    outputDir: given.outputDir,
    "engine.name": given.engine,
    "engine.dtype": given.dtype,
    "engine.threads": given.threads,
  };
  for (const [key, value] of Object.entries(shortcuts)) if (value !== undefined) overrides.push([key, value]);
  return applyOverrides(recipe, overrides);
}
