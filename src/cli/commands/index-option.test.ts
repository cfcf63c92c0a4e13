import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { givenReranker, parseCount } from "./index-option.ts";

const folder = mkdtempSync(join(tmpdir(), "firth-index-option-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("a classifier of single texts is no re-ranker (bug: it is asked about half of what it must judge, and orders by nothing)", async () => {
  writeFileSync(join(folder, "task.json"), JSON.stringify({ task: "textClassification", textColumns: ["text"] }));
  await expect(givenReranker({ reranker: folder })).rejects.toThrow(
    /--reranker: must be a classifier of pairs; .* was fine-tuned on single texts \(textColumns \["text"\]\)/,
  );
  // One of pairs is opened: here there is no model.
  writeFileSync(join(folder, "task.json"), JSON.stringify({ task: "textClassification", textColumns: ["a", "b"] }));
  await expect(givenReranker({ reranker: folder })).rejects.toMatchObject({ code: "MISSING_FILE" });
  expect(await givenReranker({})).toEqual({});
});

test("counts are whole and positive (bug: -3 candidates, which leaves out the last three)", () => {
  expect(parseCount("12")).toBe(12);
  for (const wrong of ["0", "-3", "1.5", "abc", ""]) expect(() => parseCount(wrong)).toThrow(/whole number/);
});
