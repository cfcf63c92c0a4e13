/** @file Settings of answering questions with a part of a text, as recipes give them. */
import {
  booleanField,
  type ConfigOf,
  choiceField,
  defineFields,
  integerField,
  nullableField,
  numberField,
} from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";
import { answerMeasures } from "../../tasks/index.ts";

export const answerTaskTable = defineConfig({
  name: "task",
  fields: defineFields({
    name: choiceField(["questionAnswering"], { default: "questionAnswering", doc: "What is learned." }),
    maxSeqLength: integerField({
      default: 384,
      min: 20,
      doc: "Longest window in tokens: question and part of the text.",
    }),
    docStride: nullableField(
      integerField({ min: 1, doc: "Tokens from window to window; null: 128, or a third of shorter windows." }),
    ),
    maxQueryLength: nullableField(
      integerField({ min: 1, doc: "Questions are cut to so many tokens; null: 64, or a quarter of shorter windows." }),
    ),
    maxAnswerLength: integerField({ default: 30, min: 1, doc: "Longest answer in tokens." }),
    allowsNone: nullableField(
      booleanField({ doc: "Whether a question may have no answer; null: where the data say so." }),
    ),
    noneThreshold: numberField({ default: 0, doc: 'How much better "no answer" must be than the best answer.' }),
    measure: choiceField(answerMeasures, {
      default: "squad",
      doc: "Answers are compared by words, or characters (Chinese).",
    }),
    numBest: integerField({ default: 20, min: 1, doc: "Candidates kept for each held-out question." }),
    packed: booleanField({ default: true, doc: "Put several windows into one row." }),
  }),
});

export type AnswerTaskSettings = ConfigOf<typeof answerTaskTable.fields>;
