/** @file `firth search`: the best settings of a fine-tuning. */
import type { Command } from "commander";
import { ConfigError } from "../../base/errors.ts";
import { searchText } from "../../selection/index.ts";
import { type Given, runs } from "../define-command.ts";
import { addFieldOptions, fieldValues } from "../field-option.ts";
import { table } from "../number-text.ts";
import { isSection, type Section } from "../recipe/problems.ts";
import { parseOverride } from "../recipe/read-recipe.ts";
import { addRecipeOptions, givenRecipe } from "../recipe/recipe-options.ts";
import { runSearch } from "../recipe/run-search.ts";
import { checkSearchRecipe, searchFields } from "../recipe/search-recipe.ts";
import { parseSeeds } from "./seed-option.ts";

const collect = (text: string, before: readonly string[] | undefined): readonly string[] => [...(before ?? []), text];

/** The recipe's section `search` with the command line's settings in it. */
function searchSection(section: unknown, given: Given, where: string): Section {
  if (section !== undefined && section !== null && !isSection(section)) {
    throw new ConfigError(where, [{ path: "search", message: "must be a section of settings.", code: "CONFIG_VALUE" }]);
  }
  const own = isSection(section) ? section : {};
  const tried = Object.fromEntries(((given.try as readonly string[] | undefined) ?? []).map(parseOverride));
  const hasSpace = own.space !== undefined || Object.keys(tried).length > 0;
  const space = hasSpace ? { space: { ...(isSection(own.space) ? own.space : {}), ...tried } } : {};
  return { ...own, ...fieldValues(given, searchFields), ...space };
}

/** `firth search RECIPE`. */
export function searchCommand(command: Command): Command {
  addRecipeOptions(
    command.description(
      "try settings of a fine-tuning recipe, and tell which are best on held-out data; can be gone on with",
    ),
  )
    .option(
      "--try <path=values>",
      "what a setting may be, as train.batchSize=[16,32] or train.learningRate=logUniform(1e-5,1e-3); may be repeated",
      collect,
    )
    .option("--seeds <list>", "each setting with each of these, as 1,2,3", parseSeeds);
  addFieldOptions(command, searchFields);
  return runs(command, async (session, given, [path]) => {
    const { search: own, ...recipe } = await givenRecipe(path!, given, "finetune");
    const settings = checkSearchRecipe(searchSection(own, given, path!), path!);
    const section = { ...recipe, ...(given.seeds === undefined ? {} : { seeds: given.seeds }) };
    const { result, bestRecipe, model } = await runSearch(session, section, settings, path!);
    const { best, trials, planned, end, seconds, selection, figure } = result;
    const where: [string, string][] = [
      ...(bestRecipe === undefined
        ? []
        : [["recipe of the best", `${bestRecipe} (firth finetune runs it)`] as [string, string]]),
      ...(model === undefined ? [] : [["its model", model] as [string, string]]),
    ];
    const text = `${searchText(result)}${where.length === 0 ? "" : `\n${table(where)}`}`;
    const told = { figure, best: best ?? null, bestRecipe: bestRecipe ?? null, model: model ?? null };
    session.result({ ...told, planned, end, seconds, selection, trials }, text.trimEnd());
  });
}
