import type { JsonValue } from "./json-text.ts";

/** The outcome of checking one value: the value, or the rule that it breaks. */
export type Checked<T> = { readonly value: T } | { readonly rule: string };

/**
 * One setting: how it is named on disk, what it may be, what it is by default, what it means.
 *
 * `Needed` is true when there is no default and the setting must be given.
 */
export interface ConfigField<T, Needed extends boolean = boolean> {
  /** What a value must be, for documentation and messages, e.g. "integer ≥ 1". */
  readonly kind: string;
  /** Key in `config.json`; undefined: the field's name in snake_case. */
  readonly jsonKey: string | undefined;
  /** Other keys under which older files have it. */
  readonly aliases: readonly string[];
  readonly needed: Needed;
  readonly default: T | undefined;
  /** One sentence with units. */
  readonly doc: string;
  check(value: unknown): Checked<T>;
}

/** A model's or program's settings by name. */
export type ConfigFields = Readonly<Record<string, ConfigField<JsonValue>>>;

type ValueOf<F> = F extends ConfigField<infer T> ? T : never;
type NeededKeys<F> = { [K in keyof F]: F[K] extends ConfigField<JsonValue, true> ? K : never }[keyof F];
type Flat<T> = { readonly [K in keyof T]: T[K] };

/** The resolved settings that a table describes. */
export type ConfigOf<F extends ConfigFields> = { readonly [K in keyof F]: ValueOf<F[K]> };

/** What callers may write: settings with a default can be left out. */
export type ConfigInput<F extends ConfigFields> = Flat<
  { [K in NeededKeys<F>]: ValueOf<F[K]> } & { [K in Exclude<keyof F, NeededKeys<F>>]?: ValueOf<F[K]> | undefined }
>;

interface CommonOptions<D> {
  readonly jsonKey?: string;
  readonly aliases?: readonly string[];
  readonly default?: D;
  readonly doc: string;
}

type NeededWithout<D> = [D] extends [never] ? true : false;

function makeField<T, D extends T>(
  kind: string,
  options: CommonOptions<D>,
  check: (value: unknown) => Checked<T>,
): ConfigField<T, NeededWithout<D>> {
  const needed = (options.default === undefined) as NeededWithout<D>;
  const { jsonKey, aliases = [], doc } = options;
  return { kind, jsonKey, aliases, needed, default: options.default, doc, check };
}

/** A value as messages show it, shortened. */
export function showValue(value: unknown): string {
  if (typeof value === "number" || value === undefined) return String(value);
  const text = JSON.stringify(value) ?? typeof value;
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

interface Range {
  readonly min?: number;
  readonly max?: number;
}

function rangeText({ min, max }: Range): string {
  if (min !== undefined && max !== undefined) return ` in [${min}, ${max}]`;
  if (min !== undefined) return ` ≥ ${min}`;
  return max === undefined ? "" : ` ≤ ${max}`;
}

function checkNumber(kind: string, range: Range, isWhole: boolean): (value: unknown) => Checked<number> {
  return (value) => {
    const isNumber = typeof value === "number" && (isWhole ? Number.isSafeInteger(value) : Number.isFinite(value));
    if (isNumber && value >= (range.min ?? value) && value <= (range.max ?? value)) return { value };
    return { rule: `must be ${kind}; got ${showValue(value)}.` };
  };
}

/** A whole number. */
export function integerField<D extends number = never>(
  options: CommonOptions<D> & Range,
): ConfigField<number, NeededWithout<D>> {
  const kind = `integer${rangeText(options)}`;
  return makeField<number, D>(kind, options, checkNumber(`an ${kind}`, options, true));
}

/** A finite number. */
export function numberField<D extends number = never>(
  options: CommonOptions<D> & Range,
): ConfigField<number, NeededWithout<D>> {
  const kind = `number${rangeText(options)}`;
  return makeField<number, D>(kind, options, checkNumber(`a ${kind}`, options, false));
}

/** A number in [0, 1]. */
export function probabilityField<D extends number = never>(
  options: CommonOptions<D>,
): ConfigField<number, NeededWithout<D>> {
  const range = { min: 0, max: 1 };
  return makeField<number, D>("probability", options, checkNumber("a probability in [0, 1]", range, false));
}

/** True or false. */
export function booleanField<D extends boolean = never>(
  options: CommonOptions<D>,
): ConfigField<boolean, NeededWithout<D>> {
  return makeField<boolean, D>("true or false", options, (value) =>
    typeof value === "boolean" ? { value } : { rule: `must be true or false; got ${showValue(value)}.` },
  );
}

/** Any text. */
export function textField<D extends string = never>(options: CommonOptions<D>): ConfigField<string, NeededWithout<D>> {
  return makeField<string, D>("text", options, (value) =>
    typeof value === "string" ? { value } : { rule: `must be a text; got ${showValue(value)}.` },
  );
}

/** One of a few words. */
export function choiceField<const C extends string, D extends C = never>(
  choices: readonly C[],
  options: CommonOptions<D>,
): ConfigField<C, NeededWithout<D>> {
  const kind = choices.map((choice) => `"${choice}"`).join(", ");
  return makeField<C, D>(`one of ${kind}`, options, (value) => {
    const found = choices.find((choice) => choice === value);
    return found === undefined ? { rule: `must be one of ${kind}; got ${showValue(value)}.` } : { value: found };
  });
}

/** A list whose items obey another field, e.g. the widths of convolutions. */
export function listField<T, D extends readonly T[] = never>(
  item: ConfigField<T>,
  options: CommonOptions<D>,
): ConfigField<readonly T[], NeededWithout<D>> {
  return makeField<readonly T[], D>(`list of ${item.kind}`, options, (value) => {
    if (!Array.isArray(value)) return { rule: `must be a list; got ${showValue(value)}.` };
    const items: T[] = [];
    for (const [i, entry] of value.entries()) {
      const checked = item.check(entry);
      if ("rule" in checked) return { rule: `item ${i} ${checked.rule}` };
      items.push(checked.value);
    }
    return { value: Object.freeze(items) };
  });
}

/** The same setting, which may also be null; null is its default unless it has one. */
export function nullableField<T>(field: ConfigField<T>): ConfigField<T | null, false> {
  return {
    ...field,
    kind: `${field.kind} or null`,
    needed: false,
    default: field.default ?? null,
    check: (value) => (value === null ? { value } : field.check(value)),
  };
}

/** Name of a field in JSON. */
export function jsonKeyOf(name: string, field: ConfigField<JsonValue>): string {
  return field.jsonKey ?? name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/**
 * Takes a table of settings; the returned value carries all the types.
 * @throws {TypeError} when two settings share a JSON key or a default breaks its own rule
 */
export function defineFields<const F extends ConfigFields>(fields: F): F {
  const owners = new Map<string, string>();
  for (const [name, field] of Object.entries(fields)) {
    for (const key of [jsonKeyOf(name, field), ...field.aliases]) {
      const owner = owners.get(key);
      if (owner !== undefined) throw new TypeError(`defineFields: ${owner} and ${name} both have the JSON key ${key}.`);
      owners.set(key, name);
    }
    if (field.needed) continue;
    const checked = field.check(field.default);
    if ("rule" in checked) throw new TypeError(`defineFields: the default of ${name} ${checked.rule}`);
  }
  return Object.freeze(fields);
}
