/** @file Settings as they are shown to people: by the place in a recipe where they stand. */
import { type ConfigFields, jsonKeyOf } from "../../formats/config-fields.ts";
import type { JsonValue } from "../../formats/json-text.ts";

/** One setting. */
export interface Setting {
  readonly name: string;
  /** What it may be. */
  readonly kind: string;
  /** As JSON; undefined where it must be given. */
  readonly byDefault: string | undefined;
  readonly doc: string;
  /** Its key in a model's `config.json`. */
  readonly fileKey?: string | undefined;
}

/** Settings that stand together. */
export interface SettingGroup {
  /** Where in a recipe, as `transfer.adapter`; empty for the top. */
  readonly path: string;
  /** Of several that may stand there: which, as `kind: lora`. */
  readonly choice?: string | undefined;
  readonly settings: readonly Setting[];
}

/** Groups of one kind of recipe. */
export interface Chapter {
  readonly title: string;
  /** A sentence or two. */
  readonly text: string;
  readonly groups: readonly SettingGroup[];
}

/** A value as YAML has it in one line. */
function valueText(value: JsonValue): string {
  return Array.isArray(value) ? `[${value.map(valueText).join(", ")}]` : JSON.stringify(value);
}

export interface SettingsOfOptions {
  /** Whether the settings stand in a model's `config.json`, too. */
  readonly inFiles?: boolean;
  /** The setting that chooses the group, which the group's title has. */
  readonly chooser?: string;
}

/** The settings of a table, in its order. */
export function settingsOf(fields: ConfigFields, { inFiles = false, chooser }: SettingsOfOptions = {}): Setting[] {
  const shown = Object.entries(fields).filter(([name]) => name !== chooser);
  return shown.map(([name, field]) => ({
    ...{ name, kind: field.kind, doc: field.doc },
    byDefault: field.default === undefined ? undefined : valueText(field.default),
    ...(inFiles ? { fileKey: jsonKeyOf(name, field) } : {}),
  }));
}

/** A setting that no table has. */
export function setting(name: string, kind: string, doc: string, byDefault?: string): Setting {
  return { name, kind, doc, byDefault };
}

/** What a group is called: `task (name: retrieval)`. */
export function groupTitle({ path, choice }: SettingGroup): string {
  const place = path === "" ? "the recipe" : path;
  return choice === undefined ? place : `${place} (${choice})`;
}
