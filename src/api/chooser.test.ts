import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Backend } from "../backend/backend.ts";
import { Random } from "../base/random.ts";
import type { TableSource } from "../data/table.ts";
import { bertConfig } from "../models/bert/config.ts";
import { bert } from "../models/bert/family.ts";
import { gpt2Config } from "../models/gpt2/config.ts";
import { gpt2 } from "../models/gpt2/family.ts";
import { openEngine } from "../runtime.ts";
import { multipleChoice } from "../tasks/multiple-choice.ts";
import { testTable, testTokenizer } from "../tasks/testing.ts";
import { choose, loadChooser, openChooser } from "./chooser.ts";
import { finetuneMultipleChoice } from "./finetune-multiple-choice.ts";
import { loadClassifier } from "./load.ts";

const tokenizer = testTokenizer();
const sizes = { hiddenSize: 32, numHiddenLayers: 2, numAttentionHeads: 2, maxPositionEmbeddings: 16 };
const config = bertConfig({
  ...{ vocabSize: tokenizer.vocabSize, ...sizes, intermediateSize: 64 },
  ...{ hiddenDropoutProb: 0, attentionProbsDropoutProb: 0 },
});
const nouns = ["film", "book", "plot", "cast"];

/** The option that praises is right; two to four options. */
function questions(count: number, seed: number): TableSource {
  const random = new Random(seed, "questions");
  const pick = (words: readonly string[]): string => words[random.nextInt(words.length)]!;
  const rows = Array.from({ length: count }, () => {
    const numOptions = 2 + random.nextInt(3);
    const label = random.nextInt(numOptions);
    const options = Array.from({ length: numOptions }, (_, i) => {
      const kind = i === label ? ["good", "fine"] : ["bad", "poor"];
      return `a very ${pick(kind)} ${pick(nouns)}`;
    });
    return { question: `so the ${pick(nouns)}`, options, label };
  });
  return testTable("generated", rows);
}

describe("models that choose", () => {
  let engine: Backend;
  let folder: string;
  beforeAll(async () => {
    engine = await openEngine({ threads: 1 });
    folder = await mkdtemp(join(tmpdir(), "firth-chooser-"));
  });
  afterAll(async () => {
    await engine.dispose();
    await rm(folder, { recursive: true, force: true });
  });

  it("learn to choose, and choose so from a loaded directory (bug: options of other questions)", async () => {
    const task = multipleChoice({ tokenizer, maxSeqLength: 16 });
    const tables = { train: questions(512, 1), eval: questions(64, 2) };
    const options = { engine, numEpochs: 4, batchSize: 16, learningRate: 3e-3, seed: 3 };
    const chooser = await finetuneMultipleChoice(bert(config, { seed: 5 }), task, tables, options);
    expect(chooser.evaluation!.chance).toBeLessThan(0.5);
    expect(chooser.evaluation!.accuracy).toBeGreaterThan(0.9);
    const model = join(folder, "model");
    await chooser.save(model);
    const loaded = await loadChooser(model);
    expect([loaded.newParameters, loaded.maxSeqLength]).toEqual([[], 16]);
    const opened = await openChooser(loaded, { engine });
    expect(await opened.evaluate(questions(64, 2))).toEqual(chooser.evaluation);
    const [first] = await opened.choose([
      { question: "so the plot", options: ["a very poor cast", "a very good book"] },
    ]);
    expect(first).toMatchObject({ choice: 1, option: "a very good book" });
    expect(first!.probabilities.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 6);
    const rows = [];
    for await (const row of opened.chooseRows(questions(3, 2))) rows.push(row);
    expect(rows.map(({ choice, option, fields }) => (fields.options as string[])[choice] === option)).toEqual([
      true,
      true,
      true,
    ]);
    await opened.dispose();
    await opened.dispose();
    await expect(opened.choose([])).rejects.toMatchObject({ code: "DISPOSED" });

    // A head is kept: one more step at no rate changes nothing. And it is no classifier's.
    const further = await finetuneMultipleChoice(model, task, tables, {
      ...options,
      numEpochs: 1,
      learningRate: 1e-12,
    });
    expect(further.evaluation!.accuracy).toBe(chooser.evaluation!.accuracy);
    await expect(loadClassifier(model)).rejects.toMatchObject({ code: "NOT_A_CLASSIFIER" });
  });

  it("GPT-2 chooses by the last token, with the head of GPT2DoubleHeadsModel", async () => {
    const left = gpt2Config({ vocabSize: tokenizer.vocabSize, ...sizes });
    const task = multipleChoice({ tokenizer, maxSeqLength: 16 });
    const tables = { train: questions(16, 1) };
    const chooser = await finetuneMultipleChoice(gpt2(left, { seed: 5 }), task, tables, {
      engine,
      maxSteps: 1,
      seed: 1,
    });
    await chooser.save(join(folder, "gpt2"));
    const loaded = await loadChooser(join(folder, "gpt2"));
    const asked = [{ question: "so good the plot", options: ["a very cast", "a very plot"] }];
    expect(await choose(loaded, asked, { engine })).toEqual(await choose(chooser, asked, { engine }));
  });

  it("problems are told together, and questions that cannot be", async () => {
    const task = multipleChoice({ tokenizer, maxSeqLength: 64 });
    const start = bert(config, { seed: 1 });
    const options = { selectionFigure: "f2", learningRate: -1 };
    await expect(finetuneMultipleChoice(start, task, { train: questions(4, 1) }, options)).rejects.toThrow(
      /selectionFigure[\s\S]*learningRate[\s\S]*maxSeqLength/,
    );
  });
});
