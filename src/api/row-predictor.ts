/** @file What any fine-tuned model says of the rows of a table. */
import { DataError } from "../base/errors.ts";
import { TextPositions } from "../data/alignment.ts";
import { chunksOf } from "../data/chunk.ts";
import { type ColumnRef, cellText, cellValue, type TableRow } from "../data/table.ts";
import { familyOf } from "../models/families.ts";
import type { Answer, AnswerCandidate } from "../tasks/answer-span.ts";
import { isRegression } from "../tasks/regression-data.ts";
import { type AnswerModel, loadAnswerModel } from "./answer-model.ts";
import { openAnswerer } from "./answer-questions.ts";
import { type Chooser, loadChooser, openChooser } from "./chooser.ts";
import { type FeatureModel, isFeatureModel, loadFeatureModel, openFeaturePredictor } from "./feature-model.ts";
import { generationSettings, openGenerator } from "./generate.ts";
import { loadClassifier, loadPretrained } from "./load.ts";
import type { PretrainedModel, TextClassifier } from "./model.ts";
import { classOf, openPredictor } from "./predict.ts";
import { openScorer } from "./predict-score.ts";
import {
  checkOptions,
  fieldNamer,
  type ModelKind,
  type RowPredictor,
  type RowPredictorOptions,
  usualField,
  withAdded,
} from "./row-prediction.ts";
import { isColumn, isWriterFolder, savedTask, textColumnsOf } from "./saved-task.ts";
import { loadTagger, openTagger, type TaggedText, type Tagger } from "./tagger.ts";

/** Rows that are predicted together where a model takes lists. */
const CHUNK = 512;
const classes: ModelKind = { who: "models that give a class or a number", numColumns: [1, 2], hasLength: true };

/** Classes of texts, with the probability of each. */
export async function classRowPredictor(
  classifier: TextClassifier,
  given: RowPredictorOptions = {},
): Promise<RowPredictor> {
  checkOptions(given, classes);
  const { columns, as = usualField, ...options } = given;
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
export async function featureRowPredictor(model: FeatureModel, given: RowPredictorOptions = {}): Promise<RowPredictor> {
  checkOptions(given, classes);
  const { columns, as = usualField, ...options } = given;
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
export async function tagRowPredictor(tagger: Tagger, given: RowPredictorOptions = {}): Promise<RowPredictor> {
  checkOptions(given, { who: "taggers", numColumns: [1] });
  const { columns, as = usualField, ...options } = given;
  const predictor = await openTagger(tagger, options);
  return {
    task: "tokenClassification",
    predictRows: async function* (source) {
      for await (const rows of chunksOf(source.rows(), CHUNK)) {
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
export async function choiceRowPredictor(chooser: Chooser, given: RowPredictorOptions = {}): Promise<RowPredictor> {
  checkOptions(given, { who: "models that choose", numColumns: [] });
  const { as = usualField, ...options } = given;
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

/** An error that names an item of a list, as one that names its row. */
function withLine(error: unknown, rows: readonly TableRow[], file: string): unknown {
  const row = error instanceof DataError && error.code === "TEXT_EMPTY" ? rows[Number(error.details.id)] : undefined;
  if (row === undefined) return error;
  return new DataError(
    `line ${row.line}: the question or its text has no token: it holds nothing that can be seen. Fill it in, or remove the row.`,
    { code: "TEXT_EMPTY", path: file, details: { line: row.line }, cause: error },
  );
}

/** Answers to questions; an empty text where the model says that there is none. */
export async function answerRowPredictor(model: AnswerModel, given: RowPredictorOptions = {}): Promise<RowPredictor> {
  checkOptions(given, { who: "models that answer questions", numColumns: [2] });
  const { columns = ["question", "context"], as = usualField, ...options } = given;
  const answerer = await openAnswerer(model, options);
  const [questionColumn, contextColumn] = columns;
  return {
    task: "questionAnswering",
    predictRows: async function* (source) {
      for await (const rows of chunksOf(source.rows(), CHUNK)) {
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
        const answers = await answerer.answer(asked).catch((error: unknown) => {
          throw withLine(error, rows, source.name);
        });
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
  given: RowPredictorOptions = {},
): Promise<RowPredictor> {
  checkOptions(given, { who: "models that write", numColumns: [1], hasLength: true, writes: true });
  const { columns = ["source"], as = usualField, generation = {}, batchSize, maxSeqLength, ...options } = given;
  const generator = await openGenerator(model, options);
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
      for await (const all of chunksOf(source.rows(), CHUNK)) {
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

/**
 * Opens the model of a folder for the rows of tables, whatever it was fine-tuned for: classes, numbers, tags, answers, chosen
 * options, or texts to be written.
 * @throws {CheckpointError} NOT_A_CLASSIFIER, and for missing or damaged files
 * @throws {ConfigError} for wrong options
 */
export async function openRowPredictor(folder: string, options: RowPredictorOptions = {}): Promise<RowPredictor> {
  const family = await familyOf(folder);
  const purpose = await family.purposeOf(folder);
  const saved = await savedTask(folder);
  if (isFeatureModel(folder)) {
    const columns = options.columns ?? textColumnsOf(saved);
    return featureRowPredictor(await loadFeatureModel(folder), { ...options, columns });
  }
  if (purpose === "questionAnswering") return answerRowPredictor(await loadAnswerModel(folder), options);
  if (purpose === "tokenClassification") return tagRowPredictor(await loadTagger(folder), options);
  if (purpose === "multipleChoice") return choiceRowPredictor(await loadChooser(folder), options);
  if (await isWriterFolder(folder)) {
    const { sourceColumn, maxSourceLength, maxTargetLength } = saved;
    const room = options.maxSeqLength ?? (typeof maxSourceLength === "number" ? maxSourceLength : undefined);
    const longest = typeof maxTargetLength === "number" ? { maxNewTokens: maxTargetLength } : {};
    const generation = { ...longest, ...(await generationSettings(folder, options.generation)) };
    const columns = options.columns ?? [isColumn(sourceColumn) ? sourceColumn : "source"];
    return writerRowPredictor(await loadPretrained(folder), { ...options, columns, generation, maxSeqLength: room });
  }
  const columns = options.columns ?? textColumnsOf(saved);
  return classRowPredictor(await loadClassifier(folder), { ...options, columns });
}
