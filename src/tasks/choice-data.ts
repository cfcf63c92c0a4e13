/** @file Questions with options to choose from, in the rows of a table. */
import { DataError } from "../base/errors.ts";
import { chunksOf } from "../data/chunk.ts";
import { type ColumnRef, cellText, cellValue, type TableRow, type TableSource } from "../data/table.ts";
import { type EncodedText, encodeTexts, type TextEncoding } from "./encode-text.ts";
import { rowLabel } from "./table-text.ts";

/** A question and its options. */
export interface AskedChoice {
  /** What the question is about; undefined where it stands alone. */
  readonly context?: string | undefined;
  readonly question: string;
  /** Two at least. */
  readonly options: readonly string[];
}

/** Where a table has them. */
export interface ChoiceColumns {
  /** Of the text that the question is about (an article, a first sentence, a premise); undefined: there is none. */
  readonly contextColumn?: ColumnRef | undefined;
  readonly questionColumn: ColumnRef;
  /** A column whose cells are lists of texts (JSON Lines), or a column for each option; cells at the end may be empty. */
  readonly optionColumns: readonly ColumnRef[];
}

export interface ChoiceReading extends TextEncoding, ChoiceColumns {}

/** What the column of the right option holds. */
export interface ChoiceLabels {
  readonly labelColumn: ColumnRef;
  /** Which number the first option has there. Letters (A, B, …) and an option's own text are understood too. */
  readonly firstLabel: number;
}

/** A question as texts that are read one by one, an option in each. */
export interface EncodedChoice {
  readonly options: readonly EncodedText[];
}

/** `label` is the number of the right option, from 0. */
export interface ChoiceExample extends EncodedChoice {
  readonly label: number;
}

/** What a table of questions holds. */
export interface ChoiceData {
  readonly name: string;
  readonly examples: readonly ChoiceExample[];
  /** Questions that were longer than maxSeqLength with one of their options. */
  readonly numTruncated: number;
}

/** A row, its question, and the same encoded. */
export interface EncodedChoiceRow extends EncodedChoice {
  readonly row: TableRow;
  readonly asked: AskedChoice;
}

/** Questions encoded at a time. */
const CHUNK = 1_024;

/** A blank that the option fills. */
const BLANK = /_+/;

/**
 * The two texts that are read together for each option: question and option, or where there is a context that, and the
 * question with the option behind it, or in its blank (`_`).
 * @source the blank: transformers' examples for RACE and SWAG (`utils_multiple_choice`)
 */
export function choiceTexts({ context, question, options }: AskedChoice): [string, string][] {
  return options.map((option) => {
    if (context === undefined) return [question, option];
    const filled = BLANK.test(question) ? question.replace(BLANK, () => option) : `${question} ${option}`;
    return [context, filled.trim()];
  });
}

function refuse(code: string, file: string, line: number, message: string): never {
  throw new DataError(`line ${line}: ${message}`, { code, path: file, details: { line } });
}

function optionsOf(row: TableRow, columns: readonly ColumnRef[], file: string): string[] {
  const [first] = columns as readonly [ColumnRef];
  const cell =
    columns.length === 1 ? cellValue(row, first, file) : columns.map((column) => cellText(row, column, file));
  if (!Array.isArray(cell) || cell.some((option) => typeof option !== "string")) {
    const got = JSON.stringify(cell)?.slice(0, 60);
    const message = `column ${first} must hold a list of texts; got ${got}. Give such a list, or name a column for each option.`;
    return refuse("CELL_NOT_LIST", file, row.line, message);
  }
  const texts = cell as string[];
  const count = columns.length === 1 ? texts.length : texts.findLastIndex((text) => text.trim() !== "") + 1;
  const options = texts.slice(0, count);
  const empty = options.findIndex((option) => option.trim() === "");
  if (empty >= 0) refuse("TEXT_EMPTY", file, row.line, `option ${empty} is empty. Fill it in, or remove the row.`);
  if (options.length < 2) {
    const message = `a question needs two options at least; got ${options.length}. Add one, or remove the row.`;
    refuse("OPTIONS_TOO_FEW", file, row.line, message);
  }
  return options;
}

