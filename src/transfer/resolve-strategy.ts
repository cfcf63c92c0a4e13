/** @file A strategy with all its settings, checked. */
import { ConfigError, type ConfigIssue, nearestName } from "../base/errors.ts";
import {
  type ConfigFields,
  type ConfigInput,
  type ConfigOf,
  defineFields,
  integerField,
  listField,
  nullableField,
  numberField,
  showValue,
} from "../formats/config-fields.ts";
import { type ConfigTable, defineConfig } from "../formats/config-table.ts";
import type { Freeze, Strategy } from "./strategy.ts";

const share = (doc: string) => numberField({ default: 0.15, min: 0.001, max: 0.999, doc });

/** At most one of two settings, the first of them by default. */
function atMostOne(one: string, other: string, config: Readonly<Record<string, unknown>>): ConfigIssue[] {
  if (config[one] === null || config[other] === null) return [];
  return [{ path: other, message: `must be left out where ${one} is given.`, code: "CONFIG_AMBIGUOUS" }];
}

const gradualTable = defineConfig({
  name: "unfreezing",
  fields: defineFields({
    everyEpochs: nullableField(numberField({ min: 0.001, doc: "Epochs until the next group joins; null: 1." })),
    everySteps: nullableField(integerField({ min: 1, doc: "Steps until the next group joins, instead of epochs." })),
  }),
  rules: (config) => atMostOne("everyEpochs", "everySteps", config),
});

function twoRising(path: string, values: readonly number[] | null): ConfigIssue[] {
  if (values === null || (values.length === 2 && values[0]! > 0 && values[1]! > values[0]!)) return [];
  const message = `must be two rising numbers above 0: when the layers join and when the embeddings do; got ${showValue(values)}.`;
  return [{ path, message, code: "CONFIG_VALUE" }];
}

const sequentialTable = defineConfig({
  name: "unfreezing",
  fields: defineFields({
    atEpochs: nullableField(
      listField(numberField({ doc: "" }), { doc: "Epochs after which layers and embeddings join; null: 1, 2." }),
    ),
    atSteps: nullableField(listField(integerField({ doc: "" }), { doc: "The same in steps." })),
  }),
  rules: (config) => [
    ...atMostOne("atEpochs", "atSteps", config),
    ...twoRising("atEpochs", config.atEpochs),
    ...twoRising("atSteps", config.atSteps),
  ],
});

const slantedTable = defineConfig({
  name: "schedule",
  fields: defineFields({
    cut: numberField({ default: 0.1, min: 0, max: 1, doc: "Share of the steps that rise." }),
    ratio: numberField({ default: 32, min: 1, doc: "The peak rate over the lowest." }),
  }),
});

const auxiliaryTable = defineConfig({
  name: "auxiliary",
  fields: defineFields({
    weight: numberField({ default: 0.5, min: 1e-6, doc: "Factor of the loss at the first step." }),
    finalWeight: nullableField(
      numberField({ min: 1e-6, doc: "Factor at the end, reached exponentially; null: weight." }),
    ),
    maskProbability: share("Share of the tokens that is masked, where words are."),
  }),
});

const tuningTable = defineConfig({
  name: "languageTuning",
  fields: defineFields({
    numEpochs: nullableField(numberField({ min: 0.001, doc: "Passes over the texts; null: 1." })),
    maxSteps: nullableField(integerField({ min: 1, doc: "Steps, instead of passes." })),
    learningRate: nullableField(numberField({ min: 0, doc: "Peak rate; null: the task's." })),
    batchSize: nullableField(integerField({ min: 1, doc: "Texts a step; null: the task's." })),
    maskProbability: share("Share of the tokens that is masked, where words are."),
  }),
  rules: (config) => atMostOne("numEpochs", "maxSteps", config),
});

/** The settings of a strategy's sections, by the section and its name where there are several. */
export const strategyTables = {
  "unfreezing: gradual": gradualTable,
  "unfreezing: sequential": sequentialTable,
  "schedule: slantedTriangular": slantedTable,
  auxiliary: auxiliaryTable,
  languageTuning: tuningTable,
} as const;

