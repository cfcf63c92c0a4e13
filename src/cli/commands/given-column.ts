/** @file Columns of tables as the command line names them. */
import { ConfigError } from "../../base/errors.ts";
import type { ColumnRef } from "../../data/table.ts";
import { parseWord } from "../field-option.ts";
import { isColumnList, type TaskColumns } from "../settings/task.ts";

/** A column by name, or by number from 0. */
export function givenColumn(word: string): ColumnRef {
  const value = parseWord(word);
  return typeof value === "number" && Number.isInteger(value) ? value : word;
}

/** The columns of `--text`, if it is given. @throws {ConfigError} CONFIG_RANGE for more than two */
export function givenColumns(words: readonly string[] | undefined): TaskColumns["textColumns"] | undefined {
  const text = words?.map(givenColumn);
  if (text === undefined || isColumnList(text)) return text;
  const message = `must be one column or two; got ${text.length}.`;
  throw new ConfigError("--text", [{ path: "textColumns", message, code: "CONFIG_RANGE" }]);
}
