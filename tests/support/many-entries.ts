/** @file More entries than are written at a time. */
import { Random } from "../../src/base/random.ts";
import { type TableRow, TableSource } from "../../src/data/table.ts";
import { numTopics, textOf } from "./paired-words.ts";

export const numEntries = 13_000;

/** The first entries, as a table in constant memory. */
export function firstEntries(count: number): TableSource {
  return new TableSource(
    "many.jsonl",
    async function* (): AsyncGenerator<TableRow> {
      const random = new Random(2, "entries");
      for (let i = 0; i < count; i++) {
        yield { fields: { id: `q${i}`, text: textOf(`ask${i % numTopics}`, random), number: i }, line: i + 1 };
      }
    },
    {},
  );
}

export const manyEntries = firstEntries(numEntries);
