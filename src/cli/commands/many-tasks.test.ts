import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { runCommand as run } from "../../../tests/support/run-command.ts";
import { saveModel } from "../../api/model.ts";
import { Random } from "../../base/random.ts";
import { bertConfig } from "../../models/bert/config.ts";
import { bert } from "../../models/bert/family.ts";
import { testTokenizer, testWords } from "../../tasks/testing.ts";

const tokenizer = testTokenizer();
const config = bertConfig({
  ...{ vocabSize: tokenizer.vocabSize, hiddenSize: 16, numHiddenLayers: 1, numAttentionHeads: 2, intermediateSize: 32 },
  ...{ maxPositionEmbeddings: 32, hiddenDropoutProb: 0, attentionProbsDropoutProb: 0 },
});
const folder = mkdtempSync(join(tmpdir(), "firth-many-tasks-"));
const at = (name: string): string => join(folder, name);
const random = new Random(1, "many-tasks");
const word = (): string => testWords[random.nextInt(testWords.length)]!;

function recipe(name: string, task: string, data: string, more = ""): void {
  const text = `kind: finetune\noutputDir: ${at(name)}\nmodel: ${at("model")}\ntask: { ${task} }\ndata: { ${data} }\n`;
  const train = "train: { batchSize: 8, maxSteps: 2, learningRate: 0.001 }\nengine: { threads: 1 }\n";
  writeFileSync(at(`${name}.yaml`), text + train + more);
}

beforeAll(async () => {
  await saveModel(at("model"), { ...bert(config, { seed: 5 }), tokenizer });
  const sentence = (): string =>
    Array.from({ length: 4 }, word)
      .map((own) => `${own} ${own === "good" ? "B-x" : own === "film" ? "I-x" : "O"}\n`)
      .join("");
  writeFileSync(at("tags.conll"), Array.from({ length: 20 }, sentence).join("\n"));
  recipe(
    "tags",
    "name: tokenClassification, maxSeqLength: 16, overlap: 2",
    `train: ${at("tags.conll")}, eval: ${at("tags.conll")}`,
  );
  const paragraphs = Array.from({ length: 6 }, (_, p) => {
    const context = `𠀀 ${word()} so very ${word()}`;
    const start = Array.from(context.slice(0, context.indexOf("so very"))).length;
    const qas = [0, 1].map((q) => ({
      id: `${p}-${q}`,
      question: "the film",
      answers: [{ text: "so very", answer_start: start }],
    }));
    return { context, qas };
  });
  writeFileSync(at("questions.json"), JSON.stringify({ data: [{ paragraphs }] }));
  recipe(
    "questions",
    "name: questionAnswering, maxSeqLength: 24, maxQueryLength: 4, docStride: 6",
    `train: ${at("questions.json")}, eval: ${at("questions.json")}`,
  );
  const pairs = Array.from({ length: 12 }, () => `${word()} ${word()}\t${word()}`);
  writeFileSync(at("pairs.tsv"), `source\ttarget\n${pairs.join("\n")}\n`);
  const lengths = "maxSourceLength: 8, maxTargetLength: 6";
  recipe(
    "texts",
    `name: sequenceToSequence, ${lengths}`,
    `train: ${at("pairs.tsv")}, eval: ${at("pairs.tsv")}`,
    "generation: { numWritten: 4 }\n",
  );
  const numbers = Array.from({ length: 12 }, (_, i) => `${word()} ${word()}\t${i / 3}`);
  writeFileSync(at("numbers.tsv"), `text\tlabel\n${numbers.join("\n")}\n`);
  const choices = Array.from({ length: 12 }, (_, i) =>
    JSON.stringify({ question: word(), options: [word(), word(), `${word()} very`], label: i % 3 }),
  );
  writeFileSync(at("choices.jsonl"), `${choices.join("\n")}\n`);
  const asked = `train: ${at("choices.jsonl")}, eval: ${at("choices.jsonl")}`;
  recipe("choices", "name: multipleChoice, maxSeqLength: 12", asked);
  const columns = "textColumns: text, labelColumn: label, maxSeqLength: 8";
  recipe("numbers", `name: textRegression, ${columns}`, `train: ${at("numbers.tsv")}, eval: ${at("numbers.tsv")}`);
  recipe(
    "features",
    `name: textRegression, ${columns}`,
    `train: ${at("numbers.tsv")}, eval: ${at("numbers.tsv")}`,
    "transfer: { features: {} }\n",
  );
  const intents = Array.from({ length: 24 }, (_, i) => `${word()} ${word()} ${word()},${["good", "poor"][i % 2]}`);
  writeFileSync(at("intents.csv"), `text,category\n${intents.join("\n")}\n`);
  // Twelve questions, each with two answers.
  const asked12 = Array.from({ length: 24 }, (_, i) =>
    JSON.stringify({
      question: `${testWords[(i >> 1) % 6]} ${i >> 1 < 6 ? "so" : "very"}`,
      answer: `${word()} ${testWords[i % 12]}`,
    }),
  );
  writeFileSync(at("asked.jsonl"), `${asked12.join("\n")}\n`);
  recipe("asked", "name: retrieval, maxSeqLength: 8", `train: ${at("asked.jsonl")}, eval: ${at("asked.jsonl")}`);
  recipe(
    "intents",
    "name: retrieval, textColumn: text, labelColumn: category, numOthers: 1, maxSeqLength: 8",
    `train: ${at("intents.csv")}, eval: ${at("intents.csv")}`,
  );
});
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

