import { expect, test } from "vitest";
import { questionPart, tablePart, taggedPart } from "./part.ts";
import { parseQuestions } from "./question-file.ts";
import { TableSource } from "./table.ts";
import type { TaggedSource } from "./tagged-sentence.ts";

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}
const isOdd = (index: number): boolean => index % 2 === 1;

test("parts keep order and lines, and can be read again (bug: a counter that goes on at the second reading)", async () => {
  const rows = ["a", "b", "c", "d"].map((text, i) => ({ fields: { text }, line: 10 * i + 2 }));
  const table = new TableSource(
    "t.tsv",
    async function* () {
      yield* rows;
    },
    {},
  );
  const part = tablePart(table, isOdd);
  expect(part.name).toBe("t.tsv");
  for (let reading = 0; reading < 2; reading++) expect(await all(part.rows())).toEqual([rows[1], rows[3]]);
  await expect(all(tablePart(table, () => false).rows())).rejects.toMatchObject({ code: "TABLE_EMPTY" });

  const sentences = [["a"], [], ["b"], ["c"]].map((words, line) => ({ words, tags: words.map(() => "X"), line }));
  const tagged: TaggedSource = {
    name: "t.conllu",
    sentences: async function* () {
      yield* sentences;
    },
  };
  expect((await all(taggedPart(tagged, isOdd).sentences())).map(({ words }) => words)).toEqual([["b"]]);

  const qas = [1, 2, 3].map((id) => ({ id: `${id}`, question: "q", answers: [{ text: "a", answer_start: 0 }] }));
  const data = parseQuestions({ data: [{ paragraphs: [{ context: "a", qas }] }] }, "q.json");
  expect(questionPart(data, isOdd).questions.map(({ id }) => id)).toEqual(["2"]);
});
