import type { PrecisionRecall } from "./classification.ts";
import type { ClassificationReport } from "./classification-report.ts";

/** A figure to four places; `–` where it is undefined. */
function figure(value: number): string {
  return Number.isNaN(value) ? "–" : value.toFixed(4);
}

/** Rows of cells as lines: the first column flush left, the others flush right, two spaces between. */
function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join("  ")
      .trimEnd(),
  );
}

function averageRow(name: string, own: PrecisionRecall, support: number): string[] {
  return [name, figure(own.precision), figure(own.recall), figure(own.f1), String(support)];
}

/** A classification report as plain text: key figures, a table per class with averages, the confusion matrix. */
export function formatClassificationReport(report: ClassificationReport): string {
  const names = report.classes.map((own) => own.name);
  const keys = columns([
    ["examples", String(report.numExamples)],
    ["accuracy", figure(report.accuracy)],
    ["Matthews correlation", figure(report.matthews)],
    ...(report.binary === undefined ? [] : [[`F1 (${names[1]})`, figure(report.binary.f1)]]),
  ]);
  const table = columns([
    ["class", "precision", "recall", "F1", "rows"],
    ...report.classes.map((own) => averageRow(own.name, own, own.support)),
    averageRow("macro average", report.macro, report.numExamples),
    averageRow("micro average", report.micro, report.numExamples),
    averageRow("weighted average", report.weighted, report.numExamples),
  ]);
  const confusion = columns([
    ["true \\ predicted", ...names],
    ...report.confusion.map((row, index) => [names[index]!, ...row.map(String)]),
  ]);
  return `${[keys, table, confusion].map((lines) => lines.join("\n")).join("\n\n")}\n`;
}
