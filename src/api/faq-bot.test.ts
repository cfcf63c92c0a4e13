import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  memoryTable,
  pairedModel,
  pairedRows,
  pairedTokenizer as tokenizer,
} from "../../tests/support/paired-words.ts";
import type { Backend } from "../backend/backend.ts";
import { Random } from "../base/random.ts";
import { csv } from "../data/delimited.ts";
import { openEngine } from "../runtime.ts";
import { retrieval } from "../tasks/retrieval.ts";
import { textClassification } from "../tasks/text-classification.ts";
import { evaluateCandidates, evaluateRetrieval, readQuestions } from "./evaluate-retrieval.ts";
import { openFaqBot, openPairScorer, rerankerFingerprint } from "./faq-bot.ts";
import { finetune } from "./finetune.ts";
import type { TextClassifier } from "./model.ts";
import { predict } from "./predict.ts";
import { buildIndex, type VectorIndex } from "./vector-index.ts";

/** Rows of four topics: few enough for a tiny network to learn which belong together. */
const fewTopics = (count: number, seed: number) =>
  pairedRows(3 * count, seed)
    .filter(({ topic }) => topic < 4)
    .slice(0, count);
const rows = fewTopics(20, 4);
const entries = memoryTable(
  "faq",
  rows.map(({ id, answer, topic }) => ({ id, text: answer, answer: `Answer ${topic}.` })),
);
const asked = fewTopics(30, 9).map(({ question, topic }) => ({
  question,
  id: rows.filter((row) => row.topic === topic).map(({ id }) => id),
}));

const shared = fileURLToPath(new URL("../../../shared/data/faq_datatalks/ground-truth-data.csv.gz", import.meta.url));

describe.skipIf(!existsSync(shared))("the questions of DataTalks (skipped where ../shared/data is missing)", () => {
  it("are read with the ids of their entries (catches cells with commas and quotes that are cut)", async () => {
    const questions = await readQuestions(csv(shared), { relevantColumn: "document" });
    expect(questions).toHaveLength(4_627);
    expect(questions.every(({ question, relevant }) => question !== "" && /^[0-9a-f]{8}$/.test(relevant[0]!))).toBe(
      true,
    );
    const data = await retrieval({ tokenizer, passageColumn: "document", groupColumn: "document" }).read(csv(shared));
    expect(data.examples).toHaveLength(4_627);
    expect(data.passages).toHaveLength(new Set(questions.map(({ relevant }) => relevant[0])).size);
    expect(data.answers).toHaveLength(new Set(questions.map(({ question }) => question)).size);
  });
});

