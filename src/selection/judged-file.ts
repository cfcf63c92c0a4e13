/** @file Files of judged rows: one JSON object a line. */
import { existsSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { DataError } from "../base/errors.ts";
import { fileLines } from "../data/file-lines.ts";
import { parseJsonLine } from "../data/json-lines.ts";
import { writeLinesAtomic } from "../formats/write-lines.ts";
import { type JudgedRow, judgedTasks } from "./judged-row.ts";

/** Name of the file in a run's folder. */
export const judgedFile = "predictions.jsonl";

/** Writes judged rows. @throws {CheckpointError} DISK_FULL, NOT_WRITABLE */
export async function writeJudged(path: string, rows: readonly JudgedRow[]): Promise<void> {
  const lines = function* (): Generator<string> {
    for (const row of rows) yield JSON.stringify(row);
  };
  await writeLinesAtomic(path, lines());
}

const isText = (value: unknown): boolean => typeof value === "string";
const isNumber = (value: unknown): boolean => typeof value === "number";
const isList = (value: unknown): boolean => Array.isArray(value);
const isObject = (value: unknown): boolean => typeof value === "object" && value !== null && !Array.isArray(value);

/** What the fields of a task's rows must be. */
const fields: Readonly<Record<JudgedRow["task"], Readonly<Record<string, (value: unknown) => boolean>>>> = {
  textClassification: { texts: isList, label: isText, prediction: isText, probabilities: isObject },
  textRegression: { texts: isList, label: isNumber, prediction: isNumber },
  tokenClassification: { words: isList, label: isList, prediction: isList, probabilities: isList },
  questionAnswering: {
    ...{ id: isText, question: isText, context: isText, label: isList, prediction: isText },
    ...{ exact: isNumber, f1: isNumber },
  },
  sequenceToSequence: { source: isText, label: isText, prediction: isText },
  multipleChoice: {
    ...{ question: isText, context: isText, options: isList, label: isNumber, prediction: isNumber },
    probabilities: isList,
  },
};

function checked(value: Record<string, unknown>, file: string, line: number, task: unknown): JudgedRow {
  const own = judgedTasks.find((known) => known === value.task);
  const refuse = (rule: string): never => {
    throw new DataError(`line ${line}: ${rule} Give the predictions that firth finetune or firth evaluate wrote.`, {
      code: "PREDICTIONS_LAYOUT",
      path: file,
      details: { line },
    });
  };
  if (own === undefined) {
    return refuse(`task must be one of ${judgedTasks.join(", ")}; got ${JSON.stringify(value.task) ?? "none"}.`);
  }
  if (task !== undefined && task !== own)
    refuse(`must be of the task of the lines before, ${String(task)}; got ${own}.`);
  const wrong = Object.entries(fields[own]).find(([name, isRight]) => !isRight(value[name]));
  if (wrong !== undefined) {
    refuse(`${wrong[0]} has a value that cannot be; got ${JSON.stringify(value[wrong[0]])?.slice(0, 60) ?? "none"}.`);
  }
  return value as unknown as JudgedRow;
}

/** The file of a run's folder. @throws {DataError} PREDICTIONS_MISSING saying which folders below it have one */
async function fileIn(folder: string): Promise<string> {
  const file = join(folder, judgedFile);
  if (existsSync(file)) return file;
  const below = (await readdir(folder)).filter((name) => existsSync(join(folder, name, judgedFile)));
  const fix =
    below.length > 0
      ? `Name one of its runs: ${below.map((name) => join(folder, name)).join(", ")}.`
      : "Runs of firth finetune have one, unless they were made with --no-predictions; firth evaluate --predictions writes one.";
  throw new DataError(`has no ${judgedFile}. ${fix}`, { code: "PREDICTIONS_MISSING", path: folder });
}

/**
 * Reads judged rows.
 * @param path the file, or the folder of the run that has one
 * @throws {DataError} PREDICTIONS_LAYOUT, JSON_INVALID, naming file and line; DATA_EMPTY, PREDICTIONS_MISSING, FILE_MISSING
 */
export async function readJudged(path: string): Promise<JudgedRow[]> {
  const isFolder = (await stat(path).catch(() => undefined))?.isDirectory() === true;
  const file = isFolder ? await fileIn(path) : path;
  const rows: JudgedRow[] = [];
  for await (const { text, line } of fileLines(file)) {
    if (text.trim() !== "") rows.push(checked(parseJsonLine(text, file, line), file, line, rows[0]?.task));
  }
  if (rows.length > 0) return rows;
  throw new DataError("has no predictions.", { code: "DATA_EMPTY", path: file });
}
