/** @file Where a model that chooses between options finds them in tables, kept beside it in `task.json`. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ColumnRef } from "../data/table.ts";
import {
  type ConfigField,
  type ConfigOf,
  defineFields,
  integerField,
  nullableField,
  showValue,
  textField,
} from "../formats/config-fields.ts";
import { defineConfig } from "../formats/config-table.ts";
import { formatJson, readJsonObject } from "../formats/json-file.ts";
import type { ChoiceColumns, ChoiceLabels } from "../tasks/choice-data.ts";

/** Columns as far as they are said; the task has `question`, `options` and `label` where they are not, and no context. */
export type GivenChoiceColumns = Partial<ChoiceColumns & ChoiceLabels>;

const isColumn = (item: unknown): item is ColumnRef =>
  typeof item === "string" || (Number.isInteger(item) && (item as number) >= 0);

function columnField(doc: string, usual?: string): ConfigField<ColumnRef, true> {
  return {
    ...textField({ doc }),
    kind: "column name, or number from 0",
    default: usual,
    check: (value) =>
      isColumn(value) ? { value } : { rule: `must be a column's name or number from 0; got ${showValue(value)}.` },
  };
}

/** One column of lists, or a list of columns with an option each; a list in any case. */
function optionColumnsField(doc: string): ConfigField<readonly ColumnRef[], true> {
  return {
    ...textField({ doc }),
    kind: "column, or list of columns",
    default: ["options"],
    check: (value) => {
      const columns: unknown[] = Array.isArray(value) ? value : [value];
      if (columns.length > 0 && columns.every(isColumn)) return { value: columns };
      return { rule: `must be a column's name or number from 0, or a list of them; got ${showValue(value)}.` };
    },
  };
}

/** Settings of columns, as recipes and `task.json` have them. */
export const choiceColumnFields = defineFields({
  contextColumn: nullableField(columnField("Column of the text that the question is about; null: there is none.")),
  questionColumn: columnField("Column of the question.", "question"),
  optionColumns: optionColumnsField("Column of lists of options, or a column for each option."),
  labelColumn: columnField("Column of the right option: its number, its letter (A, B, …) or its text.", "label"),
  firstLabel: integerField({ default: 0, min: 0, doc: "Number of the first option in the label column." }),
});

type ColumnSettings = ConfigOf<typeof choiceColumnFields>;

const TASK_FILE = "task.json";
const TASK = "multipleChoice";
const columnTable = defineConfig({ name: TASK_FILE, fields: choiceColumnFields });

/** Settings as the library has columns: null means left out. */
export function choiceColumns({ contextColumn, ...columns }: ColumnSettings): ChoiceColumns & ChoiceLabels {
  const { questionColumn, optionColumns, labelColumn, firstLabel } = columns;
  const context = contextColumn === null ? {} : { contextColumn };
  return { ...context, questionColumn, optionColumns, labelColumn, firstLabel };
}

/** Name and content of the file beside a model. */
export function choiceTaskFile(columns: GivenChoiceColumns): readonly [name: string, text: string] {
  const given = Object.fromEntries(
    Object.keys(choiceColumnFields).flatMap((name) => {
      const value = columns[name as keyof GivenChoiceColumns];
      return value === undefined ? [] : [[name, value]];
    }),
  );
  return [TASK_FILE, formatJson({ task: TASK, ...given })];
}

/**
 * The columns of a model's folder; none where it does not say.
 * @throws {ConfigError} for a damaged `task.json`
 */
export async function readChoiceColumns(folder: string): Promise<GivenChoiceColumns> {
  const path = join(folder, TASK_FILE);
  if (!existsSync(path)) return {};
  const { task: _task, ...saved } = await readJsonObject(path);
  return choiceColumns(columnTable.resolve(saved as Parameters<typeof columnTable.resolve>[0]));
}
