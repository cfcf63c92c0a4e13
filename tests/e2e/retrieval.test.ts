/** Search as users run it: the built program, from pairs of texts to an answer. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { saveModel } from "../../src/api/model.ts";
import { pairedModel, pairedRows } from "../support/paired-words.ts";
import { Workplace } from "./workplace.ts";

let place: Workplace;
const jsonLines = (rows: readonly object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join("");
const faq = pairedRows(20, 4).map(({ id, topic, answer }) => ({ id, topic, text: answer, answer: `Answer ${topic}.` }));

const recipe = `kind: finetune
outputDir: siamese
model: start
task: { name: retrieval, groupColumn: topic, maxSeqLength: 16, numMined: 1, minedRanks: [1, 20], corpus: corpus.jsonl }
data: { train: pairs.jsonl, eval: dev.jsonl }
train: { batchSize: 20, numEpochs: 6, learningRate: 0.003 }
`;

beforeAll(async () => {
  place = Workplace.open();
  const write = (name: string, text: string): void => writeFileSync(join(place.folder, name), text);
  await saveModel(join(place.folder, "start"), pairedModel());
  write("retrieve.yaml", recipe);
  write("pairs.jsonl", jsonLines(pairedRows(200, 1)));
  write("dev.jsonl", jsonLines(pairedRows(20, 2)));
  write("corpus.jsonl", jsonLines(pairedRows(40, 3).map(({ answer, topic }) => ({ answer, topic }))));
  write("faq.jsonl", jsonLines(faq));
  write("more.jsonl", jsonLines([{ id: "more", topic: 3, text: "say3", answer: "More." }]));
  const asked = pairedRows(20, 9).map(({ question, topic }) => ({
    question,
    right: faq.filter((row) => row.topic === topic).map(({ id }) => id),
  }));
  write("asked.jsonl", jsonLines([...asked, { question: "the new", right: null }]));
}, 300_000);
afterAll(() => place.close());

interface Hit {
  readonly id: string;
  readonly score: number;
}

describe("from pairs to answers", () => {
  test("finetune: a recipe with mined negatives and a corpus (would catch settings that do not reach the run)", () => {
    const made = place.json<{ readonly figures: { readonly mrr: { readonly mean: number } } }>(
      "finetune",
      "retrieve.yaml",
    );
    expect(made.figures.mrr.mean).toBeGreaterThan(0.8);
    const wrong = place.run(
      "finetune",
      "retrieve.yaml",
      "--set",
      "task.loss=cosine",
      "--set",
      "task.scale=-1",
      "--output-dir",
      "wrong",
    );
    expect(wrong.status).toBe(1);
    expect(wrong.stderr).toContain("task.scale");
    const transfer = place.run(
      "finetune",
      "retrieve.yaml",
      "--set",
      "transfer.freeze=encoder",
      "--output-dir",
      "wrong",
    );
    expect(transfer.stderr).toContain("transfer.freeze: must be none");
  });

  test("index build, add, search, remove, info (would catch an index that cannot find its model)", () => {
    const built = place.json("index", "build", "faq.index", "-m", "siamese/model", "-d", "faq.jsonl");
    expect(built).toMatchObject({ added: 20, numEntries: 20, isWhole: true });
    expect(place.json("index", "add", "faq.index", "-d", "more.jsonl")).toMatchObject({ added: 1, numEntries: 21 });
    const again = place.run("index", "add", "faq.index", "-d", "more.jsonl");
    expect([again.status, again.stderr]).toEqual([
      1,
      expect.stringContaining('more.jsonl: line 1: the id "more" is in the index'),
    ]);
    expect(place.json("index", "add", "faq.index", "-d", "more.jsonl", "--replace")).toMatchObject({ numEntries: 21 });
    const [{ found }] = place.json<[{ readonly found: Hit[] }]>("index", "search", "faq.index", "ask3 the", "-k", "3");
    expect(found).toHaveLength(3);
    expect(found[0]!.score).toBeGreaterThan(0.5);
    const lines = place.runWith('{"text":"ask3","own":1}\n', ["index", "search", "faq.index", "-d", "-", "-k", "2"]);
    expect(JSON.parse(lines.stdout)).toMatchObject({ own: 1, found: [{ id: expect.any(String) }, {}] });
    expect(place.json("index", "remove", "faq.index", "more", "nobody")).toEqual({
      removed: 1,
      missing: 1,
      numEntries: 20,
    });
    expect(place.json("index", "info", "faq.index")).toMatchObject({
      numEntries: 20,
      building: null,
      pending: [],
      textColumn: "text",
    });
    expect(place.run("index", "info", "faq.index").stdout).toMatch(/entries +20\nmodel +bert/);
  });

  test("index evaluate keeps a threshold, ask takes it (would catch one that is not read)", () => {
    const args = ["index", "evaluate", "faq.index", "-d", "asked.jsonl", "--relevant", "right", "--keep-threshold"];
    const made = place.json<{
      readonly ranking: { readonly mrr: number; readonly numQueries: number };
      readonly threshold: { readonly threshold: number };
    }>(...args);
    expect(made.ranking.numQueries).toBe(20);
    expect(made.ranking.mrr).toBeGreaterThan(0.8);
    const { threshold } = place.json<{ readonly threshold: { readonly value: number } }>("index", "info", "faq.index");
    expect(threshold.value).toBe(made.threshold.threshold);
    const answered = place.run("ask", "faq.index", "my ask3 is");
    expect(answered.stdout).toMatch(/^Answer 3\./);
    const asked = place.runWith('{"question":"my ask3 is"}\n', ["ask", "faq.index", "-d", "-", "--threshold", "1.5"]);
    expect(JSON.parse(asked.stdout)).toMatchObject({ answer: null, candidates: [{ answer: "Answer 3." }, {}, {}] });
    const talked = place.runWith("my ask3 is\n\n", ["ask", "faq.index"]);
    expect(talked.stdout).toMatch(/^Answer 3\./);
  });

  test("says what is wrong with folders, models and questions", () => {
    const failed = (...args: string[]): string => {
      const { status, stderr } = place.run(...args);
      expect(status).toBe(1);
      return stderr;
    };
    expect(failed("index", "search", "nowhere", "x")).toContain("INDEX_MISSING");
    expect(failed("ask", "faq.index", " ")).toContain("TEXT_EMPTY");
    expect(failed("index", "search", "faq.index", "ask1", "-m", "start")).toContain("INDEX_MODEL_MISMATCH");
    expect(failed("index", "build", "faq.index", "-m", "start", "-d", "faq.jsonl")).toContain("INDEX_EXISTS");
    expect(failed("index", "remove", "faq.index")).toContain("CONFIG_MISSING");
  });
});
