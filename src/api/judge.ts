/** @file What models make of each held-out item, beside what is true: the rows that reports and comparisons are made from. */
import { DataError } from "../base/errors.ts";
import type { QuestionData } from "../data/question-file.ts";
import { type ColumnRef, cellText, type TableRow, TableSource } from "../data/table.ts";
import type { TaggedSource } from "../data/tagged-sentence.ts";
import { chineseAnswerFigures, squadFigures, squadTwoFigures, type TagScheme } from "../evaluation/index.ts";
import type { JudgedAnswer, JudgedChoice, JudgedClass, JudgedScore, JudgedTags } from "../selection/index.ts";
import { askedOf, readChoices } from "../tasks/choice-data.ts";
import { showLabels } from "../tasks/label-name.ts";
import { columnList, rowLabel } from "../tasks/table-text.ts";
import { schemedTags, sentencesIn } from "../tasks/tagging-data.ts";
import type { AnswerModel } from "./answer-model.ts";
import { type AnswerOptions, openAnswerer } from "./answer-questions.ts";
import { type ChooseOptions, type Chooser, openChooser, usualColumns } from "./chooser.ts";
import { type FeatureModel, openFeaturePredictor } from "./feature-model.ts";
import type { TextClassifier } from "./model.ts";
import { classOf, type LabelledRowOptions, type PredictOptions, withPredictor } from "./predict.ts";
import { withScorer } from "./predict-score.ts";
import { openTagger, schemeOf, type Tagger, type TagOptions } from "./tagger.ts";

/** Sentences that are tagged together. */
const CHUNK = 512;

const textsOf = (row: TableRow, columns: readonly ColumnRef[], file: string): string[] =>
  columns.map((column) => cellText(row, column, file));

/** The rows of a table that are wanted. */
function filtered(source: TableSource, wanted: (row: TableRow) => boolean): TableSource {
  const rows = async function* (): AsyncGenerator<TableRow> {
    for await (const row of source.rows()) if (wanted(row)) yield row;
  };
  return new TableSource(source.name, rows, {});
}

/** The class of a row. @throws {DataError} LABEL_UNKNOWN, LABEL_MISSING */
function classIn(row: TableRow, file: string, reading: ClassReading): string {
  const { labels, labelColumn, labelNames, skipLabels } = reading;
  const label = rowLabel(row, labelColumn, file);
  const name = Object.hasOwn(labelNames, label) ? labelNames[label]! : label;
  if (labels.includes(name) || skipLabels.includes(label)) return name;
  throw new DataError(
    `line ${row.line}: the label ${JSON.stringify(label)} is not known; known are ${showLabels(labels)}. Correct the row, or name it in skipLabels.`,
    { code: "LABEL_UNKNOWN", path: file, details: { line: row.line, label, labels } },
  );
}

interface ClassReading {
  readonly labels: readonly string[];
  readonly labelColumn: ColumnRef;
  readonly labelNames: Readonly<Record<string, string>>;
  readonly skipLabels: readonly string[];
}

/** The number of a row. @throws {DataError} LABEL_NOT_NUMBER, LABEL_MISSING */
function numberIn(row: TableRow, file: string, labelColumn: ColumnRef): number {
  const text = rowLabel(row, labelColumn, file);
  const label = Number(text);
  if (Number.isFinite(label)) return label;
  throw new DataError(
    `line ${row.line}: column ${labelColumn} must hold a number; got ${JSON.stringify(text)}. Correct the row.`,
    { code: "LABEL_NOT_NUMBER", path: file, details: { line: row.line } },
  );
}

/**
 * What a head over stored vectors makes of labelled texts: of classes, or of numbers where it has one output.
 * @throws {DataError} as `judgeClasses` and `judgeScores`
 */
export async function judgeFeatures(
  model: FeatureModel,
  source: TableSource,
  { labelColumn = "label", skipLabels = [], labelNames = {}, ...options }: PredictOptions & LabelledRowOptions = {},
): Promise<(JudgedClass | JudgedScore)[]> {
  const { labels } = model;
  const file = source.name;
  const columns = columnList(options.textColumns ?? "text");
  const reading = { labels, labelColumn, skipLabels, labelNames };
  const wanted = filtered(source, (row) => !skipLabels.includes(rowLabel(row, labelColumn, file)));
  const predictor = await openFeaturePredictor(model, options);
  try {
    const rows: (JudgedClass | JudgedScore)[] = [];
    for await (const { row, scores } of predictor.scoreRows(wanted, columns as readonly [ColumnRef])) {
      const item = { line: row.line, texts: textsOf(row, columns, file) };
      if (labels.length === 1) {
        const label = numberIn(row, file, labelColumn);
        rows.push({ task: "textRegression", ...item, label, prediction: scores[0]! });
        continue;
      }
      const { label: prediction, probabilities } = classOf(labels, scores);
      rows.push({ task: "textClassification", ...item, label: classIn(row, file, reading), prediction, probabilities });
    }
    return rows;
  } finally {
    await predictor.dispose();
  }
}

/**
 * What a classifier makes of labelled texts.
 * @throws {DataError} LABEL_UNKNOWN, LABEL_MISSING, TEXT_EMPTY, COLUMN_UNKNOWN, naming file and line
 */
