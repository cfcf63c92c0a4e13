/** @file What any fine-tuned model says of the rows of a table. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ConfigError, DataError } from "../base/errors.ts";
import { TextPositions } from "../data/alignment.ts";
import { type ColumnRef, cellText, cellValue, type TableRow, type TableSource } from "../data/table.ts";
import { readJsonObject } from "../formats/json-file.ts";
import { familyOf } from "../models/families.ts";
import type { Answer, AnswerCandidate } from "../tasks/answer-span.ts";
import { isRegression } from "../tasks/regression-data.ts";
import { type AnswerModel, loadAnswerModel } from "./answer-model.ts";
import { openAnswerer } from "./answer-questions.ts";
import { type Chooser, loadChooser, openChooser } from "./chooser.ts";
import { classOf, type FeatureModel, isFeatureModel, loadFeatureModel, openFeaturePredictor } from "./feature-model.ts";
import { type GenerationInput, generationSettings, openGenerator } from "./generate.ts";
import { loadClassifier, loadPretrained } from "./load.ts";
import type { PretrainedModel, TextClassifier } from "./model.ts";
import { openPredictor, type PredictOptions } from "./predict.ts";
import { openScorer } from "./predict-score.ts";
import { loadTagger, openTagger, type TaggedText, type Tagger } from "./tagger.ts";

/** A row, and what a model says of it. */
export interface PredictedRow {
  /** The row's own fields. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Number of the row's first line in the file, from 1. */
  readonly line: number;
  /** What the model says, by the names of fields; none is among the row's own. */
  readonly added: Readonly<Record<string, unknown>>;
  /** The prediction alone, in one line. */
  readonly text: string;
}

export interface RowPredictorOptions extends PredictOptions {
  /**
   * Columns that are read: of a text or a pair; of a question and its text (`question`, `context` by default); of a list of
   * words or a text (`words` where a row has it, else `text`); of the text that another is written for. As in fine-tuning by
   * default, where the folder says it.
   */
  readonly columns?: readonly ColumnRef[] | undefined;
  /** Field for the prediction; `prediction` by default. Others are named after it where it is another. */
  readonly as?: string | undefined;
  /** How a model writes; as its folder says by default. */
  readonly generation?: GenerationInput | undefined;
}

/** A model in an engine that predicts rows of tables; dispose it when done. */
export interface RowPredictor {
  /** What it has learnt. */
  readonly task: string;
  /**
   * Predictions in the order of the rows and in constant memory.
   * @throws {DataError} FIELD_TAKEN, TEXT_EMPTY, COLUMN_UNKNOWN, CELL_NOT_TEXT, naming file and line
   */
  predictRows(source: TableSource): AsyncGenerator<PredictedRow>;
  dispose(): Promise<void>;
}

/** Rows that are predicted together where a model takes lists. */
const CHUNK = 512;
const usual = "prediction";

/** Names of the fields beside the prediction: as they are, or `<field>Start`, … */
export function fieldNamer(as: string): (name: string) => string {
  return (name) => (as === usual ? name : `${as}${name[0]!.toUpperCase()}${name.slice(1)}`);
}

function withAdded(row: TableRow, file: string, added: Record<string, unknown>, text: string): PredictedRow {
  const taken = Object.keys(added).find((name) => Object.hasOwn(row.fields, name));
  if (taken !== undefined) {
    throw new DataError(`line ${row.line}: has a field ${taken} of its own. Give --as another name.`, {
      code: "FIELD_TAKEN",
      path: file,
      details: { line: row.line },
    });
  }
  return { fields: row.fields, line: row.line, added, text: text.replace(/\s*[\r\n]+\s*/g, " ") };
}

/** Rows in lists of at most so many. */
async function* chunks(source: TableSource): AsyncGenerator<readonly TableRow[]> {
  let rows: TableRow[] = [];
  for await (const row of source.rows()) {
    rows.push(row);
    if (rows.length < CHUNK) continue;
    yield rows;
    rows = [];
  }
  if (rows.length > 0) yield rows;
}

