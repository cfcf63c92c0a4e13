/** @file Texts with numbers in memory. */
import { DataError } from "../base/errors.ts";
import type { ColumnRef, TableSource } from "../data/table.ts";
import { encodedRows, rowLabel, type TextReading } from "./table-text.ts";
import type { LabelledText, TaskFacts, TextTaskData } from "./text-task.ts";

/** The least and the largest number of the training data. */
export type ScoreRange = readonly [low: number, high: number];

/** What a table of texts with numbers holds. */
export interface RegressionData extends TextTaskData {
  readonly facts: TaskFacts;
}

/** The name that Hugging Face gives the one output. */
export const scoreName = "LABEL_0";
const RANGE_KEY = "label_range";

/** What config.json says of a model of numbers: Hugging Face's `problem_type`, and our range of the training data. */
export function regressionFacts([low, high]: ScoreRange): TaskFacts {
  return { problem_type: "regression", [RANGE_KEY]: [low, high] };
}

/** Whether config.json says that a model gives numbers. */
export function isRegression(facts: Readonly<Record<string, unknown>> | undefined): boolean {
  return facts?.problem_type === "regression";
}

/** The range that config.json says; all numbers where it says none, as models of other makers. */
export function scoreRange(facts: Readonly<Record<string, unknown>> | undefined): ScoreRange {
  const range = facts?.[RANGE_KEY];
  const [low, high]: unknown[] = Array.isArray(range) ? range : [];
  if (typeof low === "number" && typeof high === "number") return [low, high];
  return [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
}

/**
 * Reads all rows of a table of texts with numbers.
 * @throws {DataError} LABEL_NOT_NUMBER, LABEL_MISSING, TEXT_EMPTY and the table's own
 */
export async function readScored(
  source: TableSource,
  reading: TextReading & { readonly labelColumn: ColumnRef },
): Promise<RegressionData> {
  const { labelColumn } = reading;
  const examples: LabelledText[] = [];
  for await (const chunk of encodedRows(source, reading)) {
    for (const { row, text } of chunk) {
      const label = rowLabel(row, labelColumn, source.name);
      const value = Number(label);
      if (!Number.isFinite(value)) {
        throw new DataError(
          `line ${row.line}: column ${labelColumn} must hold a number; got ${JSON.stringify(label)}. Correct the row, or learn classes (textClassification).`,
          { code: "LABEL_NOT_NUMBER", path: source.name, details: { line: row.line, label } },
        );
      }
      examples.push({ ...text, label: value });
    }
  }
  const values = examples.map(({ label }) => label);
  const range = values.reduce<ScoreRange>(
    ([low, high], value) => [Math.min(low, value), Math.max(high, value)],
    [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  );
  return {
    name: source.name,
    examples,
    labels: [scoreName],
    numTruncated: examples.filter(({ truncated }) => truncated).length,
    numSkipped: 0,
    facts: regressionFacts(range),
  };
}
