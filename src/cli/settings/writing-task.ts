/** @file Settings of writing a target for a source: the same for recipes and for the command line. */
import {
  booleanField,
  type ConfigOf,
  choiceField,
  defineFields,
  integerField,
  numberField,
  probabilityField,
} from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";
import { formatJson } from "../../formats/json-file.ts";
import { columnField } from "./text.ts";

const source = columnField("Column of the text that is read.");
const target = columnField("Column of the text that is written.");

export const writingTaskTable = defineConfig({
  name: "task",
  fields: defineFields({
    name: choiceField(["sequenceToSequence"], { default: "sequenceToSequence", doc: "What is learned." }),
    sourceColumn: { ...source, needed: false, default: "source" },
    targetColumn: { ...target, needed: false, default: "target" },
    maxSourceLength: integerField({ default: 128, min: 3, doc: "Longest source in tokens, special tokens included." }),
    maxTargetLength: integerField({ default: 64, min: 3, doc: "Longest target in tokens, special tokens included." }),
    labelSmoothing: numberField({
      default: 0,
      min: 0,
      max: 0.99,
      doc: "Share of a label that is spread over the vocabulary in training; usual is 0.1.",
    }),
    targetMaskProbability: probabilityField({
      default: 0.7,
      doc: "For encoders alone (UniLM): share of a target's tokens that is masked.",
    }),
    packed: booleanField({ default: true, doc: "Put several short texts into one row." }),
  }),
  rules: ({ sourceColumn, targetColumn, targetMaskProbability }) => [
    ...(sourceColumn !== targetColumn
      ? []
      : [{ path: "targetColumn", message: "must not be the source's column.", code: "CONFIG_AMBIGUOUS" }]),
    ...(targetMaskProbability > 0
      ? []
      : [{ path: "targetMaskProbability", message: "must be above 0; got 0.", code: "CONFIG_RANGE" }]),
  ],
});

export type WritingTaskSettings = ConfigOf<typeof writingTaskTable.fields>;

/** The content of the file beside a model that writes: what it reads and writes, and how much of it. */
export function writingTaskFile(task: WritingTaskSettings): readonly [name: string, text: string] {
  const { name, sourceColumn, targetColumn, maxSourceLength, maxTargetLength } = task;
  return ["task.json", formatJson({ task: name, sourceColumn, targetColumn, maxSourceLength, maxTargetLength })];
}
