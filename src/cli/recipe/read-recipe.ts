import { readFile } from "node:fs/promises";
import { parseDocument, parse as parseYaml } from "yaml";
import { ConfigError, DataError } from "../../base/errors.ts";
import { isSection, type Section } from "./problems.ts";

/** A setting given on the command line: its dotted path, and its value as YAML. */
export type Override = readonly [path: string, value: unknown];

/**
 * Takes `train.learningRate=1e-4` apart.
 * @throws {ConfigError} SET_MALFORMED
 */
export function parseOverride(text: string): Override {
  const at = text.indexOf("=");
  const path = text.slice(0, at).trim();
  const malformed = (message: string) => new ConfigError("--set", [{ path: text, message, code: "SET_MALFORMED" }]);
  if (at < 1 || !/^[\w-]+(\.[\w-]+)*$/.test(path)) throw malformed("must be path=value, as train.learningRate=1e-4.");
  try {
    return [path, parseYaml(text.slice(at + 1))];
  } catch (cause) {
    throw malformed(`the value is not YAML: ${(cause as Error).message.split("\n")[0]}.`);
  }
}

/** The same recipe with one setting replaced; sections on the way are made where they are missing. */
function withOverride(section: Section, keys: readonly string[], value: unknown): Section {
  const [key, ...rest] = keys;
  if (rest.length === 0) return { ...section, [key!]: value };
  const inner = section[key!];
  return { ...section, [key!]: withOverride(isSection(inner) ? inner : {}, rest, value) };
}

/** Applies settings of the command line in their order. */
export function applyOverrides(recipe: Section, overrides: readonly Override[]): Section {
  return overrides.reduce((changed, [path, value]) => withOverride(changed, path.split("."), value), recipe);
}

/**
 * Reads a YAML file of settings.
 * @throws {DataError} FILE_MISSING, FILE_UNREADABLE
 * @throws {ConfigError} RECIPE_MALFORMED with line and column
 */
export async function readRecipe(path: string): Promise<Section> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    const isMissing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    throw new DataError(
      isMissing
        ? "no such file. Check the name and the working folder."
        : `cannot be read: ${(cause as Error).message}.`,
      { code: isMissing ? "FILE_MISSING" : "FILE_UNREADABLE", path, cause },
    );
  }
  const document = parseDocument(text);
  const [error] = document.errors;
  const issue = (message: string) => new ConfigError(path, [{ path: "recipe", message, code: "RECIPE_MALFORMED" }]);
  // The library's message already names line and column, and then draws the place.
  if (error !== undefined) throw issue(`is not YAML: ${error.message.split("\n")[0]!.replace(/:$/, "")}.`);
  const value: unknown = document.toJS();
  if (!isSection(value)) throw issue("must be a section of settings, such as model: and train:.");
  return value;
}
