/** @file Figures of judged rows, each made of one small vector of numbers a row, so that they can be counted again and again. */
import { bleuOfParts } from "../evaluation/bleu.ts";
import {
  areEntityTags,
  confusionMatrix,
  entitiesOf,
  matthewsCorrelation,
  pearsonCorrelation,
  precisionRecall,
  rouge,
  sentenceBleu,
  spearmanCorrelation,
} from "../evaluation/index.ts";
import type { JudgedOf, JudgedRow, JudgedTask } from "./judged-row.ts";

/** The numbers of one row. */
export type RowNumbers = readonly number[];

/** A figure that is known row by row. */
export interface RowFigure<R extends JudgedRow = JudgedRow> {
  readonly name: string;
  readonly higherIsBetter: boolean;
  numbers(row: R): RowNumbers;
  of(rows: readonly RowNumbers[]): number;
}

const mean = (rows: readonly RowNumbers[], scale = 1): number =>
  (scale * rows.reduce((sum, [value]) => sum + value!, 0)) / rows.length;

/** Mean of a number of each row. */
function meanFigure<R extends JudgedRow>(name: string, value: (row: R) => number, scale = 1): RowFigure<R> {
  return { name, higherIsBetter: true, numbers: (row) => [value(row)], of: (rows) => mean(rows, scale) };
}

/** Nats of what is true. */
const lossOf = (probability: number | undefined): number => -Math.log(Math.max(probability ?? 0, Number.MIN_VALUE));

const column = (rows: readonly RowNumbers[], index: number): Float64Array =>
  Float64Array.from(rows, (row) => row[index]!);

function classFigures(rows: readonly JudgedOf<"textClassification">[]): RowFigure<JudgedOf<"textClassification">>[] {
  const names = [...new Set(rows.flatMap(({ probabilities, label }) => [...Object.keys(probabilities), label]))];
  const numbers = new Map(names.map((name, i) => [name, i]));
  const matrixOf = (own: readonly RowNumbers[]) => confusionMatrix(column(own, 0), column(own, 1), names.length);
  const counted = (name: string, of: (matrix: ReturnType<typeof matrixOf>) => number) => ({
    ...{ name, higherIsBetter: true },
    numbers: ({ label, prediction }: JudgedOf<"textClassification">) => [numbers.get(label)!, numbers.get(prediction)!],
    of: (own: readonly RowNumbers[]) => of(matrixOf(own)),
  });
  return [
    meanFigure("accuracy", ({ label, prediction }) => Number(label === prediction)),
    counted("f1", (matrix) => precisionRecall(matrix, names.length === 2 ? "binary" : "macro").f1),
    counted("macroF1", (matrix) => precisionRecall(matrix, "macro").f1),
    counted("matthews", matthewsCorrelation),
    {
      ...meanFigure<JudgedOf<"textClassification">>("loss", ({ label, probabilities }) => lossOf(probabilities[label])),
      higherIsBetter: false,
    },
  ];
}

function scoreFigures(): RowFigure<JudgedOf<"textRegression">>[] {
  const numbers = ({ label, prediction }: JudgedOf<"textRegression">): RowNumbers => [label, prediction];
  return [
    {
      name: "pearson",
      higherIsBetter: true,
      numbers,
      of: (rows) => pearsonCorrelation(column(rows, 0), column(rows, 1)),
    },
    {
      name: "spearman",
      higherIsBetter: true,
      numbers,
      of: (rows) => spearmanCorrelation(column(rows, 0), column(rows, 1)),
    },
    {
      ...meanFigure<JudgedOf<"textRegression">>(
        "meanSquaredError",
        ({ label, prediction }) => (label - prediction) ** 2,
      ),
      higherIsBetter: false,
    },
  ];
}

/** Entities found, predicted and true of one sentence. */
function entityCounts({ label, prediction }: JudgedOf<"tokenClassification">): RowNumbers {
  const [truth, predicted] = [entitiesOf(label), entitiesOf(prediction)];
  const known = new Set(truth.map(({ type, start, end }) => `${start} ${end} ${type}`));
  const found = predicted.filter(({ type, start, end }) => known.has(`${start} ${end} ${type}`)).length;
  return [found, predicted.length, truth.length];
}

function sums(rows: readonly RowNumbers[], size: number): number[] {
  const totals = new Array<number>(size).fill(0);
  for (const row of rows) for (let i = 0; i < size; i++) totals[i]! += row[i]!;
  return totals;
}

