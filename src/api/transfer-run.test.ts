import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Backend } from "../backend/backend.ts";
import { Random } from "../base/random.ts";
import { parseQuestions } from "../data/question-file.ts";
import type { TaggedSource } from "../data/tagged-sentence.ts";
import { bartConfig } from "../models/bart/config.ts";
import { bart } from "../models/bart/family.ts";
import { bertConfig } from "../models/bert/config.ts";
import { bert } from "../models/bert/family.ts";
import { gpt2Config } from "../models/gpt2/config.ts";
import { gpt2 } from "../models/gpt2/family.ts";
import type { Weights } from "../nn/weights.ts";
import { openEngine } from "../runtime.ts";
import { questionAnswering } from "../tasks/question-answering.ts";
import { sequenceToSequence } from "../tasks/sequence-to-sequence.ts";
import { testTable, testTokenizer, testWords } from "../tasks/testing.ts";
import { textClassification } from "../tasks/text-classification.ts";
import { tokenClassification } from "../tasks/token-classification.ts";
import type { TrainEvent } from "../train/event.ts";
import {
  auxiliaryLanguageModeling,
  discriminativeRates,
  gradualUnfreezing,
  languageTuningFirst,
  type Strategy,
  sequentialUnfreezing,
  slantedTriangular,
  ulmfit,
} from "../transfer/strategy.ts";
import { explainTransfer } from "./explain-transfer.ts";
import { finetune } from "./finetune.ts";
import type { FinetuneOptions } from "./finetune-option.ts";
import { finetuneQuestionAnswering } from "./finetune-question-answering.ts";
import { finetuneSequenceToSequence } from "./finetune-sequence-to-sequence.ts";
import { finetuneTagging } from "./finetune-tagging.ts";

const tokenizer = testTokenizer();
const { special } = tokenizer;
const sizes = {
  ...{ vocabSize: tokenizer.vocabSize, hiddenSize: 32, numHiddenLayers: 2, numAttentionHeads: 2 },
  ...{ intermediateSize: 64, maxPositionEmbeddings: 32 },
};
const pretrained = bert(bertConfig(sizes), { seed: 5 });
const task = textClassification({ tokenizer, maxSeqLength: 16 });

/** Texts whose class is decided by one of their words. */
function rows(count: number, seed: number): { text: string; label: string }[] {
  const random = new Random(seed, "rows");
  return Array.from({ length: count }, () => {
    const isGood = random.next() < 0.5;
    const words = Array.from({ length: 2 + random.nextInt(5) }, () => testWords[4 + random.nextInt(8)]!);
    words.splice(random.nextInt(words.length), 0, (isGood ? ["good", "fine"] : ["bad", "poor"])[random.nextInt(2)]!);
    return { text: words.join(" "), label: isGood ? "positive" : "negative" };
  });
}
const tables = { train: testTable("train.tsv", rows(64, 1)), eval: testTable("dev.tsv", rows(16, 2)) };

const bits = (data: Float32Array): Buffer => Buffer.from(data.buffer, data.byteOffset, data.byteLength);
const same = (left: Weights, right: Weights): string[] =>
  [...left].flatMap(([name, data]) => (right.has(name) && bits(data).equals(bits(right.get(name)!)) ? [name] : []));

/** Ends a run after a step. */
function stopAfter(step: number): Pick<FinetuneOptions, "signal" | "listener"> {
  const controller = new AbortController();
  return {
    signal: controller.signal,
    listener: (event) => {
      if (event.kind === "step" && event.step === step) controller.abort();
    },
  };
}