/** Classes of texts, with the probability of each. */
export async function classRowPredictor(
  classifier: TextClassifier,
  { columns, as = usual, ...options }: RowPredictorOptions = {},
): Promise<RowPredictor> {
  const shares = fieldNamer(as)("probabilities");
  const textColumns = (columns ?? ["text"]) as readonly [ColumnRef];
  if (isRegression(classifier.preserved)) {
    const scorer = await openScorer(classifier, options);
    return {
      task: "textRegression",
      predictRows: async function* (source) {
        for await (const { score, ...row } of scorer.predictRows(source, { textColumns })) {
          yield withAdded(row, source.name, { [as]: score }, String(score));
        }
      },
      dispose: () => scorer.dispose(),
    };
  }
  const predictor = await openPredictor(classifier, options);
  return {
    task: "textClassification",
    predictRows: async function* (source) {
      for await (const { label, probabilities, ...row } of predictor.predictRows(source, { textColumns })) {
        yield withAdded(row, source.name, { [as]: label, [shares]: probabilities }, label);
      }
    },
    dispose: () => predictor.dispose(),
  };
}

/** The words of a row, or its text. */
function sentenceOf(row: TableRow, column: ColumnRef | undefined, file: string): string | string[] {
  const own = column ?? (Object.hasOwn(row.fields, "words") ? "words" : "text");
  const value = cellValue(row, own, file);
  if (typeof value === "string") return value;
  if (Array.isArray(value) && value.every((word) => typeof word === "string" && word !== "")) return value as string[];
  throw new DataError(
    `line ${row.line}: column ${own} must hold a text, or a list of words; got ${JSON.stringify(value)?.slice(0, 60)}.`,
    { code: "CELL_NOT_TEXT", path: file, details: { line: row.line, column: own } },
  );
}

interface Spanned {
  readonly start: number;
  readonly end: number;
  readonly codePointStart: number;
  readonly codePointEnd: number;
}

/** A place in both countings: `start` and `end` in code points, as Python counts; `utf16…` in units, as JavaScript does. */
const placeOf = ({ start, end, codePointStart, codePointEnd }: Spanned) => ({
  ...{ start: codePointStart, end: codePointEnd },
  ...{ utf16Start: start, utf16End: end },
});

function tagFields({ words, entities }: TaggedText, as: string): Record<string, unknown> {
  const named = fieldNamer(as);
  return {
    [as]: words.map(({ tag }) => tag),
    [named("probabilities")]: words.map(({ probability }) => probability),
    [named("places")]: words.map((word) => ({ word: word.word, ...placeOf(word) })),
    ...(entities && {
      [named("entities")]: entities.map((entity) => {
        const { type, text, firstWord, endWord, probability } = entity;
        return { type, text, firstWord, endWord, probability, ...placeOf(entity) };
      }),
    }),
  };
}

/** Classes or numbers by a head over an encoder's vectors. */
export async function featureRowPredictor(
  model: FeatureModel,
  { columns, as = usual, ...options }: RowPredictorOptions = {},
): Promise<RowPredictor> {
  const { labels } = model;
  const shares = fieldNamer(as)("probabilities");
  const predictor = await openFeaturePredictor(model, options);
  return {
    task: labels.length === 1 ? "textRegression" : "textClassification",
    predictRows: async function* (source) {
      for await (const { row, scores } of predictor.scoreRows(source, (columns ?? ["text"]) as readonly [ColumnRef])) {
        if (labels.length === 1) {
          yield withAdded(row, source.name, { [as]: scores[0]! }, String(scores[0]!));
        } else {
          const { label, probabilities } = classOf(labels, scores);
          yield withAdded(row, source.name, { [as]: label, [shares]: probabilities }, label);
        }
      }
    },
    dispose: () => predictor.dispose(),
  };
}

/** Tags of words, and what they mark. */
export async function tagRowPredictor(
  tagger: Tagger,
  { columns, as = usual, maxSeqLength: _fixed, ...options }: RowPredictorOptions = {},
): Promise<RowPredictor> {
  const predictor = await openTagger(tagger, options);
  return {
    task: "tokenClassification",
    predictRows: async function* (source) {
      for await (const rows of chunks(source)) {
        const tagged = await predictor.tag(rows.map((row) => sentenceOf(row, columns?.[0], source.name)));
        for (const [i, row] of rows.entries()) {
          const own = tagged[i]!;
          yield withAdded(row, source.name, tagFields(own, as), own.words.map(({ tag }) => tag).join(" "));
        }
      }
    },
    dispose: () => predictor.dispose(),
  };
}

