import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Backend } from "../backend/backend.ts";
import { bertConfig } from "../models/bert/config.ts";
import { bert } from "../models/bert/family.ts";
import { openEngine } from "../runtime.ts";
import { testTable, testTokenizer } from "../tasks/testing.ts";
import { textClassification } from "../tasks/text-classification.ts";
import { textRegression } from "../tasks/text-regression.ts";
import { finetuneTogether, type TogetherTask } from "./finetune-together.ts";
import { saveModel } from "./model.ts";
import { loadMultiTask, loadTask } from "./multi-task-model.ts";
import { predict } from "./predict.ts";
import { openScorer } from "./predict-score.ts";

const tokenizer = testTokenizer();
const sizes = { hiddenSize: 32, numHiddenLayers: 2, numAttentionHeads: 2, intermediateSize: 64 };
const config = bertConfig({ ...sizes, vocabSize: tokenizer.vocabSize, maxPositionEmbeddings: 32 });
const pretrained = { ...bert(config, { seed: 5 }), tokenizer };
const common = { tokenizer, maxSeqLength: 16 };

const texts = [
  "good film",
  "bad plot",
  "fine cast",
  "poor book",
  "so good",
  "very bad",
  "a fine plot",
  "the poor cast",
];
const isGood = (text: string): boolean => /good|fine/.test(text);
const rows = Array.from({ length: 10 }, () => texts).flat();
const tasks: readonly TogetherTask[] = [
  {
    name: "mood",
    task: textClassification(common),
    train: testTable(
      "mood",
      rows.map((text) => ({ text, label: isGood(text) ? "good" : "bad" })),
    ),
  },
  {
    name: "stars",
    task: textRegression(common),
    train: testTable(
      "stars",
      rows.map((text) => ({ text, label: isGood(text) ? "5" : "1" })),
    ),
  },
];

describe("finetuneTogether with an adapter", () => {
  let engine: Backend;
  let folder: string;
  beforeAll(async () => {
    engine = await openEngine({ threads: 1 });
    folder = await mkdtemp(join(tmpdir(), "firth-together-adapter-"));
    await saveModel(join(folder, "start"), pretrained);
  });
  afterAll(async () => {
    await engine.dispose();
    await rm(folder, { recursive: true, force: true });
  });

  it.each([
    { kind: "lora", rank: 4 },
    { kind: "houlsby", size: 8 },
  ] as const)(
    "moves the adapter and the heads alone; every task predicts alike from the folder ($kind; bugs: an encoder that moves, heads without the adapter below them)",
    async (adapter) => {
      const run = { engine, batchSize: 8, learningRate: 1e-2, numEpochs: 6, adapter };
      const learnt = await finetuneTogether(join(folder, "start"), tasks, run);
      for (const [name, data] of pretrained.weights) {
        const own = learnt.weights.get(name);
        if (own === undefined || name.startsWith("encoder.pooler.")) continue;
        expect(
          own.every((x, i) => x === data[i]),
          name,
        ).toBe(true);
      }
      // What begins with zeros has moved in every layer, and so have both heads.
      const begun = /adapter\.pairs\.\d+\.b$|outputAdapter\.up\.weight$|^heads\.\w+\.\S+\.bias$/;
      const zeros = [...learnt.weights].filter(([name]) => begun.test(name));
      expect(zeros.length).toBeGreaterThanOrEqual(4);
      for (const [name, data] of zeros)
        expect(
          data.some((x) => x !== 0),
          name,
        ).toBe(true);
      const out = join(folder, adapter.kind);
      await learnt.save(out);
      expect(existsSync(join(out, "model.safetensors"))).toBe(false);
      const before = await predict(learnt.task("mood"), texts, { engine });
      const after = await predict(await loadTask(out, "mood"), texts, { engine });
      after.forEach(({ probabilities }, i) => {
        expect(probabilities.good).toBeCloseTo(before[i]!.probabilities.good!, 4);
      });
      const stars = async (model: Parameters<typeof openScorer>[0]): Promise<readonly number[]> => {
        const scorer = await openScorer(model, { engine });
        const scores = await scorer.predict(texts);
        await scorer.dispose();
        return scores;
      };
      const [own, again] = [await stars(learnt.task("stars")), await stars(await loadTask(out, "stars"))];
      own.forEach((score, i) => {
        expect(again[i]).toBeCloseTo(score, 3);
      });
      expect((await loadMultiTask(out)).tasks.map(({ name }) => name)).toEqual(["mood", "stars"]);
      // Upon an adapter there is no other; small networks are no start for anything.
      await expect(finetuneTogether(out, tasks, run)).rejects.toMatchObject({
        code: expect.stringMatching(/^ADAPTER_/),
      });
    },
  );
});
