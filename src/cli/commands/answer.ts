/** @file `firth predict` and `firth evaluate` with a model that answers questions. */
import { mkdir } from "node:fs/promises";
import { loadAnswerModel } from "../../api/answer-model.ts";
import { type Answerer, type AnswerOptions, openAnswerer } from "../../api/answer-questions.ts";
import { DataError } from "../../base/errors.ts";
import { codePointsBefore } from "../../data/answer-place.ts";
import { placesNotice, questionFile } from "../../data/question-file.ts";
import { type ColumnRef, cellText, type TableRow, type TableSource } from "../../data/table.ts";
import type { AnswerCandidate } from "../../tasks/index.ts";
import { table } from "../number-text.ts";
import { writeAnswerFiles } from "../recipe/answer-seed.ts";
import type { Session } from "../session.ts";

/** Rows that are answered together. */
const CHUNK = 512;

async function withAnswerer(
  folder: string,
  options: AnswerOptions,
  work: (answerer: Answerer) => Promise<void>,
): Promise<void> {
  const answerer = await openAnswerer(await loadAnswerModel(folder), options);
  try {
    await work(answerer);
  } finally {
    await answerer.dispose();
  }
}

/** An answer with places in code points, as files of questions count them; null for "no answer". */
function placed(context: string, { text, start, end, probability }: AnswerCandidate) {
  const place = (unit: number): number | null => (text === "" ? null : codePointsBefore(context, unit));
  return { text, start: place(start), end: place(end), probability };
}

export interface AnswerRows {
  readonly source: TableSource;
  /** Of the question and of the text. */
  readonly columns: readonly [ColumnRef, ColumnRef];
  /** Names of the fields that are added. */
  readonly names: Readonly<Record<"text" | "start" | "end" | "probability" | "best", string>>;
}

/** Names of the fields for an answer: `prediction`, `start`, … or, for another field, `<field>Start`, … */
export function answerFieldNames(as: string, isUsual: boolean): AnswerRows["names"] {
  const named = (name: string): string => (isUsual ? name : `${as}${name[0]!.toUpperCase()}${name.slice(1)}`);
  return {
    text: as,
    ...{ start: named("start"), end: named("end"), probability: named("probability"), best: named("best") },
  };
}

/**
 * Writes each row with its answer as a JSON line.
 * @throws {DataError} FIELD_TAKEN, TEXT_EMPTY, COLUMN_UNKNOWN, naming file and line
 */
export async function answerRows(
  session: Session,
  folder: string,
  { source, columns, names }: AnswerRows,
  options: AnswerOptions,
): Promise<void> {
  await withAnswerer(folder, options, async (answerer) => {
    const flush = async (rows: readonly TableRow[]): Promise<void> => {
      const asked = rows.map((row) => {
        const [question, context] = columns.map((column) => cellText(row, column, source.name)) as [string, string];
        const taken = Object.values(names).find((name) => Object.hasOwn(row.fields, name));
        if (taken !== undefined || question.trim() === "" || context.trim() === "") {
          const rule = taken === undefined ? "the question or its text is empty." : `has a field ${taken} of its own.`;
          const fix = taken === undefined ? "Fill it in, or remove the row." : "Give --as another name.";
          throw new DataError(`line ${row.line}: ${rule} ${fix}`, {
            code: taken === undefined ? "TEXT_EMPTY" : "FIELD_TAKEN",
            path: source.name,
            details: { line: row.line },
          });
        }
        return { question, context };
      });
      const answers = await answerer.answer(asked);
      for (const [i, { fields }] of rows.entries()) {
        const { context } = asked[i]!;
        const { text, start, end, probability } = placed(context, answers[i]!);
        const best = answers[i]!.best.map((candidate) => placed(context, candidate));
        const values = { text, start, end, probability, best };
        const added = Object.entries(names).map(([name, field]) => [field, values[name as keyof typeof values]]);
        await session.line(JSON.stringify({ ...fields, ...Object.fromEntries(added) }));
      }
    };
    let rows: TableRow[] = [];
    for await (const row of source.rows()) {
      rows.push(row);
      if (rows.length < CHUNK) continue;
      await flush(rows);
      rows = [];
    }
    await flush(rows);
  });
}

/** Figures on a file of questions; the answers are written into a folder, if one is given. */
export async function evaluateAnswers(
  session: Session,
  folder: string,
  { file, outputDir }: { readonly file: string; readonly outputDir: string | undefined },
  options: AnswerOptions,
): Promise<void> {
  const data = await questionFile(file);
  const notice = placesNotice(data);
  if (notice !== undefined) session.say(notice);
  await withAnswerer(folder, options, async (answerer) => {
    const { answers, kinds, ...figures } = await answerer.evaluate(data);
    if (outputDir !== undefined) {
      await mkdir(outputDir, { recursive: true });
      await writeAnswerFiles(outputDir, answers, kinds !== undefined);
    }
    const rows = Object.entries(figures).map(([name, value]): [string, string] => [
      name,
      name === "total" ? `${value}` : value.toFixed(4),
    ]);
    session.result({ model: folder, data: file, ...figures, ...kinds }, table(rows));
  });
}
