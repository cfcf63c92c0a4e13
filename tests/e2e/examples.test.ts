/** The programs of `examples/` run as they stand, over a tiny model and tiny data. */
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bert, bertConfig, saveModel, WordPiece } from "../../src/index.ts";
import { projectFolder, runExample } from "../support/run-example.ts";

const context = "The index is kept in a folder. Nothing else may change it.";
const words = `${context} Mutations of BRCA1 predispose to breast cancer. How do I get my money back? Write to the shop.`;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "firth-examples-"));
  const tokenizer = await WordPiece.train([words, words], { vocabSize: 200 });
  const config = bertConfig({ vocabSize: tokenizer.vocabSize, preset: "tiny", maxPositionEmbeddings: 64 });
  await saveModel(join(folder, "start"), { ...bert(config, { seed: 1 }), tokenizer });
});
afterAll(() => rm(folder, { recursive: true }));

const put = (name: string, text: string) => writeFile(join(folder, name), text);
const tiny = [['"runs/bert-mini/model"', '"start"']] as const;

test("every example is run here or elsewhere (bug: one that nobody tried)", async () => {
  const names = (await readdir(join(projectFolder, "examples"))).filter((name) => name.endsWith(".ts"));
  expect(names.sort()).toEqual([
    "answer-questions.ts",
    "faq-bot.ts",
    "hugging-face.ts",
    "pretrain-bert.ts",
    "tag-entities.ts",
  ]);
});

test("a tagger (bug: the shown API does not exist)", async () => {
  const sentence = "Mutations O\nof O\nBRCA1 O\npredispose O\nto O\nbreast B-Disease\ncancer I-Disease\n. O\n\n";
  await put("train.conll", sentence.repeat(16));
  await put("dev.conll", sentence.repeat(2));
  const stdout = await runExample("tag-entities.ts", folder, [
    ...tiny,
    ["maxSeqLength: 128", "maxSeqLength: 32"],
    ["numEpochs: 5, batchSize: 32, learningRate: 5e-5", "numEpochs: 12, batchSize: 8, learningRate: 3e-3"],
  ]);
  expect(stdout).toContain("F1 of entities: 1\n");
  expect(stdout).toMatch(/Disease 33-46: breast cancer \([01]\.\d\d\)/);
});

test("a reader (bug: the shown API does not exist)", async () => {
  const question = { id: "1", question: "Where is the index kept?", answers: [{ text: "a folder", answer_start: 21 }] };
  const qas = Array.from({ length: 16 }, (_, i) => ({ ...question, id: `${i}` }));
  const file = { version: "1.1", data: [{ title: "", paragraphs: [{ context, qas }] }] };
  for (const name of ["train.json", "dev.json"]) await put(name, JSON.stringify(file));
  const stdout = await runExample("answer-questions.ts", folder, [
    ...tiny,
    ["maxSeqLength: 384, docStride: 128", "maxSeqLength: 64, docStride: 32"],
    ["numEpochs: 2, batchSize: 16, learningRate: 5e-5", "numEpochs: 20, batchSize: 8, learningRate: 3e-3"],
  ]);
  expect(stdout).toContain("exact match and F1, percent: 100 100");
  expect(stdout).toMatch(/text: '[^']+'/);
});

test("a bot over one's own answers (bug: the shown API does not exist)", async () => {
  const pairs = ["How do I get my money back?,Write to the shop.", "Where is the index kept?,In a folder."];
  await put("asked.csv", `question,answer\n${[...pairs, ...pairs].join("\n")}\n`);
  await put("faq.csv", `question,answer\n${pairs.join("\n")}\n`);
  const stdout = await runExample("faq-bot.ts", folder, [
    ...tiny,
    ["maxSeqLength: 128", "maxSeqLength: 32"],
    ["numEpochs: 3, batchSize: 32, learningRate: 5e-5", "numEpochs: 8, batchSize: 2, learningRate: 1e-3"],
  ]);
  expect(stdout).toContain("entries: 2");
  expect(stdout).toMatch(/How do I get my money back\? → .+ \(best of 2\)/);
});

test("a model of another's making, to a classifier and to ONNX (bug: the shown API does not exist)", async () => {
  const rows = Array.from({ length: 16 }, (_, i) => (i % 2 === 0 ? "money back\tshop" : "breast cancer\tdisease"));
  for (const name of ["train.tsv", "dev.tsv", "test.tsv"]) await put(name, `text\tlabel\n${rows.join("\n")}\n`);
  const stdout = await runExample("hugging-face.ts", folder, [
    ['"hub:google-bert/bert-base-uncased"', '"start"'],
    ["maxSeqLength: 128", "maxSeqLength: 32"],
    ["batchSize: 32, learningRate: 3e-5", "batchSize: 4, learningRate: 1e-3"],
  ]);
  expect(stdout).toMatch(/accuracy: (0\.\d+|1)/);
  expect(stdout).toContain("model.onnx");
});
