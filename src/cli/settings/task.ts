/** @file Settings of text classification: the same for recipes and for the command line. */
import { isColumn, savedTask } from "../../api/saved-task.ts";
import type { ColumnRef } from "../../data/table.ts";
import {
  booleanField,
  type ConfigField,
  type ConfigOf,
  choiceField,
  defineFields,
  integerField,
  listField,
  nullableField,
  showValue,
  textField,
} from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";
import { formatJson } from "../../formats/json-file.ts";
import { columnField } from "./text.ts";

/** One column of text, or two that are read together. */
export type ColumnList = readonly [ColumnRef] | readonly [ColumnRef, ColumnRef];

export function isColumnList(value: unknown): value is ColumnList {
  const isColumn = (item: unknown): boolean =>
    typeof item === "string" || (Number.isInteger(item) && (item as number) >= 0);
  return Array.isArray(value) && value.length >= 1 && value.length <= 2 && value.every(isColumn);
}

/** One column or a list of two; a list in any case. */
export function textColumnsField(doc: string): ConfigField<ColumnList, true> {
  return {
    ...textField({ doc }),
    kind: "column, or list of two columns",
    default: undefined,
    check: (value) => {
      const columns: unknown = Array.isArray(value) ? value : [value];
      if (isColumnList(columns)) return { value: columns };
      return { rule: `must be a column's name or number from 0, or a list of two; got ${showValue(value)}.` };
    },
  };
}

export const taskTable = defineConfig({
  name: "task",
  fields: defineFields({
    name: choiceField(["textClassification", "textRegression"], {
      default: "textClassification",
      doc: "Classes, or numbers; sequenceToSequence, questionAnswering, tokenClassification and multipleChoice have settings of their own.",
    }),
    textColumns: textColumnsField("Column of the text, or two columns that are read together."),
    labelColumn: columnField("Column of the class."),
    labels: nullableField(listField(textField({ doc: "" }), { doc: "Class names; null: those of the training data." })),
    skipLabels: nullableField(
      listField(textField({ doc: "" }), { doc: "Rows with one of these labels are left out." }),
    ),
    maxSeqLength: integerField({ default: 128, min: 5, doc: "Longest text in tokens, special tokens included." }),
    packed: booleanField({ default: true, doc: "Put several short texts into one row." }),
  }),
  rules: ({ name, labels, skipLabels }) => {
    const given = Object.entries({ labels, skipLabels }).filter(([, value]) => value !== null);
    return name === "textClassification"
      ? []
      : given.map(([path]) => ({ path, message: "is for classes, not numbers.", code: "CONFIG_AMBIGUOUS" }));
  },
});

export type TaskSettings = ConfigOf<typeof taskTable.fields>;

/** Which columns a classifier was trained on, kept beside it so that evaluation and prediction know them. */
export interface TaskColumns {
  readonly textColumns: ColumnList;
  readonly labelColumn: ColumnRef;
}

const taskFile = "task.json";

/** The content of the file beside a classifier. */
export function taskFileText({
  name,
  textColumns,
  labelColumn,
}: TaskColumns & Pick<TaskSettings, "name">): readonly [name: string, text: string] {
  return [taskFile, formatJson({ task: name, textColumns, labelColumn })];
}

/** The columns of a classifier's folder; `text` and `label` where it does not say. */
export async function savedColumns(folder: string): Promise<TaskColumns> {
  const { textColumns, labelColumn } = await savedTask(folder);
  return {
    textColumns: isColumnList(textColumns) ? textColumns : ["text"],
    labelColumn: isColumn(labelColumn) ? labelColumn : "label",
  };
}
