import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { randomWeights } from "../../../tests/support/random-model.ts";
import { runCommand as run } from "../../../tests/support/run-command.ts";
import { saveModel } from "../../api/model.ts";
import { bertConfig } from "../../models/bert/config.ts";
import { bertFamily } from "../../models/bert/family.ts";
import { testTokenizer } from "../../tasks/testing.ts";

const tokenizer = testTokenizer();
const config = bertConfig({
  ...{ vocabSize: tokenizer.vocabSize, hiddenSize: 16, numHiddenLayers: 1, numAttentionHeads: 2, intermediateSize: 32 },
  maxPositionEmbeddings: 32,
});

let folder = "";
let start = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "firth-finetune-lines-"));
  start = join(folder, "start");
  const module = bertFamily.pretraining(config);
  await saveModel(start, { family: bertFamily, config, module, weights: randomWeights(module), tokenizer });
});
afterAll(() => rm(folder, { recursive: true, force: true }));
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

/** Fine-tunes for two steps on rows of JSON Lines, and gives the model's folder. */
async function finetuned(name: string, task: object, rows: readonly object[]): Promise<string> {
  const data = join(folder, `${name}.jsonl`);
  await writeFile(data, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  const recipe = join(folder, `${name}.yaml`);
  const outputDir = join(folder, name);
  const train = { maxSteps: 2, batchSize: 2, learningRate: 1e-3, lanes: 1 };
  const all = { kind: "finetune", outputDir, model: start, task, data: { train: data, eval: data }, train };
  await writeFile(recipe, JSON.stringify({ ...all, engine: { name: "onnx", threads: 1 } }));
  const { out, error } = await run("finetune", recipe, "--json");
  expect(out, error).toContain('"reason"');
  return join(outputDir, "model");
}

async function predicted(model: string, row: object): Promise<Record<string, unknown>> {
  const data = join(folder, "rows.jsonl");
  await writeFile(data, `${JSON.stringify(row)}\n`);
  const { out, error } = await run("predict", model, "--data", data, "--engine", "reference");
  expect(error).not.toMatch(/Error|must/);
  return JSON.parse(out) as Record<string, unknown>;
}

// A task whose settings do not reach the run, or whose model the other commands do not know.
describe("recipes with JSON Lines", () => {
  test("options: the columns of the recipe are those of prediction", async () => {
    const row = { ask: "so", choice1: "good film", choice2: "bad film", answer: 1 };
    const task = {
      name: "multipleChoice",
      questionColumn: "ask",
      optionColumns: ["choice1", "choice2"],
      firstLabel: 1,
    };
    const all = { ...task, labelColumn: "answer", maxSeqLength: 16 };
    const model = await finetuned("choose", all, [row, { ...row, answer: 2 }, row, row]);
    expect(JSON.parse(await readFile(join(model, "task.json"), "utf8"))).toMatchObject({
      task: "multipleChoice",
      firstLabel: 1,
    });
    const { prediction, option, probabilities } = await predicted(model, row);
    expect([row.choice1, row.choice2][prediction as number]).toBe(option);
    expect(probabilities).toHaveLength(2);
  });

  test("entities by their places, with scores of neighbouring tags", async () => {
    const row = { text: "so good film", entities: [{ start: 3, end: 12, type: "x" }] };
    const task = { name: "tokenClassification", crf: true, constrained: true, maxSeqLength: 16, overlap: 4 };
    const model = await finetuned("tag", task, [row, row, row, { text: "very bad", entities: [] }]);
    const settings = JSON.parse(await readFile(join(model, "config.json"), "utf8")) as Record<string, unknown>;
    expect(settings.tag_scheme).toBe("IOB2");
    const { prediction } = await predicted(model, { text: "so good film" });
    expect(prediction).toHaveLength(3);
    // None begins inside an entity.
    expect((prediction as string[]).join(" ")).not.toMatch(/(^|O )I-/);
  });

  test("questions, one a line", async () => {
    const row = { question: "the film", context: "so very good the film a book", answers: ["very good"] };
    const model = await finetuned("ask", { name: "questionAnswering", maxSeqLength: 24 }, [row, row]);
    const { prediction } = await predicted(model, { question: "the film", context: row.context });
    expect(row.context).toContain(prediction);
  });
});