describe("a FAQ bot", () => {
  let engine: Backend;
  let folder = "";
  let index: VectorIndex;
  let reranker: TextClassifier;
  beforeAll(async () => {
    engine = await openEngine({ threads: 1 });
    folder = await mkdtemp(join(tmpdir(), "firth-faq-"));
    index = (await buildIndex(join(folder, "faq.index"), entries, { model: pairedModel(), engine })).index;
    // A cross-encoder that learnt which answers fit.
    const random = new Random(1, "pairs");
    const pairs = fewTopics(800, 11).map(({ question, answer, topic }, _, all) => {
      const other = all[random.nextInt(all.length)]!;
      const fits = random.next() < 0.5;
      return { question, answer: fits ? answer : other.answer, label: fits || other.topic === topic ? "yes" : "no" };
    });
    const task = textClassification({
      tokenizer,
      maxSeqLength: 24,
      textColumns: ["question", "answer"],
      labels: ["no", "yes"],
    });
    reranker = await finetune(
      pairedModel(),
      task,
      { train: memoryTable("pairs", pairs) },
      {
        ...{ numEpochs: 30, batchSize: 40, learningRate: 2e-3, seed: 1, engine },
      },
    );
  }, 120_000);
  afterAll(async () => {
    await index.dispose();
    await engine.dispose();
    await rm(folder, { recursive: true, force: true });
  });

  it("puts the index's candidates in the order of the re-ranker's probabilities (catches pairs of another question)", async () => {
    const questions = [asked[3]!.question, asked[8]!.question];
    const bot = await openFaqBot(index, { reranker, engine, numCandidates: 20 });
    const found = await bot.ask(questions);
    await bot.dispose();
    for (const [q, { question, candidates, answer }] of found.entries()) {
      expect(question).toBe(questions[q]);
      expect(candidates).toHaveLength(20);
      const pairs = candidates.map(({ text }) => [question, text] as const);
      const wanted = (await predict(reranker, pairs, { engine })).map(({ probabilities }) => probabilities.yes!);
      candidates.forEach(({ score }, i) => {
        expect(score).toBeCloseTo(wanted[i]!, 4);
      });
      for (let i = 1; i < 20; i++) expect(wanted[i]!).toBeLessThanOrEqual(wanted[i - 1]! + 1e-5);
      expect(answer).toBe(candidates[0]);
    }
  });

  it("finds more with the re-ranker than without, and says so (catches figures of the wrong stage)", async () => {
    const questions = await readQuestions(memoryTable("dev", asked));
    const plain = await openFaqBot(index, { numCandidates: 20 });
    const before = await evaluateRetrieval(plain, questions);
    const bot = await openFaqBot(index, { reranker, engine, numCandidates: 20 });
    const after = await evaluateRetrieval(bot, questions, { aim: { precision: 0.9 } });
    await plain.dispose();
    await bot.dispose();
    expect(after.retrieval).toEqual(before.ranking);
    expect(before.ranking).toEqual(before.retrieval);
    expect(after.ranking.mrr).toBeGreaterThan(before.ranking.mrr + 0.1);
    expect(after.ranking.at.at(-1)!.recall).toBeGreaterThan(0.9);
    expect(after.threshold).toMatchObject({ isReached: true });
    expect(after.threshold.precision).toBeGreaterThanOrEqual(0.9);
    expect(after.latency.p95).toBeGreaterThanOrEqual(after.latency.median);
  });

  it("says no answer below a threshold; one that was kept holds for its own re-ranker only", async () => {
    const fingerprint = rerankerFingerprint(reranker);
    await index.setThreshold({ value: 2, reranker: fingerprint, aim: "test" });
    const bot = await openFaqBot(index, { reranker, engine });
    expect(bot.threshold).toBe(2);
    const [none] = await bot.ask(["ask1"]);
    expect(none!.answer).toBeNull();
    expect(none!.candidates.length).toBeGreaterThan(0);
    await bot.dispose();
    const others = [
      await openFaqBot(index, {}),
      await openFaqBot(index, { reranker, engine, threshold: null }),
      await openFaqBot(index, { reranker, engine, threshold: 0 }),
    ];
    for (const other of others) {
      expect((await other.ask(["ask1"]))[0]!.answer).not.toBeNull();
      await other.dispose();
    }
    await index.setThreshold(null);
  });

  it("compares with a cross-encoder over numbers of candidates (catches a right answer that is not among them)", async () => {
    const questions = await readQuestions(memoryTable("dev", asked));
    const scorer = await openPairScorer(reranker, { engine });
    const figures = await evaluateCandidates(index, questions, {
      counts: [5, 10, 1_000],
      scorer,
      maxQuestions: [30, 10, 5],
    });
    await scorer.dispose();
    expect(figures.map(({ count, numQuestions }) => [count, numQuestions])).toEqual([
      [5, 30],
      [10, 10],
      [20, 5],
    ]);
    // Five entries answer each question: with five candidates nothing can go wrong.
    expect(figures[0]!.siamese.ranking).toMatchObject({ mrr: 1, map: 1 });
    expect(figures[2]!.crossEncoder!.ranking.mrr).toBeGreaterThan(0.8);
    expect(figures[2]!.siamese.ranking.mrr).toBeLessThan(1);
  });

  it("refuses wrong options together, an empty question, answers that are not there", async () => {
    await expect(openFaqBot(index, { numCandidates: 0, threshold: Number.NaN, positiveLabel: "yes" })).rejects.toThrow(
      /3 problems.*numCandidates.*threshold.*positiveLabel/s,
    );
    const bot = await openFaqBot(index);
    await expect(bot.ask([" "])).rejects.toMatchObject({ code: "TEXT_EMPTY" });
    await bot.dispose();
    await expect(readQuestions(memoryTable("dev", [{ question: "", id: "1" }]))).rejects.toThrow(
      "dev: line 1: the question",
    );
    const unknown = await readQuestions(memoryTable("dev", [{ question: "ask1", id: "none" }]));
    await expect(evaluateCandidates(index, unknown, { counts: [5] })).rejects.toMatchObject({ code: "ID_UNKNOWN" });
    await expect(evaluateRetrieval(bot, [])).rejects.toMatchObject({ code: "DATA_EMPTY" });
  });
});
