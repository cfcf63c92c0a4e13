import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { oneDnn } from "../../tests/support/backends.ts";
import type { Backend } from "../backend/backend.ts";
import { Random } from "../base/random.ts";
import type { TaggedSentence, TaggedSource } from "../data/tagged-sentence.ts";
import { bertConfig } from "../models/bert/config.ts";
import { bert } from "../models/bert/family.ts";
import type { Weights } from "../nn/weights.ts";
import { openEngine } from "../runtime.ts";
import type { RankingResult } from "../tasks/ranking-evaluation.ts";
import type { TaggingResult } from "../tasks/tagging-evaluation.ts";
import { testTable, testTokenizer } from "../tasks/testing.ts";
import { textClassification } from "../tasks/text-classification.ts";
import { textRanking } from "../tasks/text-ranking.ts";
import { textRegression } from "../tasks/text-regression.ts";
import { tokenClassification } from "../tasks/token-classification.ts";
import type { TrainEvent } from "../train/event.ts";
import { auxiliaryLanguageModeling } from "../transfer/strategy.ts";
import { evaluate } from "./evaluate.ts";
import { evaluateTask } from "./evaluate-task.ts";
import { finetune } from "./finetune.ts";
import { finetuneTagging } from "./finetune-tagging.ts";
import {
  type AnyTogetherTask,
  type FinetuneTogetherOptions,
  finetuneTogether,
  type TogetherTagging,
  type TogetherTask,
} from "./finetune-together.ts";
import { loadMultiTask, loadTask, loadTaskTagger } from "./multi-task-model.ts";
import { predict } from "./predict.ts";
import { openScorer } from "./predict-score.ts";
import { openTagger } from "./tagger.ts";

const tokenizer = testTokenizer();
const sizes = { hiddenSize: 32, numHiddenLayers: 1, numAttentionHeads: 2, intermediateSize: 64 };
const config = bertConfig({ ...sizes, vocabSize: tokenizer.vocabSize, maxPositionEmbeddings: 32 });
const pretrained = bert(config, { seed: 5 });
const common = { tokenizer, maxSeqLength: 16 };

const fillers = ["film", "book", "plot", "cast", "very", "so", "the", "a"];
const keywords = { good: ["good", "fine"], bad: ["bad", "poor"] } as const;

/** A text about something good or bad. */
function textOf(random: Random, mood: "good" | "bad"): string {
  const words = Array.from({ length: 1 + random.nextInt(4) }, () => fillers[random.nextInt(fillers.length)]!);
  words.splice(random.nextInt(words.length + 1), 0, keywords[mood][random.nextInt(2)]!);
  return words.join(" ");
}

const moodOf = (random: Random): "good" | "bad" => (random.next() < 0.5 ? "good" : "bad");

/** Whether a text is good; whether two agree, as a class, as a number; which candidates agree with a query. */
function rowsOf(kind: "mood" | "agree" | "near" | "rank", count: number, seed: number) {
  const random = new Random(seed, kind);
  return testTable(
    `${kind}.tsv`,
    Array.from({ length: count }, (_, i) => {
      // Four candidates of a query are neighbours.
      const query = new Random(seed, "query", Math.floor(i / 4));
      const first = kind === "rank" ? moodOf(query) : moodOf(random);
      const text = textOf(kind === "rank" ? query : random, first);
      const second = moodOf(random);
      const same = first === second;
      const label = { mood: first, agree: same ? "yes" : "no", near: same ? "5" : "1", rank: same ? "1" : "0" }[kind];
      return { text, other: textOf(random, second), label };
    }),
  );
}

const pair = { textColumns: ["text", "other"] } as const;
const mood: TogetherTask = {
  name: "mood",
  task: textClassification(common),
  train: rowsOf("mood", 96, 1),
  eval: rowsOf("mood", 48, 2),
};
const agree: TogetherTask = {
  name: "agree",
  task: textClassification({ ...common, ...pair }),
  train: rowsOf("agree", 192, 1),
  eval: rowsOf("agree", 64, 2),
  head: { kind: "stochasticAnswer", numSteps: 3 },
};
const near: TogetherTask = {
  name: "near",
  task: textRegression({ ...common, ...pair }),
  train: rowsOf("near", 192, 3),
  eval: rowsOf("near", 48, 4),
};
const rank: TogetherTask = {
  name: "rank",
  task: textRanking({ ...common, ...pair, gamma: 4 }),
  train: rowsOf("rank", 192, 5),
  eval: rowsOf("rank", 96, 6),
};
const all = [mood, agree, near, rank];

