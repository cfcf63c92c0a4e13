import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DataError } from "../base/errors.ts";
import { csv, tsv } from "./delimited.ts";
import { jsonLines } from "./json-lines.ts";
import { cellText, cellValue, type TableRow, type TableSource } from "./table.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "firth-table-"));
});
afterAll(() => rm(folder, { recursive: true }));

let count = 0;
async function file(content: string): Promise<string> {
  const path = join(folder, `t${count++}`);
  await writeFile(path, content);
  return path;
}

async function rows(table: TableSource): Promise<TableRow[]> {
  const out: TableRow[] = [];
  for await (const row of table.rows()) out.push(row);
  return out;
}

async function failure(table: TableSource): Promise<DataError> {
  const error = await rows(table).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(DataError);
  return error as DataError;
}

describe("tsv", () => {
  it("takes quotes as plain text (bug: CSV quoting swallows line ends from an opening quote on)", async () => {
    const path = await file('text\tlabel\n"Open quote\t1\nsaid "so"\t0\n');
    expect(await rows(tsv(path))).toEqual([
      { fields: { text: '"Open quote', label: "1" }, line: 2 },
      { fields: { text: 'said "so"', label: "0" }, line: 3 },
    ]);
  });

  it("finds out whether there is a header, and obeys when told (bug: first example lost)", async () => {
    const bare = await file("a fine film\t1\na dull one\t0\n");
    expect((await rows(tsv(bare))).map((row) => row.fields["0"])).toEqual(["a fine film", "a dull one"]);
    const named = await file("text\tlabel\nfine\tpos\n");
    expect(await rows(tsv(named))).toHaveLength(1);
    expect(await rows(tsv(named, { header: false }))).toHaveLength(2);
    const pairs = await file("hello\tgoodbye\nyes\tno\n");
    expect(await rows(tsv(pairs))).toHaveLength(2);
    expect((await rows(tsv(bare, { columns: ["s", "y"], header: false })))[0]!.fields).toEqual({
      s: "a fine film",
      y: "1",
    });
  });

  it("refuses a row with another number of columns, naming line and both counts (bug: cells shift in silence)", async () => {
    const path = await file("a\t1\n\nb\t0\textra\nc\t1\n");
    const error = await failure(tsv(path, { header: false }));
    expect(error.message).toContain(`${path}: line 3: a row must have 2 columns; got 3`);
    const lax = await rows(tsv(path, { header: false, extraColumns: "ignore" }));
    expect(lax.map((row) => Object.keys(row.fields).length)).toEqual([2, 2, 2]);
    const few = await failure(tsv(await file("a\t1\nb\n"), { header: false, extraColumns: "ignore" }));
    expect(few.details).toMatchObject({ line: 2, expected: 2, found: 1 });
  });
});

describe("lines", () => {
  it("that end as on old Macs are refused by name where they cannot be told from texts (bug: a table of one row)", async () => {
    const error = await failure(tsv(await file("text\tlabel\rgood\t1\rbad\t0\r")));
    expect(error).toMatchObject({ code: "LINE_ENDS" });
    expect(error.message).toContain("line 1: has a carriage return inside");
    expect(await rows(tsv(await file("text\tlabel\r\ngood\t1\r\n")))).toEqual([
      { fields: { text: "good", label: "1" }, line: 2 },
    ]);
  });

  it("of some megabytes are rows, longer ones are refused by their number (bug: a row cut into two)", async () => {
    const long = "long ".repeat(250_000);
    expect(await rows(jsonLines(await file(`${JSON.stringify({ text: long })}\n`)))).toEqual([
      { fields: { text: long }, line: 1 },
    ]);
    const tooLong = await failure(jsonLines(await file(`{"text":"a"}\n${JSON.stringify({ text: long.repeat(5) })}\n`)));
    expect(tooLong).toMatchObject({ code: "LINE_TOO_LONG" });
    expect(tooLong.message).toContain("line 2: is longer than 4 MiB");
  });
});

