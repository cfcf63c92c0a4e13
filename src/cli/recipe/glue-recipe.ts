/** @file What a recipe of GLUE may say; the command's options have the same names. */
import {
  booleanField,
  type ConfigOf,
  choiceField,
  defineFields,
  integerField,
  listField,
  nullableField,
  numberField,
  textField,
} from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";
import { glueTaskNames } from "../../tasks/index.ts";
import { engineFields } from "../settings/engine.ts";
import { Problems, type Section } from "./problems.ts";

/** Settings that are options as they stand. */
export const glueFields = defineFields({
  tokenizer: nullableField(textField({ doc: "Folder of a tokenizer; the model's own if not given." })),
  numEpochs: integerField({ default: 3, min: 1, doc: "Passes over each training set." }),
  maxSeqLength: integerField({ default: 128, min: 5, doc: "Longest text in tokens, special tokens included." }),
  fromScratch: booleanField({ default: false, doc: "The control: the same network with new weights." }),
  ...engineFields,
});

export const glueTable = defineConfig({
  name: "glue",
  fields: defineFields({
    kind: choiceField(["glue"], { default: "glue", doc: "The recipe's kind." }),
    data: textField({ doc: "Folder with CoLA, SST-2, MRPC, STS-B, QQP, MNLI, QNLI, RTE, WNLI." }),
    model: textField({ doc: "Folder of a pre-trained model." }),
    outputDir: nullableField(textField({ doc: "Runs, report.json and submission files; null: nothing is kept." })),
    tasks: listField(choiceField(glueTaskNames, { doc: "" }), { default: glueTaskNames, doc: "Tasks that are run." }),
    seeds: listField(integerField({ doc: "", min: 0 }), { default: [1], doc: "Each setting with each of these." }),
    learningRates: listField(numberField({ doc: "", min: 0, max: 1 }), {
      default: [5e-5, 4e-5, 3e-5, 2e-5],
      doc: "Peak rates that are tried.",
    }),
    batchSizes: listField(integerField({ doc: "", min: 1 }), { default: [32], doc: "Batch sizes that are tried." }),
    ...glueFields,
  }),
});

export type GlueRecipe = ConfigOf<typeof glueTable.fields>;

/**
 * Checks a recipe of GLUE, or the options that stand for one.
 * @throws {ConfigError} all problems together
 */
export function checkGlueRecipe(recipe: Section, where: string): GlueRecipe {
  const problems = new Problems();
  const resolved = problems.resolve("", glueTable, recipe);
  problems.raise(where);
  return resolved!;
}