export async function judgeClasses(
  classifier: TextClassifier,
  source: TableSource,
  { labelColumn = "label", skipLabels = [], labelNames = {}, ...options }: PredictOptions & LabelledRowOptions = {},
): Promise<JudgedClass[]> {
  const { labels } = classifier;
  const file = source.name;
  const columns = columnList(options.textColumns ?? "text");
  const reading = { labels, labelColumn, skipLabels, labelNames };
  const truth = (row: TableRow): string => classIn(row, file, reading);
  // Skipped rows are left out before they cost anything.
  const wanted = filtered(source, (row) => {
    truth(row);
    return !skipLabels.includes(rowLabel(row, labelColumn, file));
  });
  return withPredictor(classifier, options, async (predictor) => {
    const rows: JudgedClass[] = [];
    for await (const { fields, line, label, probabilities } of predictor.predictRows(wanted, options)) {
      const row = { fields, line };
      rows.push({
        ...{ task: "textClassification", line, texts: textsOf(row, columns, file) },
        ...{ label: truth(row), prediction: label, probabilities },
      });
    }
    return rows;
  });
}

/**
 * What a model of numbers makes of texts with numbers.
 * @throws {DataError} LABEL_NOT_NUMBER, LABEL_MISSING, TEXT_EMPTY, COLUMN_UNKNOWN, naming file and line
 */
export async function judgeScores(
  model: TextClassifier,
  source: TableSource,
  { labelColumn = "label", ...options }: PredictOptions & Pick<LabelledRowOptions, "textColumns" | "labelColumn"> = {},
): Promise<JudgedScore[]> {
  const columns = columnList(options.textColumns ?? "text");
  return withScorer(model, options, async (scorer) => {
    const rows: JudgedScore[] = [];
    for await (const { fields, line, score } of scorer.predictRows(source, options)) {
      const row = { fields, line };
      const label = numberIn(row, source.name, labelColumn);
      rows.push({ task: "textRegression", line, texts: textsOf(row, columns, source.name), label, prediction: score });
    }
    return rows;
  });
}

/**
 * What a tagger makes of tagged sentences.
 * @param options `scheme`: what tags of entities are converted to; by default BIOES or IOB2, by the model's labels; null keeps them
 * @throws {DataError} TAGS_MISSING, TAG_UNKNOWN, and the file's own
 */
export async function judgeTags(
  tagger: Tagger,
  source: TaggedSource,
  {
    scheme = schemeOf(tagger.labels),
    ...options
  }: TagOptions & { readonly scheme?: TagScheme | null | undefined } = {},
): Promise<JudgedTags[]> {
  const sentences = await sentencesIn(source);
  const truth = schemedTags(source.name, sentences, { scheme, labels: tagger.labels }).tags;
  const predictor = await openTagger(tagger, options);
  try {
    const rows: JudgedTags[] = [];
    for (let from = 0; from < sentences.length; from += CHUNK) {
      const part = sentences.slice(from, from + CHUNK);
      const tagged = await predictor.tag(part.map(({ words }) => words));
      part.forEach(({ words, line }, i) => {
        const found = tagged[i]!.words;
        rows.push({
          ...{ task: "tokenClassification", line, words, label: truth[from + i]! },
          ...{ prediction: found.map(({ tag }) => tag), probabilities: found.map(({ probability }) => probability) },
        });
      });
    }
    return rows;
  } finally {
    await predictor.dispose();
  }
}

/**
 * What a model answers to questions with right answers; `exact` and `f1` are those of the model's own measure.
 * @throws {DataError} TEXT_EMPTY
 */
export async function judgeAnswers(
  model: AnswerModel,
  data: QuestionData,
  options: AnswerOptions = {},
): Promise<JudgedAnswer[]> {
  const { measure, allowsNone } = model.answering;
  const answerer = await openAnswerer(model, options);
  try {
    const { answers } = await answerer.evaluate(data);
    return data.questions.map(({ id, question, context, answers: right }): JudgedAnswer => {
      const { text, start, end, probability } = answers.get(id)!;
      const keys = [{ id, answers: right.map((answer) => answer.text) }];
      const texts = new Map([[id, text]]);
      const figures = allowsNone
        ? squadTwoFigures(keys, texts)
        : measure === "squad"
          ? squadFigures(keys, texts)
          : chineseAnswerFigures(keys, texts);
      const isNone = text === "";
      return {
        ...{ task: "questionAnswering", id, question, context },
        label: right.map((answer) => ({ text: answer.text, start: answer.start ?? null })),
        ...{ prediction: text, start: isNone ? null : start, end: isNone ? null : end, probability },
        ...{ exact: figures.exact / 100, f1: figures.f1 / 100 },
      };
    });
  } finally {
    await answerer.dispose();
  }
}

/**
 * What a model makes of questions with options and their right ones.
 * @throws {DataError} LABEL_UNKNOWN, LABEL_MISSING and those of `chooseRows`, naming file and line
 */
export async function judgeChoices(
  model: Chooser,
  source: TableSource,
  options: ChooseOptions = {},
): Promise<JudgedChoice[]> {
  const { tokenizer, family, maxSeqLength } = model;
  const columns = { ...usualColumns, ...model.columns };
  const { examples } = await readChoices(source, { ...columns, tokenizer, framing: family.framing, maxSeqLength });
  const chooser = await openChooser(model, options);
  try {
    const rows: JudgedChoice[] = [];
    for await (const { fields, line, choice, probabilities } of chooser.chooseRows(source)) {
      const { context = "", question, options: own } = askedOf({ fields, line }, columns, source.name);
      const { label } = examples[rows.length]!;
      const asked = { line, question, context, options: own };
      rows.push({ task: "multipleChoice", ...asked, label, prediction: choice, probabilities });
    }
    return rows;
  } finally {
    await chooser.dispose();
  }
}
