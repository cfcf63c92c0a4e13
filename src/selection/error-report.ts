/** @file A page that shows where a model is wrong: confusions, calibration, and its worst examples. */
import { type ReportSection, renderReport } from "../report/index.ts";
import { choiceSections, classSections, scoreSections } from "./class-errors.ts";
import { judgedFigures } from "./judged-figure.ts";
import type { JudgedOf, JudgedRow } from "./judged-row.ts";
import { answerSections, tagSections, textSections } from "./span-errors.ts";

export interface ErrorReportOptions {
  readonly title?: string | undefined;
  /** Of what model on what data. */
  readonly subtitle?: string | undefined;
  /** Worst examples that are shown; 30 by default. */
  readonly numExamples?: number | undefined;
  /** How the weights were chosen, if they were. */
  readonly selection?: string | undefined;
}

function taskSections(rows: readonly JudgedRow[], most: number): ReportSection[] {
  const of = <T extends JudgedRow["task"]>(task: T): JudgedOf<T>[] =>
    rows.filter((row): row is JudgedOf<T> => row.task === task);
  switch (rows[0]?.task) {
    case undefined:
      return [];
    case "textClassification":
      return classSections(of("textClassification"), most);
    case "textRegression":
      return scoreSections(of("textRegression"), most);
    case "tokenClassification":
      return tagSections(of("tokenClassification"), most);
    case "questionAnswering":
      return answerSections(of("questionAnswering"), most);
    case "sequenceToSequence":
      return textSections(of("sequenceToSequence"), most);
    case "multipleChoice":
      return choiceSections(of("multipleChoice"), most);
  }
}

/**
 * A page about a model's errors on held-out data: its figures, per class too, confusions, calibration, a scatter for numbers,
 * and the worst examples with probabilities and marked parts. It needs nothing else and is readable without its script.
 * @param rows of one task, at least one
 */
export function errorReport(rows: readonly JudgedRow[], options: ErrorReportOptions = {}): string {
  const { title = "Where the model is wrong", subtitle, numExamples = 30, selection } = options;
  const figures = Object.entries(judgedFigures(rows)).map(([label, value]) => ({ label, value }));
  return renderReport({
    title,
    ...(subtitle === undefined ? {} : { subtitle }),
    sections: [
      { kind: "figures", figures: [...figures, { label: "items", value: rows.length }] },
      ...(selection === undefined ? [] : [{ kind: "text", title: "Weights", paragraphs: [selection] } as const]),
      ...taskSections(rows, numExamples),
    ],
  });
}
