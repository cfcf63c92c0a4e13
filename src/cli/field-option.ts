/** @file Options made from the same tables of settings that recipes are checked with. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { parse } from "yaml";
import type { ConfigField, ConfigFields } from "../formats/config-fields.ts";
import type { JsonValue } from "../formats/json-text.ts";
import type { Given } from "./define-command.ts";

const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** A word of the command line as a value: a number where the setting takes numbers, a text where it takes texts. */
export function parseWord(word: string): JsonValue {
  if (!/^(true|false|null|[-+]?[\d.].*)$/.test(word)) return word;
  const value: unknown = parse(word);
  return typeof value === "number" || typeof value === "boolean" || value === null ? value : word;
}

/** Commander makes an empty text of null. */
const NULL = Symbol("null");

function checked(field: ConfigField<JsonValue>, value: JsonValue, word: JsonValue): JsonValue {
  const first = field.check(value);
  if ("value" in first) return first.value;
  const second = field.check(word);
  if ("value" in second) return second.value;
  throw new InvalidArgumentError(first.rule);
}

/** An option with a value. Commander takes every name that begins with "no" for the opposite of another option. */
function valued(flags: string, doc: string): Option {
  const option = new Option(flags, doc);
  option.negate = false;
  return option;
}

function optionsOf(name: string, field: ConfigField<JsonValue>): Option[] {
  const flag = kebab(name);
  const byDefault = field.default === undefined || field.default === null ? "" : ` (${JSON.stringify(field.default)})`;
  const doc = `${field.doc}${byDefault}`;
  if (field.kind.startsWith("true or false")) {
    return [new Option(`--${flag}`, doc), new Option(`--no-${flag}`, "the opposite").hideHelp(field.default === false)];
  }
  if (field.kind.startsWith("list of")) {
    return [
      valued(`--${flag} <items...>`, doc).argParser((word: string, before: unknown) => {
        const earlier = Array.isArray(before) ? (before as JsonValue[]) : [];
        return checked(field, [...earlier, parseWord(word)], [...earlier, word]);
      }),
    ];
  }
  const choices = /^one of (.*?)( or null)?$/.exec(field.kind)?.[1];
  const placeholder = choices === undefined ? "value" : choices.replaceAll('"', "").replaceAll(", ", "|");
  const read = (word: string) => checked(field, parseWord(word), word) ?? NULL;
  return [valued(`--${flag} <${placeholder}>`, doc).argParser(read)];
}

/** Adds one option for every setting of a table (`--vocab-size` for `vocabSize`). */
export function addFieldOptions(command: Command, fields: ConfigFields, skip: readonly string[] = []): Command {
  for (const [name, field] of Object.entries(fields)) {
    if (skip.includes(name)) continue;
    for (const option of optionsOf(name, field)) {
      // A "--no-x" would otherwise make x true where it is not given at all.
      command.addOption(option.negate ? option.default(undefined) : option);
    }
  }
  return command;
}

/** The settings among the options that were given. */
export function fieldValues(given: Given, fields: ConfigFields): Record<string, JsonValue> {
  return Object.fromEntries(
    Object.keys(fields)
      .filter((name) => given[name] !== undefined)
      .map((name) => [name, given[name] === NULL ? null : (given[name] as JsonValue)]),
  );
}
