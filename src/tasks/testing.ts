/** @file Tiny data for tests of tasks. */
import { type TableRow, TableSource } from "../data/table.ts";
import { WordPiece } from "../tokenizers/wordpiece.ts";

const specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
export const testWords = ["good", "fine", "bad", "poor", "film", "book", "plot", "cast", "very", "so", "the", "a"];

/** A tokenizer of whole words. */
export function testTokenizer(): WordPiece {
  return WordPiece.fromVocabulary([...specials, ...testWords]);
}

/** A table in memory; lines count from 1, as in a file without a header. */
export function testTable(name: string, rows: readonly Readonly<Record<string, unknown>>[]): TableSource {
  return new TableSource(
    name,
    async function* (): AsyncGenerator<TableRow> {
      for (const [i, fields] of rows.entries()) yield { fields, line: i + 1 };
    },
    {},
  );
}