/** "good" begins an entity, and "film" behind it goes on with it: alone it is none. */
function tagged(count: number, seed: number): TaggedSource {
  const random = new Random(seed, "tagged");
  const pieces = ["good film", "good", "film", "plot", "very", "so", "the"];
  const lines = Array.from({ length: count }, (_, i): TaggedSentence => {
    const words = Array.from({ length: 2 + random.nextInt(4) }, () => pieces[random.nextInt(pieces.length)]!)
      .join(" ")
      .split(" ");
    const tags = words.map((word, at) => {
      if (word === "good") return "B-x";
      return word === "film" && words[at - 1] === "good" ? "I-x" : "O";
    });
    return { words, tags, line: i + 1 };
  });
  return {
    name: "tagged",
    sentences: async function* () {
      yield* lines;
    },
  };
}
const tags: TogetherTagging = {
  name: "tags",
  task: tokenClassification({ ...common, overlap: 4, crf: true, constrained: true }),
  train: tagged(192, 1),
  eval: tagged(48, 2),
};

function expectSame(left: Weights, right: Weights): void {
  expect([...left.keys()]).toEqual([...right.keys()]);
  for (const [name, data] of left) {
    const other = right.get(name)!;
    expect(Buffer.from(data.slice().buffer).equals(Buffer.from(other.slice().buffer)), name).toBe(true);
  }
}

