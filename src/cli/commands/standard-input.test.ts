import process from "node:process";
import { Readable } from "node:stream";
import { afterEach, expect, it, vi } from "vitest";
import type { TableRow, TableSource } from "../../data/table.ts";
import { standardLines, standardTable } from "./standard-input.ts";

/** Puts bytes on standard input, in pieces that cut characters. */
function give(content: string | Buffer, size = 3): void {
  const whole = Buffer.from(content as string);
  const pieces = Array.from({ length: Math.ceil(whole.length / size) }, (_, i) =>
    whole.subarray(i * size, (i + 1) * size),
  );
  vi.spyOn(process, "stdin", "get").mockReturnValue(Readable.from(pieces) as unknown as typeof process.stdin);
}
afterEach(() => vi.restoreAllMocks());

async function rows(table: TableSource): Promise<TableRow[]> {
  const all: TableRow[] = [];
  for await (const row of table.rows()) all.push(row);
  return all;
}

it("is read by its line ends alone, without a byte order mark (bugs: a row cut at U+2028, which JSON may hold; a first row that is no JSON)", async () => {
  const text = "one\u2028two\u2029three é 日 😀\u0085";
  give(`\uFEFF${JSON.stringify({ text })}\r\n\n{"text":"last"}`);
  expect(await rows(standardTable())).toEqual([
    { fields: { text }, line: 1 },
    { fields: { text: "last" }, line: 3 },
  ]);
  give("first\u2028line\n\nthird");
  expect(await standardLines()).toEqual(["first\u2028line", "", "third"]);
});

it("says which line is broken, and reads other encodings when told (bug: U+FFFD without a word)", async () => {
  give(Buffer.concat([Buffer.from('{"text":"a"}\n{"text":"caf'), Buffer.from([0xe9]), Buffer.from('"}\n')]), 64);
  await expect(rows(standardTable())).rejects.toMatchObject({ code: "TEXT_NOT_UTF8" });
  give(Buffer.from('{"text":"caf\u00e9"}\n', "latin1"), 64);
  expect(await rows(standardTable({ encoding: "latin1" }))).toEqual([{ fields: { text: "café" }, line: 1 }]);
  give('{"text":"a"}\n[1]\n');
  await expect(rows(standardTable())).rejects.toThrow("standard input: line 2: must be a JSON object; got a list");
  give("");
  await expect(rows(standardTable())).rejects.toMatchObject({ code: "TABLE_EMPTY" });
});
