/** @file Questions with the texts that answer them, in memory. */
import { DataError } from "../base/errors.ts";
import { type ColumnRef, cellText, cellValue, type TableRow, type TableSource } from "../data/table.ts";
import { type EncodedText, encodeTexts, type TextEncoding } from "./encode-text.ts";
import { showLabels, sortLabels } from "./label-name.ts";
import { rowLabel } from "./table-text.ts";

/** What a pair says beside its texts: nothing but that they belong together, a number, or a class. */
export type PairLabel = "none" | "score" | "class";

/** A question, its passage, and passages that are none of its own. */
export interface RetrievalExample {
  /** The question, its passage, then the negatives. */
  readonly texts: readonly EncodedText[];
  /** Which of the table's distinct questions it is. */
  readonly question: number;
  /** Of the passage and of each negative: which of the table's groups it belongs to. */
  readonly groups: readonly number[];
  /** A class's number, a score brought into [0, 1], or 0. */
  readonly label: number;
}

/** A text that may answer, and the group that it belongs to. */
export interface Passage {
  readonly text: EncodedText;
  readonly group: number;
}

export interface RetrievalData {
  readonly name: string;
  readonly examples: readonly RetrievalExample[];
  /** For each distinct question the groups that answer it. */
  readonly answers: readonly ReadonlySet<number>[];
  /** Class names, where pairs have classes. */
  readonly labels: readonly string[];
  readonly numNegatives: number;
  /** All distinct passages, those of the corpus included. */
  readonly passages: readonly Passage[];
  /** Texts that were cut. */
  readonly numTruncated: number;
}

/** Columns of a table of pairs. */
export interface RetrievalColumns {
  readonly questionColumn: ColumnRef;
  readonly passageColumn: ColumnRef;
  /** Names what a passage stands for: passages of one group answer the same questions. */
  readonly groupColumn: ColumnRef | undefined;
  /** Holds a text or a list of texts that do not answer the question. */
  readonly negativeColumn: ColumnRef | undefined;
  readonly labelColumn: ColumnRef;
}

export interface RetrievalReading extends TextEncoding, RetrievalColumns {
  readonly pairLabel: PairLabel;
  /** Numbers that stand for "nothing in common" and "the same". */
  readonly scoreRange: readonly [number, number] | undefined;
}

export interface RetrievalReadOptions {
  /** Class names; those found in the table when left out. */
  readonly labels?: readonly string[] | undefined;
  /** Whether the column of negatives is left alone; false by default. */
  readonly ignoresNegatives?: boolean | undefined;
  /** A table of more passages, with the columns of the passage and its group. */
  readonly corpus?: TableSource | undefined;
}

/** Numbers for texts, in the order in which they are first seen. */
class Numbering {
  private readonly numbers = new Map<string, number>();

  numberOf(text: string): number {
    const number = this.numbers.get(text) ?? this.numbers.size;
    this.numbers.set(text, number);
    return number;
  }
}

/** A text of a table, and where it stands. */
interface Cell {
  readonly text: string;
  readonly column: ColumnRef;
  readonly row: TableRow;
  readonly file: string;
}

function cellOf(row: TableRow, column: ColumnRef, file: string): Cell {
  return { text: cellText(row, column, file), column, row, file };
}

function negativeCells(row: TableRow, column: ColumnRef, file: string): readonly Cell[] {
  const value = cellValue(row, column, file);
  const texts: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (texts.every((text): text is string => typeof text === "string")) {
    return texts.map((text) => ({ text, column, row, file }));
  }
  throw new DataError(
    `line ${row.line}: column ${column} must hold a text, or a list of texts; got ${JSON.stringify(value)?.slice(0, 60)}. Fill it in, or remove the row.`,
    { code: "CELL_NOT_TEXT", path: file, details: { line: row.line, column } },
  );
}

/** The group that a passage belongs to: what its column says, or its own text. */
export function groupOf(row: TableRow, passage: string, column: ColumnRef | undefined, file: string): string {
  return column === undefined ? `text ${passage}` : `group ${cellText(row, column, file)}`;
}

/** Texts encoded; the same text of several cells once. */
async function encodeCells(encoding: TextEncoding, cells: readonly Cell[]): Promise<Map<string, EncodedText>> {
  const distinct = [...new Map(cells.map((cell) => [cell.text, cell])).values()];
  const encoded = await encodeTexts(
    encoding,
    distinct.map(({ text }) => text),
    (input) => {
      const { row, column, file } = distinct[input]!;
      throw new DataError(`line ${row.line}: the text in column ${column} is empty. Fill it in, or remove the row.`, {
        code: "TEXT_EMPTY",
        path: file,
        details: { line: row.line, column },
      });
    },
  );
  return new Map(distinct.map(({ text }, i) => [text, encoded[i]!]));
}

interface RawLabel {
  readonly label: string;
  readonly line: number;
}

/** Where scores lie between the least and the largest. */
function scoresOf(labels: readonly RawLabel[], column: ColumnRef, range: RetrievalReading["scoreRange"], file: string) {
  const scores = labels.map(({ label, line }) => {
    const value = Number(label);
    if (Number.isFinite(value)) return value;
    throw new DataError(
      `line ${line}: column ${column} must hold a number; got ${JSON.stringify(label)}. Correct the row, or choose the loss classification.`,
      { code: "LABEL_NOT_NUMBER", path: file, details: { line, label } },
    );
  });
  const [low, high] = range ?? [scores.reduce((a, b) => Math.min(a, b)), scores.reduce((a, b) => Math.max(a, b))];
  if (high > low) return scores.map((score) => (score - low) / (high - low));
  throw new DataError(`all scores are ${low}; there must be two at least. Is it the right labelColumn?`, {
    code: "LABELS_TOO_FEW",
    path: file,
  });
}