/**
 * The question of a row.
 * @throws {DataError} CELL_NOT_LIST, OPTIONS_TOO_FEW, TEXT_EMPTY, COLUMN_UNKNOWN, CELL_NOT_TEXT, naming file and line
 */
export function askedOf(row: TableRow, columns: ChoiceColumns, file: string): AskedChoice {
  const { contextColumn, questionColumn, optionColumns } = columns;
  const options = optionsOf(row, optionColumns, file);
  const question = cellText(row, questionColumn, file);
  const context = contextColumn === undefined ? undefined : cellText(row, contextColumn, file);
  const [what, text] = context === undefined ? [questionColumn, question] : [contextColumn, context];
  if (text.trim() === "") {
    refuse("TEXT_EMPTY", file, row.line, `the text in column ${what} is empty. Fill it in, or remove the row.`);
  }
  return { context, question, options };
}

/** The number of the right option, as a table says it. */
function labelOf(row: TableRow, { options }: AskedChoice, { labelColumn, firstLabel }: ChoiceLabels, file: string) {
  const text = rowLabel(row, labelColumn, file);
  const same = options.flatMap((option, i) => (option.trim() === text ? [i] : []));
  const number = /^\d+$/.test(text)
    ? Number(text) - firstLabel
    : /^[A-Z]$/.test(text)
      ? text.charCodeAt(0) - "A".charCodeAt(0)
      : same.length === 1
        ? same[0]!
        : -1;
  if (number >= 0 && number < options.length) return number;
  const last = firstLabel + options.length - 1;
  const message = `the label ${JSON.stringify(text)} names none of the ${options.length} options; it must be ${firstLabel} to ${last}, a letter from A, or an option's own text. Correct it, or set firstLabel.`;
  return refuse("LABEL_UNKNOWN", file, row.line, message);
}

/** Encodes questions. @param onEmpty called for a question without any token in one of its texts; must throw */
export async function encodeChoices(
  encoding: TextEncoding,
  questions: readonly AskedChoice[],
  onEmpty: (question: number) => never,
): Promise<EncodedChoice[]> {
  const texts = questions.map(choiceTexts);
  const owner = texts.flatMap((pairs, question) => pairs.map(() => question));
  const encoded = await encodeTexts(encoding, texts.flat(), (input) => onEmpty(owner[input]!));
  let at = 0;
  return texts.map(({ length }) => {
    const options = encoded.slice(at, at + length);
    at += length;
    return { options };
  });
}

/**
 * The rows of a table with their questions, in order and in constant memory.
 * @throws {DataError} as {@link askedOf}
 */
export async function* encodedChoices(
  source: TableSource,
  reading: ChoiceReading,
): AsyncGenerator<readonly EncodedChoiceRow[]> {
  const { name } = source;
  for await (const rows of chunksOf(source.rows(), CHUNK)) {
    const asked = rows.map((row) => askedOf(row, reading, name));
    const encoded = await encodeChoices(reading, asked, (question) => {
      return refuse("TEXT_EMPTY", name, rows[question]!.line, "the question or an option has no token. Correct it.");
    });
    yield rows.map((row, i) => ({ row, asked: asked[i]!, ...encoded[i]! }));
  }
}

/**
 * Reads all questions of a table, with their right options.
 * @throws {DataError} LABEL_UNKNOWN, LABEL_MISSING, and as {@link askedOf}
 */
export async function readChoices(source: TableSource, reading: ChoiceReading & ChoiceLabels): Promise<ChoiceData> {
  const examples: ChoiceExample[] = [];
  for await (const rows of encodedChoices(source, reading)) {
    for (const { row, asked, options } of rows) {
      examples.push({ options, label: labelOf(row, asked, reading, source.name) });
    }
  }
  const numTruncated = examples.filter(({ options }) => options.some(({ truncated }) => truncated)).length;
  return { name: source.name, examples, numTruncated };
}