describe("finetuneTogether", () => {
  let engine: Backend;
  let folder: string;
  beforeAll(async () => {
    engine = await openEngine({ threads: 1 });
    folder = await mkdtemp(join(tmpdir(), "firth-together-"));
  });
  afterAll(async () => {
    await engine.dispose();
    await rm(folder, { recursive: true, force: true });
  });
  const run = (tasks: readonly AnyTogetherTask[], options: FinetuneTogetherOptions) =>
    finetuneTogether(pretrained, tasks, { engine, batchSize: 16, learningRate: 2e-3, ...options });

  it("learns four kinds of task with one encoder, tells each one's figures, and each predicts alike from its folder (bugs: heads or labels mixed up, figures of another task, heads that are not saved)", async () => {
    const events: TrainEvent[] = [];
    const listener = (event: TrainEvent): void => void events.push(event);
    const outputDir = join(folder, "run");
    const learnt = await run(all, { numEpochs: 14, selectBest: true, evalSteps: 100, outputDir, listener });
    const { evaluation } = learnt;
    const figures = all.map(({ name, task }) => task.trainingFigures(evaluation![name]!).means);
    expect(figures[0]!.accuracy).toBeGreaterThan(0.9);
    expect(figures[1]!.accuracy).toBeGreaterThan(0.75);
    expect(figures[2]!.pearson).toBeGreaterThan(0.5);
    // Of queries that have a relevant candidate at all; by chance it would be the best of half of them.
    const { numQueries, numUnanswerable, precisionAt1 } = evaluation!.rank as RankingResult;
    expect((precisionAt1 * numQueries) / (numQueries - numUnanswerable)).toBeGreaterThan(0.8);
    const own = [figures[0]!.accuracy!, figures[1]!.accuracy!, figures[2]!.pearson!, figures[3]!.mrr!];
    expect(learnt.average).toBeCloseTo(own.reduce((sum, value) => sum + value, 0) / 4, 12);

    // Every step tells its task; the evaluations tell all, and the files too.
    const kinds = events.flatMap((event) => (event.kind === "step" ? [event.batchKind] : []));
    expect(new Set(kinds)).toEqual(new Set(["mood", "agree", "near", "rank"]));
    expect(kinds.slice(0, 30)).not.toEqual([...kinds.slice(0, 30)].sort());
    const means = learnt.evaluations.at(-1)!.means;
    expect(Object.keys(means)).toEqual(
      expect.arrayContaining(["average", "mood.accuracy", "agree.matthews", "near.spearman", "rank.mrr", "rank.loss"]),
    );
    const lines = (await readFile(join(outputDir, "metrics.jsonl"), "utf8")).trim().split("\n");
    expect(lines.some((line) => line.includes('"near.regression"'))).toBe(true);
    const best = learnt.evaluations.find(({ step }) => step === learnt.run.selectedStep)!;
    expect(best.means.average).toBe(Math.max(...learnt.evaluations.map((event) => event.means.average!)));

    const out = join(folder, "saved");
    await learnt.save(out);
    const loaded = await loadMultiTask(out);
    expectSame(new Map([...loaded.weights].sort()), new Map([...learnt.weights].sort()));
    const [happy, sad] = await predict(await loadTask(out, "mood"), ["the plot so good", "poor film"], { engine });
    expect([happy!.label, sad!.label]).toEqual(["good", "bad"]);
    const again = await evaluate(await loadTask(out, "agree"), agree.eval!, { engine, ...pair });
    expect(again.loss).toBeCloseTo(evaluation!.agree!.loss, 6);
    for (const { name, eval: held } of all) {
      const found = await evaluateTask(await loadTask(out, name), held!, { engine });
      expect(found.loss, name).toBeCloseTo(evaluation![name]!.loss, 6);
    }
    const scorer = await openScorer(await loadTask(out, "rank"), { engine });
    const [same, other] = await scorer.predict([
      ["good film", "fine plot"],
      ["good film", "bad plot"],
    ]);
    await scorer.dispose();
    expect(same).toBeGreaterThan(other!);
    expect(same).toBeLessThan(1);
    expect(other).toBeGreaterThan(0);
    await expect(loadTask(out)).rejects.toMatchObject({ code: "TASK_MISSING" });
    await expect(loadTask(out, "moods")).rejects.toMatchObject({ code: "TASK_UNKNOWN" });

    // One task alone goes on with its head; another name begins a new one; finetune takes the encoder.
    const still = { engine, maxSteps: 1, learningRate: 0 };
    const alone = await finetuneTogether(out, [agree], still);
    expect(alone.evaluation!.agree!.loss).toBeCloseTo(evaluation!.agree!.loss, 6);
    const renamed = await finetuneTogether(out, [{ ...agree, name: "other" }], still);
    expect(renamed.evaluation!.other!.loss).toBeGreaterThan(evaluation!.agree!.loss + 0.01);
    const fromModel = await finetuneTogether(learnt, [near], still);
    expect(fromModel.evaluation!.near!.loss).toBeCloseTo(evaluation!.near!.loss, 6);
    for (const start of [out, learnt]) {
      const plain = await finetune(start, textClassification(common), { train: mood.train, eval: mood.eval }, still);
      const name = "encoder.layers.0.output.weight";
      expect(plain.weights.get(name)).toEqual(learnt.weights.get(name));
    }
    await writeFile(join(out, "tasks.json"), '{"tasks": [{"name": "mood"}]}');
    await expect(loadTask(out, "mood")).rejects.toMatchObject({ code: "TASKS_MALFORMED" });
  });

  it("goes on after interruptions to the same weights, bit for bit (bugs: an order or an optimizer's clock that begins anew)", async () => {
    const options = { maxSteps: 16, evalSteps: 8, gradientAccumulationSteps: 2, mixing: { exponent: 0.5 } };
    const whole = await run(all, { ...options, outputDir: join(folder, "whole") });
    const outputDir = join(folder, "parts");
    for (const last of [5, 11]) {
      const controller = new AbortController();
      const listener = (event: TrainEvent): void => {
        if (event.kind === "step" && event.step === last) controller.abort();
      };
      const part = await run(all, { ...options, outputDir, listener, signal: controller.signal });
      expect(part.run).toMatchObject({ steps: last, reason: "interrupted" });
    }
    const rest = await run(all, { ...options, outputDir });
    expectSame(rest.weights, whole.weights);
    expect(rest.evaluation).toEqual(whole.evaluation);
    const [one, other] = await Promise.all(
      ["whole", "parts"].map((name) => readFile(join(folder, name, "metrics.jsonl"), "utf8")),
    );
    expect(one).toBe(other);
    const mixed = { ...options, mixing: { exponent: 1 }, outputDir };
    await expect(run(all, mixed)).rejects.toMatchObject({ code: "RUN_MISMATCH" });
  });

  it("tags words beside tasks of texts; the tagger predicts alike from its folder and is tuned further alone (bugs: a head on the first token, chain scores under another name, a rate that leaves them at 0)", async () => {
    const learnt = await run([mood, tags], { numEpochs: 10 });
    const result = learnt.evaluation!.tags as TaggingResult;
    expect(learnt.means!["mood.accuracy"]).toBeGreaterThan(0.8);
    expect(result.entities!.micro.f1).toBeGreaterThan(0.9);
    expect(learnt.means!["tags.f1"]).toBe(result.entities!.micro.f1);
    expect(learnt.average).toBeCloseTo((learnt.means!["mood.accuracy"]! + result.entities!.micro.f1) / 2, 12);
    expect(Math.max(...learnt.weights.get("heads.tags.crf.transitions")!.map(Math.abs))).toBeGreaterThan(0.1);

    const out = join(folder, "tagging");
    await learnt.save(out);
    for (const tagger of [await loadTaskTagger(out, "tags"), learnt.tagger("tags")]) {
      const predictor = await openTagger(tagger, { engine });
      expect(await predictor.evaluate(tags.eval!)).toEqual(result);
      const [text] = await predictor.tag(["so good film"]);
      expect(text!.words.map(({ tag }) => tag)).toEqual(["O", "B-x", "I-x"]);
      await predictor.dispose();
    }
    await expect(loadTask(out, "tags")).rejects.toMatchObject({ issues: [{ code: "TASK_KIND" }] });
    expect(() => learnt.tagger("mood")).toThrow(/Use taskOf/);

    const still = { engine, maxSteps: 1, learningRate: 0 };
    const alone = await finetuneTogether(out, [tags], still);
    expect((alone.evaluation!.tags as TaggingResult).loss).toBeCloseTo(result.loss, 6);
    const own = await finetuneTagging(learnt.tagger("tags"), tags.task, { train: tags.train, eval: tags.eval }, still);
    expect(own.evaluation!.loss).toBeCloseTo(result.loss, 6);
    const fresh = await finetuneTagging(out, tags.task, { train: tags.train, eval: tags.eval }, still);
    expect(fresh.evaluation!.loss).toBeGreaterThan(result.loss + 0.1);
  });

  it("makes the same steps in two lanes, where all heads are linear (bug: halves of a batch that forget their task)", async () => {
    const two = await openEngine({ threads: 2 });
    const options = { maxSteps: 5, engine: two, fromScratch: true };
    const marks = { ...tags, task: tokenClassification({ ...common, overlap: 4 }) };
    const one = await run([mood, near, marks], { ...options, lanes: 1 });
    const other = await run([mood, near, marks], { ...options, lanes: 2 });
    for (const [name, data] of one.weights) {
      const twin = other.weights.get(name)!;
      const worst = data.reduce((most, value, i) => Math.max(most, Math.abs(value - twin[i]!)), 0);
      // Adam makes much of gradients near 0: no step is longer than the rate.
      expect(worst, name).toBeLessThan(/\.qkv\.bias$/.test(name) ? 2e-2 : 2e-3);
    }
    expect(one.average).toBeCloseTo(other.average!, 2);
    await two.dispose();
  });

  it.skipIf(oneDnn.missing !== undefined)(
    `makes the same steps on ${oneDnn.title}, and steps in bf16 (bugs: gradients of the answer network that oneDNN has no kernel for, numbers compared in bf16)`,
    async () => {
      const other = await oneDnn.open();
      const losses = async (options: FinetuneTogetherOptions): Promise<number[]> => {
        const found: number[] = [];
        const listener = (event: TrainEvent): void => {
          if (event.kind === "step") found.push(event.loss);
        };
        await run(all, { maxSteps: 6, listener, ...options });
        return found;
      };
      const expected = await losses({});
      const [same, coarse] = [await losses({ engine: other }), await losses({ engine: other, dtype: "bf16" })];
      for (const [i, loss] of expected.entries()) {
        expect(Math.abs(same[i]! - loss)).toBeLessThan(1e-3 * Math.max(1, loss));
        expect(Math.abs(coarse[i]! - loss)).toBeLessThan(0.1 * Math.max(1, loss));
      }
      await other.dispose();
    },
  );

  it("takes strategies: a frozen encoder, a loss of language beside (bugs: heads that stand still too, a language loss that loses the task of a batch)", async () => {
    const kinds = new Set<string>();
    const listener = (event: TrainEvent): void => {
      if (event.kind === "step") for (const name of Object.keys(event.means)) kinds.add(`${event.batchKind} ${name}`);
    };
    const still = await run([mood, near], { maxSteps: 1, learningRate: 0 });
    const frozen = await run([mood, near], { maxSteps: 6, freeze: "encoder" });
    for (const [name, data] of frozen.weights) {
      const isMoved = !data.every((value, i) => value === still.weights.get(name)![i]);
      expect(isMoved, name).toBe(/^heads\.|^encoder\.pooler\./.test(name));
    }
    const joint = await run([mood, near], { maxSteps: 6, listener, ...auxiliaryLanguageModeling({ weight: 0.5 }) });
    expect([...joint.weights.keys()]).toEqual([...still.weights.keys()]);
    expect(kinds).toEqual(new Set(["mood mood.classification", "mood mlm", "near near.regression", "near mlm"]));
  });

  it("tells all problems of all tasks together, before it reads any row", async () => {
    const unread = testTable("never", []);
    const other = testTokenizer();
    const tasks = [
      { ...mood, train: unread, head: "stochasticAnswer" as const },
      { ...mood, train: unread, figure: "acuracy" },
      { ...rank, train: unread, head: "linear" as const },
      { ...near, name: "a b", train: unread, figure: "meanSquaredError" },
      { ...agree, train: unread, head: { kind: "stochasticAnswer" as const, numSteps: 0, stepDropout: 1 } },
      { ...mood, name: "long", train: unread, task: textClassification({ tokenizer: other, maxSeqLength: 64 }) },
    ];
    const failure = await run(tasks, { mixing: { exponent: 2, maxExamples: 0 }, lanes: 2, fromScratch: true }).catch(
      (error) => error,
    );
    expect(failure).toMatchObject({ name: "ConfigError", code: "CONFIG_INVALID" });
    expect(failure.issues.map(({ path }: { path: string }) => path).sort()).toEqual([
      "lanes",
      "mixing.exponent",
      "mixing.maxExamples",
      "tasks.3.name",
      "tasks.a b.figure",
      "tasks.agree.head.numSteps",
      "tasks.agree.head.stepDropout",
      "tasks.long.task.maxSeqLength",
      "tasks.mood",
      "tasks.mood.figure",
      "tasks.mood.head",
      "tasks.rank.head",
    ]);
    const nothing = await run([], {}).catch((error) => error);
    expect(nothing.issues).toMatchObject([{ path: "tasks", code: "CONFIG_MISSING" }]);
  });

  it("refuses a task without examples, and one whose queries have nothing to compare", async () => {
    const empty = { ...near, train: testTable("empty.tsv", []) };
    await expect(run([mood, empty], { maxSteps: 1 })).rejects.toMatchObject({ code: "TABLE_EMPTY", path: "empty.tsv" });
    const lonely = testTable("lonely.tsv", [
      { text: "good", other: "film", label: "1" },
      { text: "bad", other: "plot", label: "0" },
    ]);
    await expect(run([{ ...rank, train: lonely }], { maxSteps: 1 })).rejects.toMatchObject({ code: "DATA_EMPTY" });
    await expect(finetune(pretrained, rank.task, { train: rank.train })).rejects.toMatchObject({
      code: "CONFIG_UNSUPPORTED",
    });
  });
});
