import { ConfigError, type ConfigIssue, nearestName } from "../base/errors.ts";
import { type ConfigFields, type ConfigInput, type ConfigOf, jsonKeyOf, showValue } from "./config-fields.ts";
import { parseLabels, serializeLabels } from "./config-labels.ts";
import type { JsonObject, JsonValue } from "./json-text.ts";

/** What a model's `config.json` says besides the settings of the table. */
export interface ConfigExtras {
  /** Class names of the Hugging Face models that fit the weights, e.g. `BertForMaskedLM`. */
  readonly architectures: readonly string[];
  /** Names of the classes, by number (`id2label`). */
  readonly labels: readonly string[] | undefined;
  /** Keys that the table does not know, kept as they are. */
  readonly preserved: JsonObject;
}

/** A parsed `config.json`. */
export interface ParsedConfig<F extends ConfigFields> extends ConfigExtras {
  readonly config: ConfigOf<F>;
  /** One sentence about the preserved keys, to be shown once; undefined when there are none. */
  readonly notice: string | undefined;
}

/** One model's settings: parser, defaults and serializer from one table; `firth settings` tells of its fields. */
export interface ConfigTable<F extends ConfigFields> {
  readonly fields: F;
  /** Fills in defaults and checks. @throws {ConfigError} all problems together */
  resolve(input: ConfigInput<F>): ConfigOf<F>;
  /** Reads the object of a `config.json`. @throws {ConfigError} all problems together */
  parse(json: JsonObject, where: string): ParsedConfig<F>;
  /** The object of a `config.json`, keys sorted as Hugging Face sorts them. */
  serialize(config: ConfigOf<F>, extras?: Partial<ConfigExtras>): JsonObject;
}

/** Rules that concern several settings at once; `path` of an issue is the setting's name. */
export type ConfigRules<F extends ConfigFields> = (config: ConfigOf<F>) => readonly ConfigIssue[];

/** The parts of a table. */
export interface ConfigDefinition<F extends ConfigFields> {
  /** What messages call it, e.g. "bert"; also `model_type` unless that is given. */
  readonly name: string;
  readonly modelType?: string;
  readonly fields: F;
  readonly rules?: ConfigRules<F>;
}

const reservedKeys = ["model_type", "architectures", "id2label", "label2id"];
/** Keys that are not settings of a network but are used all the same: what the data of its task were like. */
const taskKeys = ["tag_scheme", "label_range"];
const isOfTask = (key: string, value: unknown): boolean =>
  taskKeys.includes(key) ||
  (key === "problem_type" && (value === "regression" || value === "single_label_classification"));

/** Checks given values field by field; what is not given gets its default. */
function fill(
  fields: ConfigFields,
  given: (name: string) => unknown,
  pathOf: (name: string) => string,
  issues: ConfigIssue[],
): Record<string, JsonValue> {
  const config: Record<string, JsonValue> = {};
  for (const [name, field] of Object.entries(fields)) {
    const value = given(name);
    if (value === undefined) {
      if (field.default === undefined) {
        issues.push({
          path: pathOf(name),
          message: `must be given (${field.kind}). ${field.doc}`,
          code: "CONFIG_MISSING",
        });
      } else {
        config[name] = Array.isArray(field.default) ? Object.freeze([...field.default]) : field.default;
      }
      continue;
    }
    const checked = field.check(value);
    if ("rule" in checked) issues.push({ path: pathOf(name), message: checked.rule, code: "CONFIG_VALUE" });
    else config[name] = checked.value;
  }
  return config;
}

function unknownKey(key: string, fields: ConfigFields): ConfigIssue {
  const names = Object.keys(fields);
  const near = names.find((name) => jsonKeyOf(name, fields[name]!) === key) ?? nearestName(key, names);
  const hint = near === undefined ? `Known: ${names.join(", ")}.` : `Did you mean ${near}?`;
  return { path: key, message: `is not a setting. ${hint}`, code: "CONFIG_UNKNOWN_KEY" };
}

/** Makes a model's table of settings complete. */
export function defineConfig<const F extends ConfigFields>(definition: ConfigDefinition<F>): ConfigTable<F> {
  const { name: tableName, fields, rules = () => [], modelType = tableName } = definition;
  const finish = (
    values: Record<string, JsonValue>,
    where: string,
    pathOf: (name: string) => string,
    issues: ConfigIssue[],
  ) => {
    const config = Object.freeze(values) as ConfigOf<F>;
    // Rules about several settings make sense only when each one is right by itself.
    if (issues.length === 0) issues.push(...rules(config).map((issue) => ({ ...issue, path: pathOf(issue.path) })));
    if (issues.length > 0) throw new ConfigError(where, issues);
    return config;
  };
  return {
    fields,
    resolve(input) {
      const entries = new Map<string, unknown>(Object.entries(input));
      const issues = [...entries.keys()]
        .filter((key) => !Object.hasOwn(fields, key))
        .map((key) => unknownKey(key, fields));
      const values = fill(
        fields,
        (name) => entries.get(name),
        (name) => name,
        issues,
      );
      return finish(values, tableName, (name) => name, issues);
    },
    parse(json, where) {
      const issues: ConfigIssue[] = [];
      const used = new Set(reservedKeys);
      const pathOf = (name: string): string => (Object.hasOwn(fields, name) ? jsonKeyOf(name, fields[name]!) : name);
      const given = (name: string): unknown => {
        const keys = [pathOf(name), ...fields[name]!.aliases].filter((key) => json[key] !== undefined);
        for (const key of keys) used.add(key);
        const differs = keys.find((key) => JSON.stringify(json[key]) !== JSON.stringify(json[keys[0]!]));
        if (differs !== undefined) {
          issues.push({
            path: differs,
            message: `differs from ${keys[0]}, which means the same.`,
            code: "CONFIG_AMBIGUOUS",
          });
        }
        return keys[0] === undefined ? undefined : json[keys[0]];
      };
      const type = json.model_type;
      if (type !== undefined && type !== modelType) {
        const message = `must be "${modelType}"; got ${showValue(type)}. Load it as the model that it is.`;
        issues.push({ path: "model_type", message, code: "CONFIG_MODEL_TYPE" });
      }
      const values = fill(fields, given, pathOf, issues);
      const architectures = json.architectures ?? [];
      const areTexts = Array.isArray(architectures) && architectures.every((item) => typeof item === "string");
      if (!areTexts) issues.push({ path: "architectures", message: "must be a list of texts.", code: "CONFIG_VALUE" });
      const labels = parseLabels(json, issues);
      const preserved = Object.fromEntries(Object.entries(json).filter(([key]) => !used.has(key)));
      const config = finish(values, where, pathOf, issues);
      const kept = Object.keys(preserved).filter((key) => !isOfTask(key, preserved[key]));
      const notice =
        kept.length === 0 ? undefined : `${where}: not used by ${tableName}, kept as they are: ${kept.join(", ")}.`;
      return { config, architectures: areTexts ? architectures : [], labels, preserved, notice };
    },
    serialize(config, extras = {}) {
      const json: Record<string, JsonValue> = { ...extras.preserved, model_type: modelType };
      if (extras.architectures !== undefined && extras.architectures.length > 0)
        json.architectures = extras.architectures;
      if (extras.labels !== undefined) Object.assign(json, serializeLabels(extras.labels));
      for (const [name, field] of Object.entries(fields)) json[jsonKeyOf(name, field)] = config[name]!;
      return Object.fromEntries(Object.entries(json).sort(([a], [b]) => (a < b ? -1 : 1)));
    },
  };
}
