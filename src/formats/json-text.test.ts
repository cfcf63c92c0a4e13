import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { array, assert, constantFrom, jsonValue, property } from "fast-check";
import { afterEach, beforeEach, expect, it } from "vitest";
import { readJsonObject } from "./json-file.ts";
import { findJsonProblem } from "./json-text.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "firth-json-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const parses = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

it("accepts whatever JSON.stringify writes", () => {
  assert(property(jsonValue(), (value) => findJsonProblem(JSON.stringify(value, null, 1)) === undefined));
});

it("agrees with JSON.parse on what is JSON, for texts made of its own pieces", () => {
  const piece = constantFrom(
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    '"a"',
    '"\\u00e9"',
    '"\\x"',
    "1",
    "-",
    "01",
    "1e5",
    "true",
    " ",
    "\n",
  );
  assert(
    property(array(piece, { maxLength: 9 }), (pieces) => {
      const text = pieces.join("");
      const problem = findJsonProblem(text);
      return problem?.rule.endsWith("occurs twice") === true || (problem === undefined) === parses(text);
    }),
    { numRuns: 3000, seed: 1 },
  );
});

it.each([
  ['{\n  "a": 1,\n  "b" 2\n}', 3, 7, ': expected, found "2"'],
  ['{"a": [1, 2,]}', 1, 13, 'value expected, found "]"'],
  ['{"a": 1', 1, 8, ", or } expected, the text ends here"],
  ["", 1, 1, "value expected, the text ends here"],
  ['{"a": {"b": 1, "c": 2, "b": 3}}', 1, 24, 'key "b" occurs twice'],
  ['{"a": 1, "\\u0061": 2}', 1, 10, "occurs twice"],
  ["{} x", 1, 4, "end expected"],
])("points at the place: %j", (text, line, column, rule) => {
  expect(findJsonProblem(text)).toMatchObject({ line, column });
  expect(findJsonProblem(text)!.rule).toContain(rule);
});

it("allows the same key in different objects", () => {
  expect(findJsonProblem('[{"a": {"a": 1}}, {"a": 2}]')).toBeUndefined();
});

it("names file, line and column; takes a byte order mark; refuses lists and bytes that are not UTF-8", async () => {
  const path = join(folder, "config.json");
  await writeFile(path, '\ufeff{"a": 1}');
  expect(await readJsonObject(path)).toEqual({ a: 1 });
  await writeFile(path, '{\n"a": tru}');
  await expect(readJsonObject(path)).rejects.toThrow(`${path}: line 2, column 6: not valid JSON`);
  await writeFile(path, "[]");
  await expect(readJsonObject(path)).rejects.toMatchObject({ code: "JSON_NOT_OBJECT" });
  await writeFile(path, Buffer.from([0x22, 0xff, 0x22]));
  await expect(readJsonObject(path)).rejects.toMatchObject({ code: "NOT_UTF8" });
  await expect(readJsonObject(join(folder, "none.json"))).rejects.toMatchObject({ code: "MISSING_FILE" });
});