function classesOf(labels: readonly RawLabel[], known: readonly string[] | undefined, file: string) {
  const names = known ?? sortLabels(labels.map(({ label }) => label));
  if (names.length < 2) {
    throw new DataError(`there must be two classes at least; got ${showLabels(names)}. Is it the right labelColumn?`, {
      code: "LABELS_TOO_FEW",
      path: file,
    });
  }
  const values = labels.map(({ label, line }) => {
    const number = names.indexOf(label);
    if (number !== -1) return number;
    throw new DataError(
      `line ${line}: the label ${JSON.stringify(label)} is not known; known are ${showLabels(names)}. Correct the row.`,
      { code: "LABEL_UNKNOWN", path: file, details: { line, label } },
    );
  });
  return { names, values };
}

interface RawPair {
  readonly question: Cell;
  readonly passages: readonly Cell[];
  readonly group: string;
}

async function readPairs(source: TableSource, columns: RetrievalColumns): Promise<RawPair[]> {
  const { questionColumn, passageColumn, groupColumn, negativeColumn } = columns;
  const { name: file } = source;
  const pairs: RawPair[] = [];
  for await (const row of source.rows()) {
    const passage = cellOf(row, passageColumn, file);
    const negatives = negativeColumn === undefined ? [] : negativeCells(row, negativeColumn, file);
    const wanted = pairs[0] === undefined ? negatives.length : pairs[0].passages.length - 1;
    if (negatives.length !== wanted) {
      throw new DataError(
        `line ${row.line}: every row must have as many negatives as the first, ${wanted}; got ${negatives.length}. Make them equal.`,
        { code: "NEGATIVES_UNEVEN", path: file, details: { line: row.line } },
      );
    }
    pairs.push({
      question: cellOf(row, questionColumn, file),
      passages: [passage, ...negatives],
      group: groupOf(row, passage.text, groupColumn, file),
    });
  }
  return pairs;
}

/**
 * Reads all pairs of a table.
 * @throws {DataError} TEXT_EMPTY, COLUMN_UNKNOWN, CELL_NOT_TEXT, NEGATIVES_UNEVEN, LABEL_MISSING, LABEL_NOT_NUMBER,
 * LABEL_UNKNOWN, LABELS_TOO_FEW, naming file and line
 */
export async function readRetrieval(
  source: TableSource,
  reading: RetrievalReading,
  { labels: known, corpus, ignoresNegatives = false }: RetrievalReadOptions = {},
): Promise<RetrievalData> {
  const { passageColumn, groupColumn, labelColumn, pairLabel, scoreRange } = reading;
  const { name: file } = source;
  const pairs = await readPairs(source, ignoresNegatives ? { ...reading, negativeColumn: undefined } : reading);
  const more: (Cell & { readonly group: string })[] = [];
  if (corpus !== undefined) {
    for await (const row of corpus.rows()) {
      const cell = cellOf(row, passageColumn, corpus.name);
      more.push({ ...cell, group: groupOf(row, cell.text, groupColumn, corpus.name) });
    }
  }
  const rawLabels: RawLabel[] =
    pairLabel === "none"
      ? []
      : pairs.map(({ question: { row } }) => ({ label: rowLabel(row, labelColumn, file), line: row.line }));
  const encoded = await encodeCells(reading, [
    ...pairs.flatMap(({ question, passages }) => [question, ...passages]),
    ...more,
  ]);
  const { names, values } =
    pairLabel === "class"
      ? classesOf(rawLabels, known, file)
      : { names: [], values: pairLabel === "score" ? scoresOf(rawLabels, labelColumn, scoreRange, file) : [] };

  const [questions, groups] = [new Numbering(), new Numbering()];
  // A negative that is a passage elsewhere belongs to that passage's group; others are groups of their own.
  const groupNames = new Map(
    [...more, ...pairs.map(({ passages: [first], group }) => ({ ...first!, group }))].map((cell) => [
      cell.text,
      cell.group,
    ]),
  );
  const answers: Set<number>[] = [];
  const passages = new Map<string, Passage>();
  const addPassage = (text: string, name: string): number => {
    const group = groups.numberOf(name);
    const key = `${group} ${text}`;
    if (!passages.has(key)) passages.set(key, { text: encoded.get(text)!, group });
    return group;
  };
  const examples = pairs.map(({ question, passages: own, group }, i): RetrievalExample => {
    const number = questions.numberOf(question.text);
    const ownGroups = own.map(({ text }, place) =>
      addPassage(text, place === 0 ? group : (groupNames.get(text) ?? `text ${text}`)),
    );
    answers[number] ??= new Set();
    // Texts of scored or classed pairs need not belong together.
    if (pairLabel === "none") answers[number].add(ownGroups[0]!);
    const texts = [question, ...own].map(({ text }) => encoded.get(text)!);
    return { texts, question: number, groups: ownGroups, label: values[i] ?? 0 };
  });
  for (const { text, group } of more) addPassage(text, group);
  return {
    name: file,
    examples,
    answers,
    labels: names,
    numNegatives: pairs[0]!.passages.length - 1,
    passages: [...passages.values()],
    numTruncated: [...encoded.values()].filter(({ truncated }) => truncated).length,
  };
}