/** Options that are chosen: their numbers and texts, and how likely all are. Columns are those of the model's training. */
export async function choiceRowPredictor(
  chooser: Chooser,
  { as = usual, columns: _columns, maxSeqLength: _fixed, ...options }: RowPredictorOptions = {},
): Promise<RowPredictor> {
  const named = fieldNamer(as);
  const predictor = await openChooser(chooser, options);
  return {
    task: "multipleChoice",
    predictRows: async function* (source) {
      for await (const { choice, option, probabilities, ...row } of predictor.chooseRows(source)) {
        const added = { [as]: choice, [named("option")]: option, [named("probabilities")]: probabilities };
        yield withAdded(row, source.name, added, option);
      }
    },
    dispose: () => predictor.dispose(),
  };
}

function answerFields(context: string, answer: Answer, as: string): Record<string, unknown> {
  const named = fieldNamer(as);
  const positions = new TextPositions(context);
  const place = ({ text, start, end, probability }: AnswerCandidate) => {
    const isNone = text === "";
    return {
      text,
      start: isNone ? null : positions.toCodePoint(start),
      end: isNone ? null : positions.toCodePoint(end),
      utf16Start: isNone ? null : start,
      utf16End: isNone ? null : end,
      probability,
    };
  };
  const { text, ...own } = place(answer);
  const beside = Object.entries({ ...own, best: answer.best.map(place) });
  return { [as]: text, ...Object.fromEntries(beside.map(([name, value]) => [named(name), value])) };
}

/** Answers to questions; an empty text where the model says that there is none. */
export async function answerRowPredictor(
  model: AnswerModel,
  { columns = ["question", "context"], as = usual, maxSeqLength: _fixed, ...options }: RowPredictorOptions = {},
): Promise<RowPredictor> {
  if (columns.length !== 2) {
    const message = `must be two columns, of the question and its text; got ${columns.length}.`;
    throw new ConfigError("predict", [{ path: "columns", message, code: "CONFIG_RANGE" }]);
  }
  const answerer = await openAnswerer(model, options);
  const [questionColumn, contextColumn] = columns;
  return {
    task: "questionAnswering",
    predictRows: async function* (source) {
      for await (const rows of chunks(source)) {
        const asked = rows.map((row) => {
          const question = cellText(row, questionColumn!, source.name);
          const context = cellText(row, contextColumn!, source.name);
          if (question.trim() !== "" && context.trim() !== "") return { question, context };
          throw new DataError(`line ${row.line}: the question or its text is empty. Fill it in, or remove the row.`, {
            code: "TEXT_EMPTY",
            path: source.name,
            details: { line: row.line },
          });
        });
        const answers = await answerer.answer(asked);
        for (const [i, row] of rows.entries()) {
          yield withAdded(row, source.name, answerFields(asked[i]!.context, answers[i]!, as), answers[i]!.text);
        }
      }
    },
    dispose: () => answerer.dispose(),
  };
}

/** Texts that are written together, so that the first come soon. */
const WRITTEN_CHUNK = 64;