const quotient = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);

function tagFigures(rows: readonly JudgedOf<"tokenClassification">[]): RowFigure<JudgedOf<"tokenClassification">>[] {
  const accuracy: RowFigure<JudgedOf<"tokenClassification">> = {
    ...{ name: "accuracy", higherIsBetter: true },
    numbers: ({ label, prediction }) => [label.filter((tag, i) => tag === prediction[i]).length, label.length],
    of: (own) => {
      const [right, total] = sums(own, 2);
      return quotient(right!, total!);
    },
  };
  if (!areEntityTags(rows.flatMap(({ label, prediction }) => [...label, ...prediction]))) return [accuracy];
  const entities = (name: string, of: (found: number, predicted: number, support: number) => number) => ({
    ...{ name, higherIsBetter: true, numbers: entityCounts },
    of: (own: readonly RowNumbers[]) => {
      const [found, predicted, support] = sums(own, 3);
      return of(found!, predicted!, support!);
    },
  });
  return [
    entities("f1", (found, predicted, support) => quotient(2 * found, predicted + support)),
    entities("precision", (found, predicted) => quotient(found, predicted)),
    entities("recall", (found, _predicted, support) => quotient(found, support)),
    accuracy,
  ];
}

function textFigures(): RowFigure<JudgedOf<"sequenceToSequence">>[] {
  const kinds = ["rouge1", "rouge2", "rougeL"] as const;
  return [
    {
      ...{ name: "bleu", higherIsBetter: true },
      numbers: ({ label, prediction }) => {
        const { counts, totals, hypothesisLength, referenceLength } = sentenceBleu(prediction, [label]);
        return [hypothesisLength, referenceLength, ...counts, ...totals];
      },
      of: (rows) =>
        bleuOfParts(
          rows.map(([hypothesisLength, referenceLength, ...rest]) => ({
            ...{ hypothesisLength: hypothesisLength!, referenceLength: referenceLength! },
            ...{ counts: rest.slice(0, rest.length / 2), totals: rest.slice(rest.length / 2) },
          })),
        ),
    },
    ...kinds.map((kind) =>
      meanFigure<JudgedOf<"sequenceToSequence">>(
        kind,
        ({ label, prediction }) => rouge(prediction, label, { kinds: [kind] })[kind].fmeasure,
      ),
    ),
    meanFigure("exact", ({ label, prediction }) => Number(label.trim() === prediction.trim())),
  ];
}

/** The rows of a task. */
function rowsOf<T extends JudgedTask>(rows: readonly JudgedRow[], task: T): readonly JudgedOf<T>[] {
  return rows.filter((row): row is JudgedOf<T> => row.task === task);
}

/**
 * The figures of a task, the usual one first. They know the classes of all rows that are given, those of several runs too.
 * @param rows of one task
 */
export function rowFigures(rows: readonly JudgedRow[]): readonly RowFigure[] {
  const task = rows[0]?.task;
  // Each list is only ever given rows of its own task.
  const any = (figures: readonly unknown[]): readonly RowFigure[] => figures as readonly RowFigure[];
  switch (task) {
    case undefined:
      return [];
    case "textClassification":
      return any(classFigures(rowsOf(rows, task)));
    case "textRegression":
      return any(scoreFigures());
    case "tokenClassification":
      return any(tagFigures(rowsOf(rows, task)));
    case "questionAnswering":
      return any([
        meanFigure<JudgedOf<"questionAnswering">>("f1", ({ f1 }) => f1, 100),
        meanFigure<JudgedOf<"questionAnswering">>("exact", ({ exact }) => exact, 100),
      ]);
    case "sequenceToSequence":
      return any(textFigures());
    case "multipleChoice":
      return any([
        meanFigure<JudgedOf<"multipleChoice">>("accuracy", ({ label, prediction }) => Number(label === prediction)),
        {
          ...meanFigure<JudgedOf<"multipleChoice">>("loss", ({ label, probabilities }) => lossOf(probabilities[label])),
          higherIsBetter: false,
        },
      ]);
  }
}

/** All figures of judged rows, by name. */
export function judgedFigures(rows: readonly JudgedRow[]): Record<string, number> {
  return Object.fromEntries(
    rowFigures(rows).map((figure) => [figure.name, figure.of(rows.map((row) => figure.numbers(row)))]),
  );
}
