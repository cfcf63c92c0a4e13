/** @file Labelled texts in memory. */
import { DataError } from "../base/errors.ts";
import type { ColumnRef, TableSource } from "../data/table.ts";
import type { EncodedText } from "./encode-text.ts";
import { showLabels, sortLabels } from "./label-name.ts";
import { encodedRows, rowLabel, type TextReading } from "./table-text.ts";
import type { LabelledText, TextTaskData } from "./text-task.ts";

/** `label` is the number of the class; −100 when it is not known. */
export type ClassificationExample = LabelledText;

/** What a table of labelled texts holds. */
export type ClassificationData = TextTaskData<ClassificationExample>;

export interface LabelledReading extends TextReading {
  readonly labelColumn: ColumnRef;
  /** Rows with one of these labels are left out, e.g. `-` where annotators did not agree. */
  readonly skipLabels: readonly string[];
  /** Class names for labels as they stand in the table; others name their class themselves. */
  readonly labelNames: Readonly<Record<string, string>>;
}

/**
 * Reads all labelled rows of a table.
 * @param labels the class names; found in the table when left out, in the order of its labels: numbers by size, other
 * labels by their characters
 * @throws {DataError} LABEL_UNKNOWN, LABEL_MISSING, LABELS_TOO_FEW, TEXT_EMPTY, DATA_EMPTY and the table's own
 */
export async function readLabelled(
  source: TableSource,
  reading: LabelledReading,
  labels?: readonly string[],
): Promise<ClassificationData> {
  const { labelColumn, skipLabels, labelNames } = reading;
  const nameOf = (label: string): string => (Object.hasOwn(labelNames, label) ? labelNames[label]! : label);
  const file = source.name;
  const known = labels === undefined ? undefined : new Map(labels.map((name, i) => [name, i]));
  let numSkipped = 0;
  const texts: EncodedText[] = [];
  const found: string[] = [];
  const rows = encodedRows(source, reading, (row) => {
    const label = rowLabel(row, labelColumn, file);
    if (skipLabels.includes(label)) {
      numSkipped++;
      return false;
    }
    if (known !== undefined && !known.has(nameOf(label))) {
      throw new DataError(
        `line ${row.line}: the label ${JSON.stringify(label)} is not known; known are ${showLabels(labels!)}. Correct the row, add the label to the training data, or name it in skipLabels.`,
        { code: "LABEL_UNKNOWN", path: file, details: { line: row.line, label, labels } },
      );
    }
    found.push(label);
    return true;
  });
  for await (const chunk of rows) for (const { text } of chunk) texts.push(text);
  if (texts.length === 0) {
    throw new DataError(`all ${numSkipped} rows have labels to skip. Check skipLabels and labelColumn.`, {
      code: "DATA_EMPTY",
      path: file,
    });
  }
  // Ordered as they stand in the table, so that class 1 of 0 and 1 stays class 1 under any name.
  const names = labels ?? [...new Set(sortLabels(found).map(nameOf))];
  if (names.length < 2) {
    throw new DataError(
      `there must be two labels at least; all rows have ${showLabels(names)}. Is column ${labelColumn} the label?`,
      { code: "LABELS_TOO_FEW", path: file },
    );
  }
  const numbers = new Map(names.map((name, i) => [name, i]));
  return {
    name: file,
    examples: texts.map((text, i) => ({ ...text, label: numbers.get(nameOf(found[i]!))! })),
    labels: names,
    numTruncated: texts.filter(({ truncated }) => truncated).length,
    numSkipped,
  };
}
