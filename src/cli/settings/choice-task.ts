/** @file Settings of multiple choice, as recipes give them. */
import { choiceColumnFields } from "../../api/choice-columns.ts";
import { booleanField, type ConfigOf, choiceField, defineFields, integerField } from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";

export const choiceTaskTable = defineConfig({
  name: "task",
  fields: defineFields({
    name: choiceField(["multipleChoice"], { default: "multipleChoice", doc: "What is learned." }),
    ...choiceColumnFields,
    maxSeqLength: integerField({
      default: 128,
      min: 5,
      doc: "Longest text in tokens: context, question and an option.",
    }),
    packed: booleanField({ default: true, doc: "Put several short texts into one row." }),
  }),
});

export type ChoiceTaskSettings = ConfigOf<typeof choiceTaskTable.fields>;
