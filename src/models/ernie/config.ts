import {
  booleanField,
  type ConfigInput,
  type ConfigOf,
  defineFields,
  integerField,
} from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";
import { bertFields, bertPresets, bertRules } from "../bert/config.ts";
import { configure } from "../configure.ts";

const fields = defineFields({
  ...bertFields,
  useTaskId: booleanField({
    default: false,
    doc: "Whether there is an embedding of the kind of task (ERNIE 2.0, 3.0).",
  }),
  taskTypeVocabSize: integerField({ default: 3, min: 1, doc: "Kinds of task." }),
});

export type ErnieConfig = ConfigOf<typeof fields>;
export type ErnieConfigInput = ConfigInput<typeof fields>;

export const ernieConfigTable = defineConfig({ name: "ernie", fields, rules: bertRules });

/** `base` and `large` are the published sizes; the small ones are BERT's. */
export const erniePresets = bertPresets satisfies Readonly<Record<string, ErnieConfigInput>>;

/**
 * A whole, checked ERNIE configuration.
 * @param input settings that differ from ERNIE-base; `preset` fills layers, hidden size and heads
 * @throws {ConfigError} all problems together
 * @source Sun et al. 2019 §4.1, arXiv:1904.09223 (the size of BERT-base)
 */
export function ernieConfig(input: ErnieConfigInput & { readonly preset?: string | undefined } = {}): ErnieConfig {
  return configure({ name: "ernie", table: ernieConfigTable, presets: erniePresets }, input);
}