const rowsIn = (path: string): Record<string, unknown>[] =>
  readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

// A mechanism that knows classes only: parts of other files that are not theirs, figures of another task.
test.each([
  { name: "tags", total: 20, figure: "f1", shown: "Entities by type" },
  { name: "questions", total: 12, figure: "exact", shown: "Kinds of answers" },
  { name: "texts", total: 8, figure: "bleu", shown: "Worst examples" },
  { name: "choices", total: 12, figure: "accuracy", shown: "probability of the chosen option" },
  { name: "features", total: 12, figure: "meanSquaredError", shown: "Predicted over true" },
  { name: "numbers", total: 12, figure: "pearson", shown: "Predicted over true" },
])("$name: folds, predictions and a page of errors", async ({ name, total, figure, shown }) => {
  const whole = await run("finetune", at(`${name}.yaml`), "--json");
  expect(existsSync(at(`${name}/predictions.jsonl`)), whole.error).toBe(true);
  expect(readFileSync(at(`${name}/errors.html`), "utf8")).toContain(shown);
  const compared = await run("compare", at(name), at(name), "--resamples", "20", "--figure", figure, "--json");
  expect(JSON.parse(compared.out), compared.error).toMatchObject({ figure, difference: 0 });
  const { out, error } = await run("finetune", at(`${name}.yaml`), "--folds", "2", "--json");
  const result = JSON.parse(out) as { figures: Record<string, unknown>; runs: object[] };
  expect(result.runs, error).toHaveLength(2);
  expect(Object.keys(result.figures)).toContain(figure);
  const rows = [1, 2].map((fold) => rowsIn(at(`${name}-folds/fold-${fold}-seed-1/predictions.jsonl`)));
  expect(rows.flat()).toHaveLength(total);
  if (name !== "questions") return;
  const contexts = rows.map((own) => new Set(own.map(({ context }) => context)));
  expect([...contexts[0]!].filter((context) => contexts[1]!.has(context))).toEqual([]);
});

test("a curve over words says each word's commonest tag as its baseline (bug: a baseline of classes for all tasks)", async () => {
  const { out, error } = await run("finetune", at("tags.yaml"), "--learning-curve", "50%,100%", "--json");
  expect(JSON.parse(out), error).toMatchObject({
    figure: "f1",
    baseline: { name: "each word's commonest tag", figures: { f1: expect.any(Number) } },
  });
});

test("a curve over pairs for search has the figures of searches, with growing parts (bug: refused, or all pairs in every run)", async () => {
  const curve = ["--learning-curve", "25%,100%", "--json"];
  const { out, error } = await run("finetune", at("asked.yaml"), ...curve);
  const result = JSON.parse(out) as { runs: { size: number; figures: object }[] };
  expect(result, error).toMatchObject({ figure: "mrr" });
  expect(result.runs.map(({ size }) => size)).toEqual([6, 6, 24, 24]);
  for (const { figures } of result.runs) expect(figures).toMatchObject({ mrr: expect.any(Number) });
  expect(error).toMatch(/asked\.jsonl: 6 pairs of 3 questions.*asked\.jsonl: 24 pairs of 12 questions/s);
  // Pairs that are drawn from classes are drawn from the part alone.
  const drawn = await run("finetune", at("intents.yaml"), ...curve);
  expect(drawn.error).toMatch(/6 pairs of 6 questions.*24 pairs of 24 questions/s);
  const folds = await run("finetune", at("asked.yaml"), "--folds", "2");
  expect(folds.error).toMatch(/task\.name: is tested item by item in folds, which retrieval has not/);
});

test("a search over settings for search is measured in folds, a question's pairs together (bug: a question asked in training)", async () => {
  const args = ["--try", "train.learningRate=[0.001,0.002]", "--max-trials", "1", "--folds", "2"];
  const { out, error } = await run("search", at("asked.yaml"), ...args, "--output-dir", at("asked-search"), "--json");
  const { trials } = JSON.parse(out) as { trials: { state: string; runs: { figures: object }[] }[] };
  expect(trials, error).toMatchObject([{ state: "finished", runs: [{ figures: { mrr: expect.any(Number) } }, {}] }]);
  expect(error).toMatch(/asked\.jsonl: 12 pairs of 6 questions/);
});

