import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Backend } from "../backend/backend.ts";
import { Random } from "../base/random.ts";
import { bertConfig } from "../models/bert/config.ts";
import { bert } from "../models/bert/family.ts";
import type { Weights } from "../nn/weights.ts";
import { openEngine } from "../runtime.ts";
import { testTable, testTokenizer } from "../tasks/testing.ts";
import { textClassification } from "../tasks/text-classification.ts";
import { textRanking } from "../tasks/text-ranking.ts";
import type { TrainEvent } from "../train/event.ts";
import { evaluate } from "./evaluate.ts";
import { finetune, tell } from "./finetune.ts";
import type { FinetuneOptions } from "./finetune-option.ts";
import { loadClassifier } from "./load.ts";
import { predict } from "./predict.ts";

const tokenizer = testTokenizer();
const config = bertConfig({
  vocabSize: tokenizer.vocabSize,
  hiddenSize: 32,
  numHiddenLayers: 2,
  numAttentionHeads: 2,
  intermediateSize: 64,
  maxPositionEmbeddings: 32,
});
const pretrained = bert(config, { seed: 5 });
const task = textClassification({ tokenizer, maxSeqLength: 16 });

/** Texts whose class is decided by one of their words. */
function keywordRows(count: number, seed: number): { text: string; label: string }[] {
  const random = new Random(seed, "rows");
  const fillers = ["film", "book", "plot", "cast", "very", "so", "the", "a"];
  return Array.from({ length: count }, () => {
    const isGood = random.next() < 0.5;
    const words = Array.from({ length: 1 + random.nextInt(6) }, () => fillers[random.nextInt(fillers.length)]!);
    const keyword = (isGood ? ["good", "fine"] : ["bad", "poor"])[random.nextInt(2)]!;
    words.splice(random.nextInt(words.length + 1), 0, keyword);
    return { text: words.join(" "), label: isGood ? "positive" : "negative" };
  });
}

const tables = { train: testTable("train.tsv", keywordRows(128, 1)), eval: testTable("dev.tsv", keywordRows(48, 2)) };

function expectSame(left: Weights, right: Weights): void {
  expect([...left.keys()]).toEqual([...right.keys()]);
  for (const [name, data] of left) {
    expect(Buffer.from(data.buffer, data.byteOffset, data.byteLength).equals(bytes(right.get(name)!)), name).toBe(true);
  }
}
const bytes = (data: Float32Array): Buffer => Buffer.from(data.buffer, data.byteOffset, data.byteLength);

