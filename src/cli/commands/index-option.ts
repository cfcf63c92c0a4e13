/** @file What the commands of an index share: its settings, tables and questions. */
import { existsSync, statSync } from "node:fs";
import { InvalidArgumentError } from "commander";
import { type LoadedClassifier, loadClassifier, loadPretrained } from "../../api/load.ts";
import { savedTask } from "../../api/saved-task.ts";
import type { OpenIndexOptions, VectorIndex } from "../../api/vector-index.ts";
import { ConfigError, DataError } from "../../base/errors.ts";
import { cellText, type TableRow, TableSource } from "../../data/table.ts";
import { defineFields, integerField } from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";
import type { Given } from "../define-command.ts";
import { parseWord } from "../field-option.ts";
import { count } from "../number-text.ts";
import type { Session } from "../session.ts";
import { givenEngine, useFields } from "../settings/engine.ts";
import { openTable, tableFields } from "../settings/text.ts";
import { standardTable } from "./standard-input.ts";

/** How models compute. */
export const computing = defineFields({
  batchSize: integerField({ default: 32, min: 1, doc: "Texts of 128 tokens computed together, more if shorter." }),
  ...useFields,
});
export const askFields = defineFields({ ...tableFields, ...computing });
export const askTable = defineConfig({ name: "index", fields: askFields });

/** The index's model by another folder. */
export const modelOption = [
  "-m, --model <folder>",
  "the index's model, where it is not at its place any more",
] as const;

/** A table by its file's name, or JSON lines of standard input. */
export function sourceOf(data: string, reading: Parameters<typeof openTable>[1]): TableSource {
  if (data === "-") return standardTable(reading);
  const table = openTable(data, reading);
  const found = existsSync(data) ? statSync(data) : undefined;
  // What comes through a pipe is gone when it is read.
  const isPipe = found?.isFIFO() === true || found?.isCharacterDevice() === true;
  return isPipe ? new TableSource(data, () => table.rows(), { isReadOnce: true }) : table;
}

/** A column by name, or by number from 0. */
export function columnOf(word: string): string | number {
  const value = parseWord(word);
  return typeof value === "number" && Number.isInteger(value) && value >= 0 ? value : word;
}

type Computing = Parameters<typeof givenEngine>[0] & {
  readonly batchSize: number;
  readonly quantize: "none" | "int8";
};

/** How models compute, as the library takes it. */
export function computingOptions(session: Session, settings: Computing) {
  const { batchSize, quantize, engine, dtype, threads, binding, onednnLibrary, plugin } = settings;
  const onNotice = (message: string): void => session.say(message);
  return { batchSize, quantize, onNotice, ...givenEngine({ engine, dtype, threads, binding, onednnLibrary, plugin }) };
}

/** An index's options: the model that `--model` names. */
export async function openingOptions(session: Session, given: Given, settings: Computing): Promise<OpenIndexOptions> {
  const model = given.model === undefined ? {} : { model: await loadPretrained(given.model as string) };
  return { ...computingOptions(session, settings), ...model };
}

/**
 * The re-ranker that `--reranker` names.
 * @throws {ConfigError} CONFIG_VALUE for a classifier of single texts, which cannot tell whether one answers another
 */
export async function givenReranker(given: Given): Promise<{ readonly reranker?: LoadedClassifier }> {
  if (given.reranker === undefined) return {};
  const folder = given.reranker as string;
  const { textColumns } = await savedTask(folder);
  if (textColumns !== undefined && !(Array.isArray(textColumns) && textColumns.length === 2)) {
    const message = `must be a classifier of pairs; ${folder} was fine-tuned on single texts (textColumns ${JSON.stringify(textColumns)}). Fine-tune one with two text columns.`;
    throw new ConfigError("index", [{ path: "--reranker", message, code: "CONFIG_VALUE" }]);
  }
  return { reranker: await loadClassifier(folder) };
}

/** Says so where the making or adding of a source was broken off: what is searched is not all. */
export async function sayUnfinished(session: Session, index: VectorIndex): Promise<void> {
  const { folder, building, pending, numEntries } = await index.info();
  if (building !== null) {
    session.say(
      `${folder}: making it of ${building} has not come to its end; these are its first ${count(numEntries)} entries.`,
    );
  }
  for (const source of pending)
    session.say(`${folder}: adding ${source} has not come to its end; a part of it is missing.`);
}

/** A count of the command line. */
export function parseCount(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1) return value;
  throw new InvalidArgumentError("must be a whole number, 1 at least.");
}

/** Rows asked together. */
export const CHUNK = 256;

/** The text of a row's column. @throws {DataError} TEXT_EMPTY, FIELD_TAKEN */
export function askedText(row: TableRow, column: string | number, taken: readonly string[], file: string): string {
  const text = cellText(row, column, file);
  const field = taken.find((name) => Object.hasOwn(row.fields, name));
  if (text.trim() !== "" && field === undefined) return text;
  const rule = field === undefined ? `the text in column ${column} is empty.` : `has a field ${field} of its own.`;
  const fix = field === undefined ? "Fill it in, or remove the row." : "Give --as another name.";
  throw new DataError(`line ${row.line}: ${rule} ${fix}`, {
    code: field === undefined ? "TEXT_EMPTY" : "FIELD_TAKEN",
    path: file,
    details: { line: row.line },
  });
}
