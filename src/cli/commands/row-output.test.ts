import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "csv-parse/sync";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Session } from "../session.ts";
import { formatOfName, rowLines, writeRows } from "./row-output.ts";
import { parseSeeds, parseShares } from "./seed-option.ts";

const row = (fields: Record<string, unknown>, added: Record<string, unknown> = {}, line = 1) => ({
  fields,
  added,
  line,
  text: "x",
});

test("an end by a signal leaves no file, and the old one where there was one (bug: a hidden part that stays)", async () => {
  const folder = mkdtempSync(join(tmpdir(), "firth-rows-out-"));
  const [session, output] = [new Session({}), join(folder, "out.jsonl")];
  const place = { format: "jsonl", output, source: "in" } as const;
  const rows = async function* (controller?: AbortController) {
    yield row({ n: 1 });
    controller?.abort(new Error("by hand"));
    yield row({ n: 2 });
  };
  const stopped = (controller: AbortController) =>
    writeRows(session, rows(controller), { ...place, signal: controller.signal });
  await expect(stopped(new AbortController())).rejects.toThrow("by hand");
  expect(readdirSync(folder)).toEqual([]);
  expect(await writeRows(session, rows(), place)).toBe(2);
  await expect(stopped(new AbortController())).rejects.toThrow("by hand");
  expect(readdirSync(folder)).toEqual(["out.jsonl"]);
  expect(readFileSync(output, "utf8")).toBe('{"n":1}\n{"n":2}\n');
  rmSync(folder, { recursive: true });
});

describe("rows as lines", () => {
  test("CSV gives every text back, whatever is in it (bug: quotes, commas, line ends, spaces at the ends)", () => {
    const cell = fc.string({ unit: fc.constantFrom(..."a,\"\n\r 'é日;\t"), maxLength: 8 });
    fc.assert(
      fc.property(fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 5 }), (rows) => {
        const lines = rowLines("csv", "in");
        const text = rows.flatMap(([a, b]) => lines(row({ id: 1, a }, { b }))).join("\n");
        expect(parse(text, { columns: true, record_delimiter: "\n" })).toEqual(
          rows.map(([a, b]) => ({ id: "1", a, b })),
        );
      }),
    );
  });

  test("lists and objects are JSON; another field in a later row is refused by its line", () => {
    const lines = rowLines("csv", "in.jsonl");
    expect(lines(row({ a: null }, { p: { x: 0.5 }, list: [1] }))).toEqual(["a,p,list", ',"{""x"":0.5}",[1]']);
    expect(() => lines(row({ a: 1, other: 2 }, { p: {}, list: [] }, 7))).toThrow(
      /in\.jsonl: line 7: .*other is not in all/,
    );
    expect(() => lines(row({}, { p: {}, list: [] }, 8))).toThrow(/line 8: .*a is not in all/);
  });

  test("names say the form", () => {
    expect([formatOfName("a.csv"), formatOfName("b.TXT"), formatOfName("c.jsonl"), formatOfName(undefined)]).toEqual([
      ...["csv", "text", "jsonl", "jsonl"],
    ]);
    // JSON lines under the name of a table.
    expect(() => formatOfName("d.tsv")).toThrow(
      /--output: rows are written as JSON lines, CSV or text; got the name d\.tsv/,
    );
    expect(rowLines("text", "in")(row({ a: 1 }))).toEqual(["x"]);
    expect(rowLines("jsonl", "in")(row({ a: 1 }, { b: [2] }))).toEqual(['{"a":1,"b":[2]}']);
  });
});

test("seeds and shares of the command line (bug: an empty part that is 0)", () => {
  expect(parseSeeds("1,2, 3")).toEqual([1, 2, 3]);
  expect(parseShares("1%,0.1,100%")).toEqual([0.01, 0.1, 1]);
  for (const wrong of ["1,,2", "a", "-1", "1.5"]) expect(() => parseSeeds(wrong)).toThrow(/whole numbers/);
  for (const wrong of ["0%", "101%", "2", "1%,", "x"]) expect(() => parseShares(wrong)).toThrow(/shares in/);
});
