import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { randomWeights } from "../../../tests/support/random-model.ts";
import { runCommand as run } from "../../../tests/support/run-command.ts";
import { saveChooser } from "../../api/chooser.ts";
import { bertConfig } from "../../models/bert/config.ts";
import { bertFamily } from "../../models/bert/family.ts";
import { testTokenizer } from "../../tasks/testing.ts";

const tokenizer = testTokenizer();
const config = bertConfig({
  ...{ vocabSize: tokenizer.vocabSize, hiddenSize: 16, numHiddenLayers: 1, numAttentionHeads: 2, intermediateSize: 32 },
  maxPositionEmbeddings: 32,
});

let folder = "";
let model = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "firth-choose-command-"));
  model = join(folder, "model");
  const module = bertFamily.multipleChoice(config);
  const columns = {
    ...{ contextColumn: "premise", questionColumn: "ask", optionColumns: ["choice1", "choice2", "choice3"] },
    ...{ labelColumn: "answer", firstLabel: 1 },
  };
  const chooser = {
    family: bertFamily,
    config,
    module,
    weights: randomWeights(module),
    tokenizer,
    maxSeqLength: 24,
    columns,
  };
  await saveChooser(model, chooser);
});
afterAll(() => rm(folder, { recursive: true, force: true }));
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

const row = { id: 7, premise: "the film", ask: "so", choice1: "good", choice2: "bad", choice3: "", answer: 2 };

async function dataOf(...rows: object[]): Promise<string> {
  const file = join(folder, "rows.jsonl");
  await writeFile(file, rows.map((one) => `${JSON.stringify(one)}\n`).join(""));
  return file;
}

// Columns of training that prediction does not know, an empty option that is chosen, fields of the input lost.
test("rows keep their fields and get the option's number and text, by the columns of training", async () => {
  const data = await dataOf(row, { ...row, choice3: "fine" });
  const { out, error } = await run("predict", model, "--data", data, "--engine", "reference");
  const rows = out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(rows[0], error).toMatchObject(row);
  expect(rows.map(({ probabilities }) => (probabilities as number[]).length)).toEqual([2, 3]);
  for (const { prediction, option, ...fields } of rows) {
    expect(option).toBe(fields[`choice${(prediction as number) + 1}`]);
  }
});

// The label counted from 0.
test("an evaluation has the accuracy of what is predicted", async () => {
  const data = await dataOf(row);
  const predicted = JSON.parse((await run("predict", model, "--data", data, "--engine", "reference")).out) as {
    prediction: number;
  };
  vi.restoreAllMocks();
  const right = await dataOf({ ...row, answer: predicted.prediction + 1 });
  const { out, error } = await run("evaluate", model, "--data", right, "--engine", "reference", "--json");
  expect(JSON.parse(out), error).toMatchObject({ accuracy: 1, chance: 0.5, numQuestions: 1 });
});

test.each([
  [{ ...row, prediction: 1 }, [], /line 1: has a field prediction of its own. Give --as another name/],
  [{ ...row, choice2: "" }, [], /line 1: a question needs two options at least; got 1/],
  [row, ["--max-seq-length", "9"], /maxSeqLength: is fixed/],
  [{ premise: "a" }, [], /no column "choice1"/],
])("bad input %j %j is told", async (bad, args, message) => {
  const { out, error } = await run("predict", model, "--data", await dataOf(bad), "--engine", "reference", ...args);
  expect(out).toBe("");
  expect(error).toMatch(message);
});
