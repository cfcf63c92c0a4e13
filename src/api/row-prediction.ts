/** @file What rows of tables and predictions for them are, whatever a model is for. */
import { ConfigError, type ConfigIssue, DataError } from "../base/errors.ts";
import type { ColumnRef, TableRow, TableSource } from "../data/table.ts";
import type { GenerationInput } from "./generate.ts";
import type { PredictOptions } from "./predict.ts";

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

/** Field for the prediction where nothing is said. */
export const usualField = "prediction";

/** Names of the fields beside the prediction: as they are, or `<field>Start`, … */
export function fieldNamer(as: string): (name: string) => string {
  return (name) => (as === usualField ? name : `${as}${name[0]!.toUpperCase()}${name.slice(1)}`);
}

/** A row with what a model says of it. @throws {DataError} FIELD_TAKEN */
export function withAdded(row: TableRow, file: string, added: Record<string, unknown>, text: string): PredictedRow {
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

/** What a kind of model reads and can be told. */
export interface ModelKind {
  /** What they are called in messages. */
  readonly who: string;
  /** How many columns it reads; empty where they are those of its training. */
  readonly numColumns: readonly number[];
  /** Whether texts may be cut to another length than in training. */
  readonly hasLength?: boolean;
  readonly writes?: boolean;
}

/**
 * Refuses options that a model does not have, rather than leaving them out.
 * @throws {ConfigError} all of them together
 */
export function checkOptions(
  { columns, generation = {}, maxSeqLength }: RowPredictorOptions,
  { who, numColumns, hasLength = false, writes = false }: ModelKind,
): void {
  const issues: ConfigIssue[] = [];
  const refuse = (path: string, message: string, code = "CONFIG_UNSUPPORTED") => issues.push({ path, message, code });
  if (!writes) {
    const given = Object.entries(generation).filter(([, value]) => value !== undefined);
    for (const [name] of given) refuse(name, "is for models that write. Leave it out.");
  }
  if (!hasLength && maxSeqLength !== undefined) refuse("maxSeqLength", `is fixed in ${who}. Leave it out.`);
  if (columns !== undefined && !numColumns.includes(columns.length)) {
    if (numColumns.length === 0) refuse("columns", `are those of the training in ${who}. Leave them out.`);
    else refuse("columns", `must be ${numColumns.join(" or ")} for ${who}; got ${columns.length}.`, "CONFIG_RANGE");
  }
  if (issues.length > 0) throw new ConfigError("predict", issues);
}