export type ResolvedUnfreezing =
  | ({ readonly name: "gradual" } & ConfigOf<typeof gradualTable.fields>)
  | ({ readonly name: "sequential" } & ConfigOf<typeof sequentialTable.fields>);
export type ResolvedSchedule = { readonly name: "slantedTriangular" } & ConfigOf<typeof slantedTable.fields>;
export type ResolvedAuxiliary = ConfigOf<typeof auxiliaryTable.fields>;
export type ResolvedTuning = ConfigOf<typeof tuningTable.fields>;

/** A strategy with the values of all its settings; it is a strategy again. */
export interface ResolvedStrategy extends Strategy {
  readonly fromScratch: boolean;
  readonly freeze: Freeze;
  readonly unfreezing: ResolvedUnfreezing | null;
  readonly layerRateFactor: number;
  readonly schedule: ResolvedSchedule | null;
  readonly auxiliary: ResolvedAuxiliary | null;
  readonly languageTuning: ResolvedTuning | null;
}

/** The settings of a strategy. */
export const strategyKeys = [
  "fromScratch",
  "freeze",
  "unfreezing",
  "layerRateFactor",
  "schedule",
  "auxiliary",
  "languageTuning",
] as const satisfies readonly (keyof Strategy)[];

type Section = Readonly<Record<string, unknown>>;

/** Checks values one by one and keeps what is wrong. */
class Checker {
  readonly issues: ConfigIssue[];
  private readonly prefix: string;

  constructor(issues: ConfigIssue[], path: string) {
    this.issues = issues;
    this.prefix = path === "" ? "" : `${path}.`;
  }

  add(key: string, message: string, code = "CONFIG_VALUE"): void {
    this.issues.push({ path: `${this.prefix}${key}`, message, code });
  }

  /** A section that may be left out. */
  section(key: string, value: unknown): Section | null {
    if (value === undefined || value === null) return null;
    if (typeof value === "object" && !Array.isArray(value)) return value as Section;
    this.add(key, `must be a section of settings; got ${showValue(value)}.`);
    return null;
  }

  resolve<F extends ConfigFields>(key: string, table: ConfigTable<F>, section: Section): ConfigOf<F> | null {
    try {
      return table.resolve(section as ConfigInput<F>);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      this.issues.push(...error.issues.map((issue) => ({ ...issue, path: `${this.prefix}${key}.${issue.path}` })));
      return null;
    }
  }

  /** A section that says by its name which of several it is. */
  named<N extends string>(key: string, value: unknown, names: readonly N[]): { name: N; settings: Section } | null {
    const section = this.section(key, value);
    if (section === null) return null;
    const { name, ...settings } = section;
    const found = names.find((known) => known === name);
    if (found !== undefined) return { name: found, settings };
    const near = typeof name === "string" ? nearestName(name, names) : undefined;
    const hint = near === undefined ? "" : ` Did you mean ${near}?`;
    this.add(`${key}.name`, `must be ${names.join(" or ")}; got ${showValue(name)}.${hint}`, "CONFIG_UNKNOWN_VALUE");
    return null;
  }
}

function checkUnfreezing(checker: Checker, value: unknown): ResolvedUnfreezing | null {
  const named = checker.named("unfreezing", value, ["gradual", "sequential"]);
  if (named === null) return null;
  const { name, settings } = named;
  if (name === "gradual") {
    const found = checker.resolve("unfreezing", gradualTable, settings);
    return found && { name, ...found, everyEpochs: found.everyEpochs ?? (found.everySteps === null ? 1 : null) };
  }
  const found = checker.resolve("unfreezing", sequentialTable, settings);
  return found && { name, ...found, atEpochs: found.atEpochs ?? (found.atSteps === null ? [1, 2] : null) };
}