/** Texts written for texts; sources longer than maxSeqLength, special tokens included, are cut as in fine-tuning. */
export async function writerRowPredictor(
  model: PretrainedModel,
  { columns = ["source"], as = usual, generation = {}, batchSize, maxSeqLength, ...options }: RowPredictorOptions = {},
): Promise<RowPredictor> {
  const { engine, dtype, quantize } = options;
  const generator = await openGenerator(model, { engine, dtype, quantize });
  const { tokenizer } = model;
  const most = maxSeqLength === undefined ? Number.POSITIVE_INFINITY : maxSeqLength - 2;
  const cut = async (texts: readonly string[]): Promise<string[]> => {
    const encoded = await tokenizer.encodeIds(texts);
    return Promise.all(
      texts.map((text, i) =>
        encoded[i]!.ids.length <= most ? text : tokenizer.decode(encoded[i]!.ids.subarray(0, most)),
      ),
    );
  };
  const settings = { ...generation, ...(batchSize === undefined ? {} : { batchSize }) };
  const named = fieldNamer(as);
  return {
    task: "sequenceToSequence",
    predictRows: async function* (source) {
      for await (const all of chunks(source)) {
        for (let from = 0; from < all.length; from += WRITTEN_CHUNK) {
          const rows = all.slice(from, from + WRITTEN_CHUNK);
          const prompts = rows.map((row) => {
            const text = cellText(row, columns[0]!, source.name);
            if (text.trim() !== "") return text;
            throw new DataError(`line ${row.line}: the text in column ${columns[0]} is empty. Fill it in.`, {
              code: "TEXT_EMPTY",
              path: source.name,
              details: { line: row.line },
            });
          });
          const written = await generator.generate(await cut(prompts), settings);
          for (const [i, row] of rows.entries()) {
            const [best, ...others] = written[i]!.map(({ text }) => text.trim());
            const more = others.length === 0 ? {} : { [named("others")]: others };
            const score = written[i]![0]!.score;
            const scored = score === undefined ? {} : { [named("score")]: score };
            yield withAdded(row, source.name, { [as]: best, ...scored, ...more }, best!);
          }
        }
      }
    },
    dispose: () => generator.dispose(),
  };
}

/** What a folder says of its task. */
async function savedTask(folder: string): Promise<Readonly<Record<string, unknown>>> {
  const path = join(folder, "task.json");
  return existsSync(path) ? readJsonObject(path) : {};
}

const isColumn = (value: unknown): value is ColumnRef => typeof value === "string" || typeof value === "number";

/** Whether a folder holds a model that writes a text for another: one that was fine-tuned so, or an encoder–decoder. */
export async function isWriterFolder(folder: string): Promise<boolean> {
  const family = await familyOf(folder);
  if ((await family.purposeOf(folder)) !== "pretraining") return false;
  if ((await savedTask(folder)).task === "sequenceToSequence") return true;
  return (await readJsonObject(join(folder, "config.json"))).is_encoder_decoder === true;
}

/**
 * Opens the model of a folder for the rows of tables, whatever it was fine-tuned for: classes, numbers, tags, answers, chosen
 * options, or texts to be written.
 * @throws {CheckpointError} NOT_A_CLASSIFIER, and for missing or damaged files
 * @throws {ConfigError} for wrong options
 */
export async function openRowPredictor(folder: string, options: RowPredictorOptions = {}): Promise<RowPredictor> {
  const family = await familyOf(folder);
  const purpose = await family.purposeOf(folder);
  if (purpose === "questionAnswering") return answerRowPredictor(await loadAnswerModel(folder), options);
  if (purpose === "tokenClassification") return tagRowPredictor(await loadTagger(folder), options);
  if (purpose === "multipleChoice") return choiceRowPredictor(await loadChooser(folder), options);
  const saved = await savedTask(folder);
  if (await isWriterFolder(folder)) {
    const { sourceColumn, maxSourceLength, maxTargetLength } = saved;
    const room = options.maxSeqLength ?? (typeof maxSourceLength === "number" ? maxSourceLength : undefined);
    const longest = typeof maxTargetLength === "number" ? { maxNewTokens: maxTargetLength } : {};
    const generation = { ...longest, ...(await generationSettings(folder, options.generation)) };
    const columns = options.columns ?? [isColumn(sourceColumn) ? sourceColumn : "source"];
    return writerRowPredictor(await loadPretrained(folder), { ...options, columns, generation, maxSeqLength: room });
  }
  const { textColumns } = saved;
  const isOne = isColumn(textColumns);
  const isList = Array.isArray(textColumns) && textColumns.every(isColumn);
  const named = isOne ? [textColumns] : isList ? (textColumns as readonly ColumnRef[]) : ["text"];
  const columns = options.columns ?? named;
  if (isFeatureModel(folder)) return featureRowPredictor(await loadFeatureModel(folder), { ...options, columns });
  return classRowPredictor(await loadClassifier(folder), { ...options, columns });
}
