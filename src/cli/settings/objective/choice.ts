import {
  booleanField,
  type ConfigFields,
  type ConfigOf,
  integerField,
  probabilityField,
} from "../../../formats/config-fields.ts";
import { type ConfigRules, type ConfigTable, defineConfig } from "../../../formats/config-table.ts";
import type { PretrainingObjective } from "../../../objectives/objective.ts";
import type { Tokenizer } from "../../../tokenizers/tokenizer.ts";

/** Settings that every objective has. */
export const commonFields = {
  maxSeqLength: integerField({ default: 128, min: 8, doc: "Tokens in a row, special tokens included." }),
  packed: booleanField({ default: true, doc: "Put several short sequences into one row." }),
  shortSequenceProbability: probabilityField({ default: 0.1, doc: "Share of the examples cut short at random." }),
};

/** Settings of some objective, checked; those of its own beside the common ones. */
export type ObjectiveSettings = ConfigOf<typeof commonFields> & Readonly<Record<string, unknown>>;

/** An objective as recipes name it. */
export interface ObjectiveChoice {
  readonly table: ConfigTable<ConfigFields>;
  build(settings: ObjectiveSettings, tokenizer: Tokenizer): PretrainingObjective | Promise<PretrainingObjective>;
}

/**
 * Makes an objective one that recipes can name.
 * @param fields settings of its own
 * @param build from all settings but `shortSequenceProbability`, which is the run's
 */
export function objectiveChoice<const F extends ConfigFields>(
  fields: F,
  build: (
    settings: Omit<ConfigOf<F & typeof commonFields>, "shortSequenceProbability">,
    tokenizer: Tokenizer,
  ) => PretrainingObjective | Promise<PretrainingObjective>,
  rules: ConfigRules<F & typeof commonFields> = () => [],
): ObjectiveChoice {
  const table = defineConfig({ name: "objective", fields: { ...fields, ...commonFields }, rules });
  return {
    table: table as unknown as ConfigTable<ConfigFields>,
    build: ({ shortSequenceProbability: _, ...settings }, tokenizer) =>
      build(settings as unknown as Parameters<typeof build>[0], tokenizer),
  };
}