test("what reads no tables refuses their options, in recipes and on the command line (bug: silently ignored)", async () => {
  await run("finetune", at("tags.yaml"), "--json");
  const asked = await run(
    "evaluate",
    at("tags/model"),
    "--data",
    at("tags.conll"),
    "--delimiter",
    ";",
    "--columns",
    "a",
  );
  expect(asked.error).toMatch(/delimiter: is for tables; got ";".*columns: is for tables.*Leave it out/s);
  expect(asked.code).toBe(1);
  const recipes = await run("finetune", at("tags.yaml"), "--set", "data.delimiter=;");
  expect(recipes.error).toMatch(/data\.delimiter: is for tables; got ";", and files of tagged sentences/);
  const questions = await run("finetune", at("questions.yaml"), "--set", "data.encoding=latin1");
  expect(questions.error).toMatch(/data\.encoding: is for tables; got "latin1", and files of questions are JSON/);
});

test("files of tags are evaluated and predicted, with what a tagger does not know; a model that is not there is told (bugs: a silence; a column of a table missed; a wrong option blamed)", async () => {
  await run("finetune", at("tags.yaml"), "--json");
  writeFileSync(at("planets.conll"), "good B-x\nfilm B-planet\n\n");
  const { error, code } = await run("evaluate", at("tags/model"), "--data", at("planets.conll"));
  expect(error).toMatch(/planets\.conll: "B-planet" are not among the training data's tags/);
  expect(code).toBeUndefined();
  writeFileSync(at("two.conllu"), "1\tgood\t_\tADJ\t_\t_\t_\t_\t_\t_\n2\tfilm\t_\tNOUN\t_\t_\t_\t_\t_\t_\n\n");
  for (const [file, tags] of [
    ["planets.conll", ["B-x", "B-planet"]],
    ["two.conllu", ["ADJ", "NOUN"]],
  ] as const) {
    const tagged = await run("predict", at("tags/model"), "--data", at(file));
    const row = { words: ["good", "film"], tags, prediction: [expect.any(String), expect.any(String)] };
    expect(JSON.parse(tagged.out), tagged.error).toMatchObject(row);
  }
  const missing = await run("predict", at("nowhere"), "--task", "first", "--data", at("tags.conll"));
  expect(missing.error).toMatch(/nowhere: no such folder.*FOLDER_MISSING/);
});

test("evaluate gives a head over vectors the figures of its run, with its rows and page (bug: read as a classifier without classes)", async () => {
  const { out } = await run("finetune", at("features.yaml"), "--json");
  const [{ evaluation }] = (JSON.parse(out) as { runs: [{ evaluation: { pearson: number } }] }).runs;
  const files = ["--report", at("features.html"), "--predictions", at("features.jsonl")];
  const told = await run("evaluate", at("features/model"), "--data", at("numbers.tsv"), ...files, "--json");
  expect((JSON.parse(told.out) as { pearson: number }).pearson, told.error).toBeCloseTo(evaluation.pearson, 5);
  expect(rowsIn(at("features.jsonl"))).toHaveLength(12);
  expect(readFileSync(at("features.html"), "utf8")).toContain("Predicted over true");
  const skipped = await run("evaluate", at("features/model"), "--data", at("numbers.tsv"), "--skip-labels", "0");
  expect(skipped.error).toMatch(/skipLabels: is for models that give a class/);
});

test("pairs are drawn from texts with classes, and searched for by class (bug: classes taken for scores of pairs)", async () => {
  const { out, error } = await run("finetune", at("intents.yaml"), "--json");
  const [{ evaluation }] = (JSON.parse(out) as { runs: [{ evaluation: { figures: object; numExamples: number } }] })
    .runs;
  expect(evaluation.figures, error).toHaveProperty("mrr");
  const told = await run("evaluate", at("intents/model"), "--data", at("intents.csv"));
  expect(told.error).toMatch(/is a model whose vectors are for search.*Use firth index build, firth index evaluate/);
  const scored = await run(
    "finetune",
    at("intents.yaml"),
    "--set",
    `outputDir=${at("scored")}`,
    "--set",
    "task.loss=cosine",
    "--json",
  );
  expect(JSON.parse(scored.out), scored.error).toMatchObject({
    runs: [{ evaluation: { figures: { pearson: expect.any(Number) } } }],
  });
  const both = await run(
    "finetune",
    at("intents.yaml"),
    "--set",
    "task.groupColumn=category",
    "--set",
    "task.loss=cosine",
    "--set",
    "task.numOthers=0",
  );
  expect(both.error).toMatch(/textColumn: draws pairs.*numOthers: must be 1 at least with the loss cosine/s);
});