function checkSchedule(checker: Checker, value: unknown): ResolvedSchedule | null {
  const named = checker.named("schedule", value, ["slantedTriangular"]);
  const found = named && checker.resolve("schedule", slantedTable, named.settings);
  return found && { name: "slantedTriangular", ...found };
}

function checkTuning(checker: Checker, value: unknown): ResolvedTuning | null {
  const section = checker.section("languageTuning", value);
  const found = section && checker.resolve("languageTuning", tuningTable, section);
  return found && { ...found, numEpochs: found.numEpochs ?? (found.maxSteps === null ? 1 : null) };
}

function checkFreeze(checker: Checker, value: unknown): Freeze {
  if (value === undefined || value === null || value === "none") return "none";
  if (value === "encoder") return value;
  if (!Array.isArray(value)) {
    const near = typeof value === "string" ? nearestName(value, ["none", "encoder"]) : undefined;
    const hint = near === undefined ? "" : ` Use ${near}.`;
    const message = `must be one of none, encoder, or a list such as [embeddings, 0-3]; got ${showValue(value)}.${hint}`;
    checker.add("freeze", message, "CONFIG_UNKNOWN_VALUE");
    return "none";
  }
  const isItem = (item: unknown) =>
    (typeof item === "string" && item !== "") || (Number.isInteger(item) && Number(item) >= 0);
  const odd = value.findIndex((item) => !isItem(item));
  if (odd === -1) return value.length === 0 ? "none" : (value as readonly (string | number)[]);
  checker.add(`freeze.${odd}`, `must be a name or a layer's number; got ${showValue(value[odd])}.`);
  return "none";
}

/**
 * Fills in a strategy; problems are added to a list.
 * @param value a strategy, or what a recipe has in its place
 * @param path what the strategy is called in messages; nothing where its settings stand among others
 * @param others settings that stand beside it
 */
export function resolveStrategy(
  value: Strategy | Section | null | undefined,
  issues: ConfigIssue[],
  path = "transfer",
  others: readonly string[] = [],
): ResolvedStrategy {
  const checker = new Checker(issues, path);
  const given = (value ?? {}) as Section;
  for (const key of Object.keys(given)) {
    if ((strategyKeys as readonly string[]).includes(key)) continue;
    const known = [...strategyKeys, ...others];
    const near = nearestName(key, known);
    const hint = near === undefined ? `Known: ${known.join(", ")}.` : `Did you mean ${near}?`;
    checker.add(key, `is not a setting. ${hint}`, "CONFIG_UNKNOWN_KEY");
  }
  const { fromScratch = false, layerRateFactor = 1 } = given;
  if (typeof fromScratch !== "boolean")
    checker.add("fromScratch", `must be true or false; got ${showValue(fromScratch)}.`);
  const isFactor = typeof layerRateFactor === "number" && Number.isFinite(layerRateFactor) && layerRateFactor > 0;
  if (!isFactor) checker.add("layerRateFactor", `must be a number above 0; got ${showValue(layerRateFactor)}.`);
  const auxiliary = checker.section("auxiliary", given.auxiliary);
  return {
    fromScratch: fromScratch === true,
    freeze: checkFreeze(checker, given.freeze),
    unfreezing: checkUnfreezing(checker, given.unfreezing),
    layerRateFactor: isFactor ? layerRateFactor : 1,
    schedule: checkSchedule(checker, given.schedule),
    auxiliary: auxiliary && checker.resolve("auxiliary", auxiliaryTable, auxiliary),
    languageTuning: checkTuning(checker, given.languageTuning),
  };
}

/** Whether a strategy asks for nothing but freezing: then everything is as it was before there were others. */
export function isPlain({
  unfreezing,
  layerRateFactor,
  schedule,
  auxiliary,
  languageTuning,
}: ResolvedStrategy): boolean {
  const others = [unfreezing, schedule, auxiliary, languageTuning];
  return layerRateFactor === 1 && others.every((part) => part === null);
}
