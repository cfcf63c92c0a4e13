/** @file Texts and what is to be written for them, in memory. */
import { DataError } from "../base/errors.ts";
import { type ColumnRef, cellText, type TableRow, type TableSource } from "../data/table.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";

/** A text and its target, without special tokens, cut to the lengths allowed. */
export interface TextPair {
  readonly source: Int32Array;
  readonly target: Int32Array;
}

/** What a table of texts and targets holds. */
export interface TextPairData {
  /** The table's name. */
  readonly name: string;
  readonly pairs: readonly TextPair[];
  /** The texts as they stand in the table. */
  readonly sources: readonly string[];
  readonly targets: readonly string[];
  /** Pairs of which one side was longer. */
  readonly numTruncated: number;
}

export interface TextPairReading {
  readonly tokenizer: Tokenizer;
  readonly sourceColumn: ColumnRef;
  readonly targetColumn: ColumnRef;
  /** Most tokens of a side, without special ones. */
  readonly maxSourceTokens: number;
  readonly maxTargetTokens: number;
}

/** Rows encoded at a time. */
const CHUNK = 4_096;

/**
 * Reads all rows of a table.
 * @throws {DataError} TEXT_EMPTY, COLUMN_UNKNOWN, CELL_NOT_TEXT, each naming file and line, and the table's own
 */
export async function readTextPairs(table: TableSource, reading: TextPairReading): Promise<TextPairData> {
  const { tokenizer, sourceColumn, targetColumn, maxSourceTokens, maxTargetTokens } = reading;
  const pairs: TextPair[] = [];
  const [sources, targets]: [string[], string[]] = [[], []];
  let numTruncated = 0;
  const read = async (rows: readonly TableRow[]): Promise<void> => {
    const columns = [sourceColumn, targetColumn];
    const texts = rows.flatMap((row) => columns.map((column) => cellText(row, column, table.name)));
    const encoded = await tokenizer.encodeIds(texts);
    rows.forEach(({ line }, i) => {
      const [source, target] = [encoded[2 * i]!.ids, encoded[2 * i + 1]!.ids];
      const empty = [source, target].findIndex(({ length }) => length === 0);
      if (empty !== -1) {
        const column = columns[empty];
        throw new DataError(`line ${line}: the text in column ${column} is empty. Fill it in, or remove the row.`, {
          code: "TEXT_EMPTY",
          path: table.name,
          details: { line, column },
        });
      }
      numTruncated += Number(source.length > maxSourceTokens || target.length > maxTargetTokens);
      pairs.push({ source: source.slice(0, maxSourceTokens), target: target.slice(0, maxTargetTokens) });
      sources.push(texts[2 * i]!);
      targets.push(texts[2 * i + 1]!);
    });
  };
  let rows: TableRow[] = [];
  for await (const row of table.rows()) {
    rows.push(row);
    if (rows.length < CHUNK) continue;
    await read(rows);
    rows = [];
  }
  await read(rows);
  return { name: table.name, pairs, sources, targets, numTruncated };
}