describe("finetune", () => {
  let engine: Backend;
  let folder: string;
  beforeAll(async () => {
    engine = await openEngine({ threads: 1 });
    folder = await mkdtemp(join(tmpdir(), "firth-finetune-"));
  });
  afterAll(async () => {
    await engine.dispose();
    await rm(folder, { recursive: true, force: true });
  });
  const run = (options: FinetuneOptions) =>
    finetune(pretrained, task, tables, { engine, batchSize: 16, learningRate: 2e-3, ...options });

  it("learns which words decide, saves, loads and predicts alike (catches labels or first tokens mixed up)", async () => {
    const classifier = await run({ numEpochs: 8, selectBest: true });
    expect(classifier.evaluation!.accuracy).toBeGreaterThan(0.95);
    expect(classifier.evaluations).toHaveLength(8);
    expect(classifier.evaluations[0]!.means).toHaveProperty("matthews");
    const out = join(folder, "saved");
    await classifier.save(out);
    const loaded = await loadClassifier(out);
    expect(loaded).toMatchObject({ labels: ["negative", "positive"], maxSeqLength: 16, newParameters: [] });
    expect(loaded.tokenizer.hash).toBe(tokenizer.hash);
    const again = await evaluate(loaded, tables.eval, { engine });
    expect(again.confusion).toEqual(classifier.evaluation!.confusion);
    expect(again.loss).toBeCloseTo(classifier.evaluation!.loss, 6);
    const [good, bad] = await predict(loaded, ["the plot so good", "poor film"], { engine });
    expect([good!.label, bad!.label]).toEqual(["positive", "negative"]);
    expect(good!.probabilities.positive! + good!.probabilities.negative!).toBeCloseTo(1, 12);

    // The same classes keep their head, so a start from the saved folder is as good before any real step.
    const kept = await finetune(out, task, tables, { engine, maxSteps: 1, learningRate: 1e-9 });
    expect(kept.evaluation!.loss).toBeCloseTo(classifier.evaluation!.loss, 4);
    const renamed = textClassification({ tokenizer, maxSeqLength: 16, labels: ["positive", "negative"] });
    const anew = await finetune(out, renamed, tables, { engine, maxSteps: 1, learningRate: 1e-9 });
    expect(anew.labels).toEqual(["positive", "negative"]);
    expect(anew.evaluation!.loss).toBeGreaterThan(classifier.evaluation!.loss + 0.1);
  });

  it("starts from the pre-trained encoder, or from new weights for the control (catches a start that is always new)", async () => {
    const name = "encoder.layers.1.output.weight";
    const still = { maxSteps: 1, learningRate: 0 };
    const adopted = await run(still);
    const control = await run({ ...still, fromScratch: true });
    expect(bytes(adopted.weights.get(name)!).equals(bytes(pretrained.weights.get(name)!))).toBe(true);
    expect(bytes(control.weights.get(name)!).equals(bytes(pretrained.weights.get(name)!))).toBe(false);
    const head = "classifier.weight";
    expect(bytes(adopted.weights.get(head)!).equals(bytes(control.weights.get(head)!))).toBe(true);
  });

  it("freezes the encoder (catches frozen weights that decay or move)", async () => {
    const { weights } = await run({ maxSteps: 2, freeze: "encoder" });
    for (const [name, data] of pretrained.weights) {
      if (!name.startsWith("encoder.")) continue;
      expect(bytes(weights.get(name)!).equals(bytes(data)), name).toBe(!name.startsWith("encoder.pooler."));
    }
  });

  it("gives the same weights twice for a seed, and others for another", async () => {
    const [first, second, other] = [
      await run({ maxSteps: 4 }),
      await run({ maxSteps: 4 }),
      await run({ maxSteps: 4, seed: 2 }),
    ];
    expectSame(first.weights, second.weights);
    expect(bytes(first.weights.get("classifier.bias")!).equals(bytes(other.weights.get("classifier.bias")!))).toBe(
      false,
    );
  });

  it("goes on after an interruption to the same weights, bit for bit", async () => {
    const options = { maxSteps: 7, evalSteps: 3, gradientAccumulationSteps: 2 };
    const whole = await run({ ...options, outputDir: join(folder, "whole") });
    const outputDir = join(folder, "interrupted");
    const controller = new AbortController();
    const listener = (event: TrainEvent): void => {
      if (event.kind === "step" && event.step === 4) controller.abort();
    };
    const part = await run({ ...options, outputDir, signal: controller.signal, listener });
    expect(part.run).toMatchObject({ steps: 4, reason: "interrupted" });
    const rest = await run({ ...options, outputDir });
    expect(rest.run.steps).toBe(7);
    expectSame(rest.weights, whole.weights);
    expect(rest.evaluation).toEqual(whole.evaluation);
    await expect(run({ ...options, outputDir, fromScratch: true })).rejects.toMatchObject({ code: "RUN_MISMATCH" });
  });

  it("reports all problems together before it reads any row", async () => {
    const unread = testTable("never", []);
    const wrong = textClassification({ tokenizer, maxSeqLength: 64, textColumns: ["text", "text_b"] });
    const small = bert(bertConfig({ ...config, vocabSize: 9, typeVocabSize: 1 }), { seed: 1 });
    const options = { learningrate: 1, selectionFigure: "acuracy", engine } as unknown as FinetuneOptions;
    const failure = await finetune(small, wrong, { train: unread }, options).catch((error) => error);
    expect(failure).toMatchObject({ name: "ConfigError", code: "CONFIG_INVALID" });
    expect(failure.issues.map(({ path }: { path: string }) => path).sort()).toEqual([
      "learningrate",
      "selectionFigure",
      "task.maxSeqLength",
      "task.textColumns",
      "task.tokenizer",
    ]);
    expect(failure.message).toContain(`has ${tokenizer.vocabSize} tokens, the model's vocabulary 9`);
    expect(failure.message).toContain("Use accuracy");
  });

  it("says that all examples are of one class, where the classes are given (bug: silence, and a figure of 1)", async () => {
    const notices: string[] = [];
    const one = {
      ...tables,
      train: testTable(
        "one.tsv",
        keywordRows(16, 1).map((row) => ({ ...row, label: "positive" })),
      ),
    };
    await finetune(
      pretrained,
      textClassification({ tokenizer, maxSeqLength: 16, labels: ["negative", "positive"] }),
      one,
      {
        ...{ engine, maxSteps: 1 },
        listener: (event) => {
          if (event.kind === "notice") notices.push(event.message);
        },
      },
    );
    expect(notices).toContain('one.tsv: 16 examples, 2 classes, all of class "positive"');
    expect(notices).toContain("dev.tsv: 48 examples, 2 classes");
  });

  it("tells of how many queries candidates are, and how many have something to choose (bug: a table of which nearly nothing is learnt)", async () => {
    const rows = [
      { text: "good", other: "film", label: "1" },
      { text: "good", other: "plot", label: "0" },
      { text: "bad", other: "film", label: "0" },
      { text: "new", other: "plot", label: "1" },
    ];
    const ranking = textRanking({ tokenizer, maxSeqLength: 16, textColumns: ["text", "other"] });
    const notices: string[] = [];
    const listener = (event: TrainEvent) => void (event.kind === "notice" && notices.push(event.message));
    tell(listener, await ranking.read(testTable("pairs.tsv", rows)), 16);
    expect(notices).toEqual(["pairs.tsv: 4 candidates of 3 queries; with a right one and others: 1"]);
  });

  it("refuses a label in dev that train has not", async () => {
    const dev = testTable("dev.tsv", [{ text: "good", label: "neutral" }]);
    await expect(finetune(pretrained, task, { train: tables.train, eval: dev }, { engine })).rejects.toThrow(
      /dev\.tsv: line 1: the label "neutral" is not known; known are "negative", "positive"/,
    );
  });
});
