import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Backend } from "../backend/backend.ts";
import { Random } from "../base/random.ts";
import type { TaggedSource } from "../data/tagged-sentence.ts";
import { bertConfig } from "../models/bert/config.ts";
import { bert } from "../models/bert/family.ts";
import { openEngine } from "../runtime.ts";
import { choice, type SearchSpec, search, type TrialOutcome, type TrialPlace } from "../selection/index.ts";
import { testTable, testTokenizer } from "../tasks/testing.ts";
import { textClassification } from "../tasks/text-classification.ts";
import { tokenClassification } from "../tasks/token-classification.ts";
import { finetune } from "./finetune.ts";
import { finetuneTagging } from "./finetune-tagging.ts";

const tokenizer = testTokenizer();
const config = bertConfig({
  ...{ vocabSize: tokenizer.vocabSize, hiddenSize: 32, numHiddenLayers: 1, numAttentionHeads: 2, intermediateSize: 64 },
  maxPositionEmbeddings: 32,
  ...{ hiddenDropoutProb: 0, attentionProbsDropoutProb: 0 },
});
const start = bert(config, { seed: 5 });
const folder = mkdtempSync(join(tmpdir(), "firth-search-real-"));
let engine: Backend;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(async () => {
  await engine.dispose();
  rmSync(folder, { recursive: true });
});

function rows(count: number, seed: number) {
  const random = new Random(seed, "rows");
  return Array.from({ length: count }, () => {
    const isGood = random.next() < 0.5;
    return {
      text: `${isGood ? "good" : "bad"} ${["film", "book"][random.nextInt(2)]}`,
      label: isGood ? "1" : "0",
    };
  });
}
const tables = { train: testTable("train", rows(64, 1)), eval: testTable("dev", rows(32, 2)) };
const task = textClassification({ tokenizer, maxSeqLength: 12 });
const withoutSeconds = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (key, inner: unknown) => (key === "seconds" ? undefined : inner)));

describe("search over real fine-tuning", () => {
  const space = { learningRate: choice([1e-6, 1e-2, 2e-6]) };
  const base = { figure: "accuracy", higherIsBetter: true, space, method: "grid", seeds: [1] } as const;
  const run = ({ settings, options }: TrialPlace): Promise<TrialOutcome> =>
    finetune(start, task, tables, { ...settings, ...options, engine, batchSize: 16, maxSteps: 36, evalSteps: 4 });

  test("finds the rate that learns; halving goes on from checkpoints to the same figures (bug: trials begun anew)", async () => {
    const whole = await search({ ...base, run });
    expect(whole.best).toMatchObject({ number: 2, settings: { learningRate: 1e-2 } });
    expect(whole.best!.score!.mean).toBeGreaterThan(0.9);
    const halved = await search({
      ...base,
      run,
      stop: { kind: "halving", minShare: 0.5 },
      outputDir: join(folder, "halving"),
    });
    expect(halved.trials.map(({ state }) => state)).toEqual(["stopped", "finished", "stopped"]);
    expect(halved.trials.map(({ runs }) => runs[0]!.steps)).toEqual([20, 36, 20]);
    const [full, continued] = [whole, halved].map(({ best }) => withoutSeconds(best!.runs[0]!));
    expect(continued).toEqual(full);
  });

  test("an interrupted search goes on in the run at hand (bug: lost steps, other figures)", async () => {
    const options = (name: string): SearchSpec => ({ ...base, run, outputDir: join(folder, name) });
    const whole = await search(options("whole"));
    const controller = new AbortController();
    let steps = 0;
    const counted = (place: TrialPlace): Promise<TrialOutcome> =>
      run({
        ...place,
        options: {
          ...place.options,
          listener: (event) => {
            place.options.listener(event);
            if (event.kind === "step" && ++steps === 50) controller.abort();
          },
        },
      });
    const part = await search({ ...options("part"), run: counted, signal: controller.signal });
    expect(part.end).toBe("interrupted");
    const rest = await search({ ...options("part"), run: counted });
    expect(steps).toBe(3 * 36);
    expect(withoutSeconds(rest)).toEqual(withoutSeconds(whole));
  });

  test("works over another task by the same call", async () => {
    const source = (name: string, seed: number): TaggedSource => ({
      name,
      sentences: async function* () {
        const random = new Random(seed, "tags");
        for (let line = 1; line <= 48; line++) {
          const words = Array.from({ length: 4 }, () => ["good", "film", "so", "the"][random.nextInt(4)]!);
          yield { words, tags: words.map((word) => (word === "good" ? "B-x" : "O")), line };
        }
      },
    });
    const tagging = tokenClassification({ tokenizer, maxSeqLength: 12, overlap: 2 });
    const data = { train: source("train", 1), eval: source("dev", 2) };
    const result = await search({
      ...{ ...base, figure: "f1", maxTrials: 2 },
      run: ({ settings, options }) =>
        finetuneTagging(start, tagging, data, {
          ...settings,
          ...options,
          engine,
          batchSize: 16,
          maxSteps: 24,
          evalSteps: 8,
        }),
    });
    expect(result.best).toMatchObject({ number: 2 });
    expect(result.best!.score!.mean).toBeGreaterThan(0.9);
  });
});
