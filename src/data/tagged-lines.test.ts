import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { placesNotice, questionFile } from "./question-file.ts";
import { questionLines } from "./question-lines.ts";
import { type TaggedLinesOptions, taggedLines } from "./tagged-lines.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "firth-lines-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function fileOf(rows: readonly unknown[]): Promise<string> {
  const file = join(folder, "rows.jsonl");
  await writeFile(file, rows.map((row) => `${JSON.stringify(row)}\n\n`).join(""));
  return file;
}

describe("taggedLines", () => {
  async function read(rows: readonly unknown[], options: TaggedLinesOptions = {}) {
    const sentences = [];
    for await (const sentence of taggedLines(await fileOf(rows), options).sentences()) sentences.push(sentence);
    return sentences;
  }

  it("reads words with tags, and entities by code points (bug: places counted in UTF-16 units)", async () => {
    const text = "👍 Ada Lovelace wrote it, Ada did";
    const entities = [
      { start: 25, end: 28, label: "PER" },
      { start: 2, end: 14, type: "PER" },
    ];
    expect(Array.from(text).slice(2, 14).join("")).toBe("Ada Lovelace");
    expect(
      await read([
        { words: ["a", "b"], tags: ["O", "B-x"] },
        { text, entities },
      ]),
    ).toEqual([
      { words: ["a", "b"], tags: ["O", "B-x"], line: 1 },
      {
        words: ["👍", "Ada", "Lovelace", "wrote", "it", ",", "Ada", "did"],
        tags: ["O", "B-PER", "I-PER", "O", "O", "O", "B-PER", "O"],
        line: 3,
      },
    ]);
  });

  const at = (start: number, end: number, type = "x") => ({ start, end, type });

  it("widens entities to whole words where it is told so, and refuses them else", async () => {
    const row = { text: "pre-Trump era", entities: [at(5, 9)] };
    await expect(read([row])).rejects.toMatchObject({ code: "SPAN_SPLITS_WORD" });
    const [sentence] = await read([row], { misfit: "widen" });
    expect(sentence!.tags.map((tag, i) => `${sentence!.words[i]} ${tag}`)).toEqual([
      "pre O",
      "- O",
      "Trump B-x",
      "era O",
    ]);
  });

  it.each([
    ["TAGS_MISSING", { words: ["a", "b"], tags: ["O"] }, /line 3: .*1 tags and 2 words/],
    ["TAGS_LAYOUT", { words: ["a", ""], tags: ["O", "O"] }, /words must be a list of texts.*"" at 1/],
    ["TAGS_LAYOUT", { text: "a", entities: [{ start: 0, end: 1 }] }, /must have a type/],
    ["TAGS_LAYOUT", { sentence: "a" }, /words and tags, or a text/],
    ["SPAN_OUTSIDE", { text: "ab cd", entities: [at(3, 6)] }, /x \[3, 6\) must lie within the text of 5 characters/],
    ["SPAN_OUTSIDE", { text: "ab cd", entities: [at(2, 3)] }, /white space/],
    ["SPAN_OUTSIDE", { text: "ab cd", entities: [at(3, 3)] }, /must lie within/],
    ["ENTITIES_OVERLAP", { text: "ab cd", entities: [at(3, 5, "y"), at(0, 5)] }, /y \[3, 5\) begins inside x \[0, 5\)/],
  ])("refuses with %s", async (code, row, message) => {
    const rows = [{ words: ["a"], tags: ["O"] }, row];
    await expect(read(rows)).rejects.toMatchObject({ code });
    await expect(read(rows)).rejects.toThrow(message);
  });

  it("two widened entities in one word are refused", async () => {
    const row = { text: "abcd", entities: [at(0, 1), at(2, 3)] };
    await expect(read([row], { misfit: "widen" })).rejects.toMatchObject({ code: "ENTITIES_OVERLAP" });
    await expect(read([])).rejects.toMatchObject({ code: "DATA_EMPTY" });
  });
});

describe("questionLines", () => {
  const context = "𠀀 in 1066 the king fell; the king rose";
  const asked = (more: object) => ({ question: "who?", context, ...more });

  it("reads all layouts of answers, with places in code points", async () => {
    const file = await fileOf([
      asked({ id: "a", answers: [{ text: "1066", start: 5 }, "king"] }),
      asked({ answer: "1066" }),
      asked({ id: 8, answers: { text: ["rose"], answer_start: [34] } }),
      asked({ answers: [] }),
    ]);
    const data = await questionFile(file);
    expect(data.questions.map(({ id, answers }) => [id, answers])).toEqual([
      [
        "a",
        [
          { text: "1066", start: 6 },
          { text: "king", start: context.indexOf("king") },
        ],
      ],
      ["3", [{ text: "1066", start: 6 }]],
      ["8", [{ text: "rose", start: context.indexOf("rose") }]],
      ["7", []],
    ]);
    expect(data.hasUnanswerable).toBe(true);
    expect(data.places).toEqual({ codePoints: 3, utf16: 0, moved: 0, absent: 0, unsaid: 1 });
    expect(placesNotice(data)).toContain("1 are not said though the answer stands there several times");
  });

  it("questions that nobody has answered are no questions without answer", async () => {
    const data = await questionLines(await fileOf([asked({})]));
    expect([data.hasUnanswerable, data.questions[0]!.answers]).toEqual([false, []]);
  });

  it.each([
    ["TEXT_EMPTY", { question: " ", context, answer: "in" }, /line 3: question must be a text; got an empty one/],
    ["TEXT_EMPTY", { question: "who?", answer: "in" }, /context must be a text; got nothing/],
    ["ID_REPEATED", asked({ id: "first", answer: "in" }), /the id "first" is that of line 1 too/],
    ["SPAN_OUTSIDE", asked({ answers: [{ text: "rose", start: 36 }] }), /ends outside its text of 38 characters/],
    ["SPAN_OUTSIDE", asked({ answers: [{ text: "in", start: -1 }] }), /"in" at -1/],
    ["ANSWER_ABSENT", asked({ answer: "queen" }), /"queen" is not in its text/],
    ["QUESTIONS_LAYOUT", asked({ answers: 5 }), /answers must be a list; got 5/],
    ["QUESTIONS_LAYOUT", asked({ answers: [{ text: "in", start: 1.5 }] }), /start must be a whole number/],
    ["QUESTIONS_LAYOUT", asked({}), /has no field answers, but lines before have/],
    ["ANSWER_CONTRADICTS", asked({ answer: "in", is_impossible: true }), /impossible and has answers/],
  ])("refuses with %s", async (code, row, message) => {
    const file = await fileOf([asked({ id: "first", answer: "in" }), row]);
    await expect(questionLines(file)).rejects.toMatchObject({ code });
    await expect(questionLines(file)).rejects.toThrow(message);
  });
});
