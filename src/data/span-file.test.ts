import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { formatSpans, readSpans } from "./span-file.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "firth-spans-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function file(text: string): Promise<string> {
  const path = join(folder, "spans.tsv");
  await writeFile(path, text);
  return path;
}

test("entries come back as they were written; a missing count is 0 (bug: a lost last line, CRLF kept in the count)", async () => {
  const entries = [
    { text: "New York", kind: "entity" as const, count: 12 },
    { text: "北京 大学", kind: "phrase" as const, count: 3 },
  ];
  expect(await readSpans(await file(formatSpans(entries)))).toEqual(entries);
  expect(await readSpans(await file("as well as\tphrase\r\n\r\nHarry Hill\tentity\t7"))).toEqual([
    { text: "as well as", kind: "phrase", count: 0 },
    { text: "Harry Hill", kind: "entity", count: 7 },
  ]);
});

test.each([
  ["a\tphrase\t1\nNew York\tplace\n", "line 2: the kind must be phrase or entity"],
  ["New York\n", "line 1: the kind must be phrase or entity"],
  [" \tentity\t2\n", "line 1: the text is empty"],
  ["x\tentity\tmany\n", "line 1: the third column must be a whole number"],
  ["x\tentity\t3\t4\n", "line 1: the third column must be a whole number"],
  ["\n\n", "holds no spans"],
])("a file %j is refused, naming the line", async (text, message) => {
  await expect(file(text).then(readSpans)).rejects.toThrow(message);
});