describe("csv", () => {
  it("reads quoted commas, quotes and line ends, with the line each row begins at (bug: line of its end)", async () => {
    const path = await file('text,label\r\n"two\r\nlines, ""quoted""",1\r\nplain,0\r\n');
    expect(await rows(csv(path))).toEqual([
      { fields: { text: 'two\r\nlines, "quoted"', label: "1" }, line: 2 },
      { fields: { text: "plain", label: "0" }, line: 4 },
    ]);
  });

  it("takes both usual line ends, mixed too, and those of old Macs (bug: the first one taken for all; labels that end in \\r)", async () => {
    const rowsOf = async (content: string) => rows(csv(await file(content)));
    const wanted = [
      { fields: { text: "a, b", label: "x" }, line: 2 },
      { fields: { text: "c", label: "y" }, line: 3 },
    ];
    expect(await rowsOf('text,label\n"a, b",x\r\nc,y\n')).toEqual(wanted);
    expect(await rowsOf('text,label\r\n"a, b",x\nc,y')).toEqual(wanted);
    expect(await rowsOf('text,label\r"a, b",x\rc,y\r')).toEqual(wanted);
    // One inside a text stays.
    expect(await rowsOf("text,label\na\rb,x\n")).toEqual([{ fields: { text: "a\rb", label: "x" }, line: 2 }]);
    expect(await failure(csv(await file("text,label\n")))).toMatchObject({ code: "TABLE_EMPTY" });
    expect(await failure(csv(await file("")))).toMatchObject({ code: "TABLE_EMPTY" });
  });

  it("points to tsv when quoting is broken", async () => {
    const error = await failure(csv(await file('a,b\nz,0\n"x" y,1\n')));
    expect(error.message).toMatch(/the row at line 3: CSV quoting is broken \((?!.*at line \d)/);
    expect(error.code).toBe("CSV_INVALID");
    expect(error.message).toContain("tsv");
  });

  it("passes the file's own errors through the parser (bug: unhandled stream error)", async () => {
    expect((await failure(csv(join(folder, "none.csv")))).code).toBe("FILE_MISSING");
    expect((await failure(csv(await file("")))).code).toBe("TABLE_EMPTY");
    expect((await failure(csv(await file("text,label\n")))).code).toBe("TABLE_EMPTY");
    expect((await failure(csv(await file("a,a\n1,2\n"), { header: true }))).code).toBe("COLUMN_NAME_TWICE");
  });
});

describe("jsonLines", () => {
  it("keeps every field of every object and names a broken line", async () => {
    const path = await file('{"text":"A. B.","id":7,"tags":["x"]}\n\n{"text":"C."}');
    expect(await rows(jsonLines(path))).toEqual([
      { fields: { text: "A. B.", id: 7, tags: ["x"] }, line: 1 },
      { fields: { text: "C." }, line: 3 },
    ]);
    expect((await failure(jsonLines(await file('{"a":1}\n{"a":')))).details).toMatchObject({ line: 2 });
    expect((await failure(jsonLines(await file("[1]\n")))).code).toBe("JSON_NOT_OBJECT");
  });

  it("is a corpus of one field, a row a document (bug: a blank line inside a text ends the document)", async () => {
    const path = await file('{"t":"A one.\\n\\nB two."}\n{"t":"C three. D four."}\n');
    const found: (readonly string[])[] = [];
    for await (const document of jsonLines(path, { field: "t" }).documents()) found.push(document);
    expect(found).toEqual([
      ["A one.", "B two."],
      ["C three.", "D four."],
    ]);
    const without = jsonLines(path).documents()[Symbol.asyncIterator]().next();
    await expect(without).rejects.toThrow(/Set column/);
  });
});

describe("cellValue", () => {
  const row: TableRow = { fields: { sentence: "x", label: "1" }, line: 9 };
  it("finds columns by name or number, and suggests the nearest name", () => {
    expect(cellValue(row, "label", "f")).toBe("1");
    expect(cellValue(row, 0, "f")).toBe("x");
    expect(() => cellValue(row, "sentense", "f")).toThrow(
      /f: line 9: no column "sentense".*Did you mean "sentence"\?$/,
    );
    expect(() => cellValue(row, 2, "f")).toThrow(/no column 2/);
    expect(() => cellText({ fields: { a: null }, line: 1 }, "a", "f")).toThrow(/must hold text; got null/);
  });
});

const shared = new URL("../../../shared/data/", import.meta.url).pathname;
describe.skipIf(!existsSync(shared))("real tables (skipped where ../shared/data is missing)", () => {
  it.each([
    ["sst2/dev.tsv", tsv, {}, 872, 2],
    ["mrpc/msr-para-train.tsv.gz", tsv, {}, 3576, 5],
    ["mrpc/msr-para-val.tsv", tsv, {}, 500, 5],
    ["cola/in_domain_dev.tsv", tsv, {}, 527, 4],
    ["rte/dev.tsv", tsv, {}, 277, 4],
    ["stsb/sts-dev.csv", tsv, { extraColumns: "ignore" }, 1500, 7],
    ["stsb/sts-train.csv.gz", tsv, { extraColumns: "ignore" }, 5749, 7],
    ["banking77/test.csv", csv, {}, 3080, 2],
    ["qqp/dev.tsv.gz", tsv, { invalid: "replace" }, 10_000, 4],
  ] as const)(
    "%s has its published number of rows (bug: quoting, header or line ends misread)",
    async (name, open, options, length, columns) => {
      const found = await rows(open(shared + name, options));
      expect(found).toHaveLength(length);
      expect(Object.keys(found[0]!.fields)).toHaveLength(columns);
      if (name.startsWith("mrpc")) expect(Object.keys(found[0]!.fields)[0]).toBe("Quality");
    },
  );

  it("refuses qqp as it is, because it is not UTF-8", async () => {
    expect((await failure(tsv(`${shared}qqp/dev.tsv.gz`))).details).toMatchObject({ line: 3, byte: 530 });
  });
});
