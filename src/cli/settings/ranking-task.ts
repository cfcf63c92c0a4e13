/** @file Settings of rankings. */
import {
  booleanField,
  type ConfigOf,
  choiceField,
  defineFields,
  integerField,
  numberField,
  textField,
} from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";
import { textColumnsField } from "./task.ts";
import { columnField } from "./text.ts";

export const rankingTaskTable = defineConfig({
  name: "task",
  fields: defineFields({
    name: choiceField(["textRanking"], { doc: "Which of a query's candidates answers it." }),
    textColumns: textColumnsField("Columns of the query and of the candidate."),
    labelColumn: columnField("Column that says whether the candidate answers the query."),
    relevantLabel: textField({ default: "1", doc: "What it says of those that do." }),
    maxCandidates: integerField({ default: 8, min: 2, doc: "Candidates of a query that a step compares." }),
    gamma: numberField({ default: 1, min: 1e-6, doc: "Factor γ of the scores in the loss." }),
    maxSeqLength: integerField({ default: 128, min: 5, doc: "Longest text in tokens, special tokens included." }),
    packed: booleanField({ default: true, doc: "Put several short texts into one row." }),
  }),
  rules: ({ textColumns }) =>
    textColumns.length === 2
      ? []
      : [{ path: "textColumns", message: "must be two columns, query and candidate.", code: "CONFIG_RANGE" }],
});

export type RankingTaskSettings = ConfigOf<typeof rankingTaskTable.fields>;