describe("strategies", () => {
  let engine: Backend;
  let folder: string;
  beforeAll(async () => {
    engine = await openEngine({ threads: 1 });
    folder = await mkdtemp(join(tmpdir(), "firth-transfer-"));
  });
  afterAll(async () => {
    await engine.dispose();
    await rm(folder, { recursive: true, force: true });
  });
  const run = (options: FinetuneOptions, model: Parameters<typeof finetune>[0] = pretrained) =>
    finetune(model, task, tables, { engine, batchSize: 8, learningRate: 2e-3, seed: 3, ...options });

  const gradual = { ...gradualUnfreezing({ everySteps: 2 }), ...discriminativeRates(), maxSteps: 8 };
  const isLower = (name: string): boolean => name.startsWith("encoder.") && !name.startsWith("encoder.pooler.");

  it("unfreeze from the top, what is below standing still to the bit, and go on over every boundary to the same weights", async () => {
    const whole = await run({ ...gradual, outputDir: join(folder, "whole") });
    const outputDir = join(folder, "parts");
    const expected: readonly (readonly [number, RegExp])[] = [
      [2, /^encoder\.(embeddings|layers)/],
      [4, /^encoder\.(embeddings|layers\.0)/],
      [6, /^encoder\.embeddings/],
    ];
    for (const [step, still] of expected) {
      const part = await run({ ...gradual, outputDir, ...stopAfter(step) });
      expect(part.run).toMatchObject({ reason: "interrupted", steps: step });
      const kept = same(pretrained.weights, part.weights).filter((name) => name.startsWith("encoder."));
      const wanted = [...pretrained.weights.keys()].filter((name) => still.test(name));
      expect(kept.sort(), `after ${step} steps`).toEqual(wanted.sort());
    }
    const rest = await run({ ...gradual, outputDir });
    expect(same(rest.weights, whole.weights)).toEqual([...whole.weights.keys()]);
    expect(same(pretrained.weights, rest.weights).filter(isLower)).toEqual([]);
    await expect(run({ ...gradual, ...discriminativeRates(2), outputDir })).rejects.toMatchObject({
      code: "RUN_MISMATCH",
    });
  });

  it("tell when stages begin, also when a run goes on", async () => {
    const told: string[] = [];
    const listener = (event: TrainEvent): void => {
      if (event.kind === "notice" && event.message.startsWith("stage")) told.push(event.message);
    };
    await run({ ...gradual, listener });
    expect(told).toEqual([
      "stage 1 of 4 from step 1: pooler, head",
      "stage 2 of 4 from step 3: layer 1, pooler, head",
      "stage 3 of 4 from step 5: layers 0–1, pooler, head",
      "stage 4 of 4 from step 7: embeddings, layers 0–1, pooler, head",
    ]);
  });

  it("give each step the slanted triangular rate, and each layer its share (bug: the usual warm-up and decay)", async () => {
    const rates: number[] = [];
    const listener = (event: TrainEvent): void => {
      if (event.kind === "step") rates.push(event.learningRate);
    };
    await run({ ...slantedTriangular({ cut: 0.5, ratio: 4 }), maxSteps: 4, learningRate: 0.008, listener });
    expect(rates.map((rate) => Number(rate.toPrecision(10)))).toEqual([0.002, 0.005, 0.008, 0.005]);
    // In Adam's first step each weight goes as far as its rate.
    const options = {
      maxSteps: 1,
      warmupSteps: 0,
      learningRate: 1e-3,
      weightDecay: 0,
      maxGradNorm: null,
      epsilon: 1e-12,
    };
    const { weights } = await run({ ...options, ...discriminativeRates(4) });
    const moved = (name: string): number =>
      Math.max(...weights.get(name)!.map((x, i) => Math.abs(x - pretrained.weights.get(name)![i]!)));
    const names = ["encoder.pooler.weight", "encoder.layers.1.output.weight", "encoder.layers.0.output.weight"];
    expect(names.map((name) => Number((moved(name) / 1e-3).toFixed(2)))).toEqual([1, 0.25, 0.06]);
  });

  it("freeze what they name, to the bit, over the whole run", async () => {
    const { weights } = await run({ maxSteps: 3, freeze: ["embeddings", 0, "*.attention.*"] });
    const kept = same(pretrained.weights, weights);
    for (const name of pretrained.weights.keys()) {
      if (!name.startsWith("encoder.")) continue;
      expect(kept.includes(name), name).toBe(/embeddings|layers\.0\.|\.attention\./.test(name));
    }
  });

  it("add the loss of pre-training, told beside the task's; the model that comes out has the task's parts only", async () => {
    const means: Readonly<Record<string, number>>[] = [];
    const losses: number[] = [];
    const listener = (event: TrainEvent): void => {
      if (event.kind !== "step") return;
      means.push(event.means);
      losses.push(event.loss);
    };
    const auxiliary = auxiliaryLanguageModeling({ weight: 0.2, finalWeight: 0.1 });
    const outputDir = join(folder, "auxiliary");
    const tuned = await run({ ...auxiliary, maxSteps: 5, listener });
    for (const [step, { classification, mlm }] of means.entries()) {
      expect(mlm).toBeGreaterThan(1);
      expect(losses[step]).toBeCloseTo(classification! + 0.2 * 0.5 ** (step / 4) * mlm!, 5);
    }
    expect([...tuned.weights.keys()].some((name) => name.startsWith("languageHead"))).toBe(false);
    expect([...tuned.weights.keys()]).toEqual([...(await run({ maxSteps: 1 })).weights.keys()]);
    const again = await run({ ...auxiliary, maxSteps: 5, outputDir, ...stopAfter(2) });
    expect(again.run.reason).toBe("interrupted");
    const rest = await run({ ...auxiliary, maxSteps: 5, outputDir });
    expect(same(rest.weights, tuned.weights)).toEqual([...tuned.weights.keys()]);
  });

  it("tune the language first: the encoder is changed before the task, which may leave it frozen; an interrupted tuning goes on", async () => {
    const strategy = { ...languageTuningFirst({ maxSteps: 6, learningRate: 5e-3 }), freeze: "encoder" } as const;
    const outputDir = join(folder, "tuning");
    const first = await run({ ...strategy, maxSteps: 4, outputDir, ...stopAfter(3) });
    expect(first.run).toMatchObject({ reason: "interrupted", steps: 0 });
    expect(first.evaluation).toBeUndefined();
    expect(existsSync(join(outputDir, "metrics.jsonl"))).toBe(false);
    const whole = await run({ ...strategy, maxSteps: 4, outputDir });
    expect(await readdir(join(outputDir, "language-tuning"))).toContain("checkpoint-6");
    const at = await run({ ...strategy, maxSteps: 4 });
    expect(same(at.weights, whole.weights)).toEqual([...whole.weights.keys()]);
    expect(same(pretrained.weights, whole.weights).filter(isLower)).toEqual([]);
    // What is frozen is what tuning left, not what the model had before.
    const shorter = await run({ ...strategy, maxSteps: 1 });
    expect(same(shorter.weights, whole.weights).filter(isLower)).toEqual([...whole.weights.keys()].filter(isLower));
  });

  it("say what is missing, all of it before any row is read (bugs: one at a time, after an hour of training)", async () => {
    const classifier = await run({ maxSteps: 1 });
    const options = {
      ...{ engine, numEpochs: 3, unfreezing: { name: "gradual" as const }, auxiliary: {} },
      languageTuning: { numEpochs: 1 },
    };
    const unread = { train: testTable("never", []) };
    const failure = await finetune(classifier, task, unread, options).catch((error) => error);
    expect(failure.issues.map(({ path, code }: { path: string; code: string }) => `${path} ${code}`)).toEqual([
      "transfer.unfreezing UNFREEZING_TOO_LONG",
      "transfer.auxiliary MODEL_LACKS_PART",
      "transfer.languageTuning MODEL_LACKS_PART",
    ]);
    expect(failure.message).toContain("embeddings would never be trained");
    await expect(run({ ...gradualUnfreezing(), maxSteps: 8 })).rejects.toMatchObject({ code: "UNFREEZING_TOO_LONG" });
    const both = run({ maxSteps: 1, freeze: [0], treatment: () => ({}) });
    await expect(both).rejects.toMatchObject({ code: "CONFIG_AMBIGUOUS" });
    // As a control both may be new.
    await run({ maxSteps: 1, fromScratch: true, auxiliary: {} }, classifier);
  });

  it("are explained without a step: stages, sizes, rates, losses", async () => {
    const listener = (event: TrainEvent): void => {
      if (event.kind === "step") throw new Error("a step was made");
    };
    const strategy: Strategy = {
      ...ulmfit({ unfreezing: { name: "gradual", everyEpochs: 1 }, layerRateFactor: 2 }),
      ...{ freeze: ["embeddings"], auxiliary: { weight: 0.2, finalWeight: 0.1 } },
    };
    const options: FinetuneOptions = { ...strategy, numEpochs: 4, batchSize: 8, learningRate: 0.032, listener };
    const explanation = await explainTransfer((given) => finetune(pretrained, task, tables, given), options);
    expect(explanation).toMatchObject({ family: "bert", numParameters: 19_906, numStill: 1_696, maxSteps: 32 });
    const [tuning, ...stages] = explanation.stages;
    expect(tuning).toMatchObject({ name: "language tuning", firstStep: 1, lastStep: 8, losses: [{ name: "mlm" }] });
    // All but the pooler, which masked words do not use, and the head of pairs; dense, norm and bias of their head beside.
    expect(tuning!.numParameters).toBe(1_696 + 2 * 8_544 + 32 * 32 + 32 + 64 + 17);
    expect(
      stages.map(({ name, firstStep, lastStep, numParameters }) => [name, firstStep, lastStep, numParameters]),
    ).toEqual([
      ["stage 1", 1, 8, 66 + 1_056 + 1_137],
      ["stage 2", 9, 16, 66 + 1_056 + 1_137 + 8_544],
      ["stage 3", 17, 32, 66 + 1_056 + 1_137 + 2 * 8_544],
    ]);
    expect(stages[2]!.epochs).toEqual([2, 4]);
    expect(stages[2]!.groups.map(({ name }) => name)).toEqual(["layer 0", "layer 1", "pooler, head"]);
    const [low, , top] = stages[2]!.groups;
    expect(low!.learningRate.first).toBeCloseTo(top!.learningRate.first / 4, 12);
    expect(stages[0]!.groups[0]!.learningRate.first).toBeCloseTo(0.001, 12);
    expect(stages[0]!.groups[0]!.learningRate.highest).toBe(0.032);
    expect(stages[0]!.losses[0]).toEqual({ name: "classification", first: 1, last: 1 });
    expect(stages[0]!.losses[1]!.first).toBe(0.2);
    expect(stages[2]!.losses[1]!.last).toBeCloseTo(0.1, 12);
    const lines = explanation.text.split("\n");
    expect(lines[0]).toBe("bert, 19,906 parameters (pre-trained weights; 1,696 of them never trained)");
    expect(lines[1]).toContain("64 examples, 8 a step, 32 steps; rate: 0.032 at its peak, slanted triangular: 10 %");
    expect(explanation.text).toMatch(/stage 3 +17–32 +2–4 +layer 0 +8,544 .* classification \+ 0\.\d+→0\.1 mlm/);
    // The first stage stands alone where nothing is asked for.
    const plain = await explainTransfer((given) => finetune(pretrained, task, tables, given), { batchSize: 8 });
    expect(plain.stages.map(({ groups }) => groups.map(({ name }) => name))).toEqual([
      ["embeddings, layers 0–1, pooler, head"],
    ]);
    expect(plain.text).toContain("all of them trained");
  });

  describe("of every kind for every task", () => {
    const tagged: TaggedSource = {
      name: "generated",
      sentences: async function* () {
        for (const [i, { text }] of rows(32, 4).entries()) {
          const words = text.split(" ");
          yield { words, tags: words.map((word) => (word === "good" ? "A" : "B")), line: i + 1 };
        }
      },
    };
    const paragraphs = rows(32, 5).map(({ text }, i) => {
      const [answer] = text.split(" ");
      const qas = [{ id: `${i}`, question: "the film ?", answers: [{ text: answer, answer_start: 0 }] }];
      return { context: text, qas };
    });
    const questions = parseQuestions({ data: [{ paragraphs }] }, "questions");
    const pairs = testTable(
      "pairs",
      rows(32, 6).map(({ text }) => ({ source: text, target: text.split(" ").slice(0, 2).join(" ") })),
    );
    const writer = bart(
      bartConfig({
        ...{ ...sizes, numDecoderLayers: 2, numDecoderAttentionHeads: 2, decoderIntermediateSize: 64 },
        ...{
          padTokenId: special.pad,
          bosTokenId: special.cls!,
          eosTokenId: special.sep!,
          forcedEosTokenId: special.sep!,
        },
        decoderStartTokenId: special.sep!,
      }),
      { seed: 1 },
    );
    const reader = gpt2(gpt2Config({ ...sizes, bosTokenId: special.cls!, eosTokenId: special.sep! }), { seed: 1 });
    const write = sequenceToSequence({ tokenizer, maxSourceLength: 16, maxTargetLength: 8 });
    const answer = questionAnswering({ tokenizer, maxSeqLength: 24, maxQueryLength: 4 });
    const tag = tokenClassification({ tokenizer, maxSeqLength: 16, overlap: 4 });
    const tasks: Readonly<Record<string, (options: FinetuneOptions) => Promise<unknown>>> = {
      "BERT classifies": (options) => finetune(pretrained, task, tables, options),
      "GPT-2 classifies": (options) => finetune(reader, task, tables, options),
      "BART classifies": (options) => finetune(writer, task, tables, options),
      "BERT tags": (options) => finetuneTagging(pretrained, tag, { train: tagged }, options),
      "BERT answers": ({ selectionFigure: _, ...options }) =>
        finetuneQuestionAnswering(pretrained, answer, { train: questions }, options),
      "BART writes": ({ selectionFigure: _, ...options }) =>
        finetuneSequenceToSequence(writer, write, { train: pairs }, options),
      "BERT writes": ({ selectionFigure: _, ...options }) =>
        finetuneSequenceToSequence(pretrained, write, { train: pairs }, options),
    };
    const strategies: Readonly<Record<string, Strategy>> = {
      ULMFiT: ulmfit({ unfreezing: { name: "gradual", everySteps: 1 }, languageTuning: { maxSteps: 2 } }),
      "an auxiliary loss, frozen embeddings": { ...auxiliaryLanguageModeling(), freeze: ["embeddings"] },
    };
    for (const [what, start] of Object.entries(tasks)) {
      it.each(Object.entries(strategies))(`${what} with %s`, async (_name, strategy) => {
        const events: TrainEvent[] = [];
        const listener = (event: TrainEvent) => void events.push(event);
        const options = { ...strategy, maxSteps: 8, batchSize: 4, learningRate: 1e-3 };
        const { stages } = await explainTransfer(start, options);
        await start({ ...options, engine, listener });
        const steps = events.filter((event) => event.kind === "step");
        expect(steps.every(({ loss }) => Number.isFinite(loss))).toBe(true);
        expect(steps).toHaveLength(strategy.auxiliary === undefined ? 10 : 8);
        if (strategy.auxiliary !== undefined) expect(Object.keys(steps[0]!.means)).toHaveLength(2);
        else expect(stages.length).toBeGreaterThanOrEqual(5);
      });
    }

    it("not where a part is missing: sequential unfreezing of a model that writes without a head", async () => {
      const failure = finetuneSequenceToSequence(
        writer,
        write,
        { train: pairs },
        { ...sequentialUnfreezing(), engine },
      );
      await expect(failure).rejects.toMatchObject({ code: "MODEL_LACKS_PART" });
    });
  });

  it("an auxiliary loss runs in one lane: two are refused, and auto is one (bug: a later batch that cannot be cut ends the run)", async () => {
    const learn = (lanes: 2 | "auto") =>
      finetune(
        pretrained,
        task,
        { train: tables.train },
        {
          engine,
          maxSteps: 1,
          batchSize: 8,
          lanes,
          ...auxiliaryLanguageModeling(),
        },
      );
    await expect(learn(2)).rejects.toThrow(
      /lanes: must be 1 or "auto" with an auxiliary loss.*got 2\. Set train\.lanes: 1/,
    );
    expect((await learn("auto")).run.steps).toBe(1);
  });
});
