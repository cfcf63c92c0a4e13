import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  memoryTable,
  pairedModel,
  pairedRows,
  pairedTokenizer as tokenizer,
} from "../../tests/support/paired-words.ts";
import type { Backend } from "../backend/backend.ts";
import { openEngine } from "../runtime.ts";
import { retrieval } from "../tasks/retrieval.ts";
import { embed } from "./embed.ts";
import { finetuneRetrieval } from "./finetune-retrieval.ts";
import { loadPretrained } from "./load.ts";
import { mineNegatives } from "./mine-negatives.ts";

const train = memoryTable("train", pairedRows(200, 1));
const held = memoryTable("held", pairedRows(30, 2));
const options = { numEpochs: 6, batchSize: 20, learningRate: 3e-3, seed: 1 };

describe("finetuneRetrieval", () => {
  let engine: Backend;
  let folder = "";
  beforeAll(async () => {
    engine = await openEngine({ threads: 1 });
    folder = await mkdtemp(join(tmpdir(), "firth-retrieval-"));
  });
  afterAll(async () => {
    await engine.dispose();
    await rm(folder, { recursive: true, force: true });
  });

  it("learns which answers belong to a question; its folder gives the same vectors (catches weights of the start that are saved)", async () => {
    const task = retrieval({ tokenizer, maxSeqLength: 16, groupColumn: "topic", pooling: "cls" });
    const before = await finetuneRetrieval(
      pairedModel(),
      task,
      { train, eval: held },
      { ...options, numEpochs: undefined, maxSteps: 1, learningRate: 0, engine },
    );
    const after = await finetuneRetrieval(pairedModel(), task, { train, eval: held }, { ...options, engine });
    expect(before.evaluation!.figures.mrr).toBeLessThan(0.7);
    expect(after.evaluation!.figures.mrr).toBeGreaterThan(0.95);
    expect(after.evaluation!.ranking).toMatchObject({ numQueries: 30, numUnanswerable: 0 });
    expect(after.evaluations.at(-1)!.means.recall1).toBeCloseTo(after.evaluation!.figures.recall1!, 10);

    await after.save(join(folder, "model"));
    const pooling = JSON.parse(await readFile(join(folder, "model", "1_Pooling", "config.json"), "utf8"));
    expect(pooling).toMatchObject({
      word_embedding_dimension: 32,
      pooling_mode_cls_token: true,
      pooling_mode_mean_tokens: false,
    });
    const loaded = await loadPretrained(join(folder, "model"));
    expect(loaded.sentence).toEqual({ pooling: "cls", maxSeqLength: 16, normalize: true });
    const texts = ["ask1 the old", "say1 of my new"];
    // Opened without a word about pooling: the folder says it.
    const [own, again] = [await embed(after, texts, { engine }), await embed(loaded, texts, { engine })];
    expect(again).toEqual(own);
    expect(own[0]).not.toEqual((await embed(loaded, texts, { engine, pooling: "mean" }))[0]);
    const cosine = own[0]!.reduce((sum, x, i) => sum + x * own[1]![i]!, 0);
    expect(cosine).toBeGreaterThan(0.5);
  });

  it("resumes an interrupted run with the same weights (catches order or labels that hang on the run)", async () => {
    const task = retrieval({ tokenizer, maxSeqLength: 16, groupColumn: "topic" });
    const short = { ...options, numEpochs: 1, checkpointSteps: 2, engine };
    const whole = await finetuneRetrieval(pairedModel(), task, { train }, short);
    const controller = new AbortController();
    const outputDir = join(folder, "run");
    const broken = await finetuneRetrieval(
      pairedModel(),
      task,
      { train },
      {
        ...short,
        outputDir,
        signal: controller.signal,
        listener: (event) => {
          if (event.kind === "step" && event.step === 4) controller.abort();
        },
      },
    );
    expect(broken.run.reason).toBe("interrupted");
    const resumed = await finetuneRetrieval(pairedModel(), task, { train }, { ...short, outputDir });
    expect(resumed.weights).toEqual(whole.weights);
    expect(existsSync(join(outputDir, "metrics.jsonl"))).toBe(true);
  });

  it("learns scores by cosine, and classes from (u, v, |u − v|) (catches a head that is never trained)", async () => {
    const scored = pairedRows(200, 5).map((row, i, all) => {
      const isSame = i % 2 === 0;
      const { answer } = isSame ? row : all[(i + 3) % all.length]!;
      return { question: row.question, answer, label: isSame ? 5 : 0 };
    });
    const table = memoryTable("scored", scored);
    const cosine = retrieval({ tokenizer, maxSeqLength: 16, loss: "cosine" });
    const byScore = await finetuneRetrieval(
      pairedModel(),
      cosine,
      { train: table, eval: table },
      { ...options, engine },
    );
    expect(byScore.evaluation!.figures.pearson).toBeGreaterThan(0.9);
    const classes = memoryTable(
      "classes",
      scored.map((row) => ({ ...row, label: row.label === 5 ? "same" : "other" })),
    );
    const task = retrieval({ tokenizer, maxSeqLength: 16, loss: "classification" });
    const byClass = await finetuneRetrieval(
      pairedModel(),
      task,
      { train: classes, eval: classes },
      { ...options, numEpochs: 10, engine },
    );
    expect(byClass.evaluation!.figures.accuracy).toBeGreaterThan(0.9);
    expect([...byClass.weights.keys()].some((name) => name.startsWith("head."))).toBe(false);
  });

  it("refuses pairs of one passage, group or question (bug: a run that learns nothing, with a loss of 0)", async () => {
    const refusal = async (task: ReturnType<typeof retrieval>, ...rows: object[]) => {
      const table = memoryTable("alike.jsonl", rows);
      return finetuneRetrieval(pairedModel(), task, { train: table }, { engine, maxSteps: 1, batchSize: 2 }).catch(
        String,
      );
    };
    const plain = retrieval({ tokenizer, maxSeqLength: 16 });
    const pair = (question: string, answer: string) => ({ question, answer, topic: 1 });
    const alike = await refusal(plain, pair("ask1", "say1"), pair("ask2", "say1"));
    expect(alike).toMatch(/alike\.jsonl: no question has a passage.*all 2 pairs are of one passage or group/);
    const grouped = retrieval({ tokenizer, maxSeqLength: 16, groupColumn: "topic" });
    expect(await refusal(grouped, pair("ask1", "say1"), pair("ask2", "say2"))).toContain("one passage or group");
    expect(await refusal(plain, pair("ask1", "say1"), pair("ask1", "say2"))).toContain("are of one question");
  });

  it("refuses what does not fit, all together", async () => {
    const task = retrieval({ tokenizer, maxSeqLength: 64 });
    const wrong = {
      ...options,
      lanes: 2,
      batchSize: 1,
      freeze: "encoder",
      selectionFigure: "spearman",
      engine,
    } as const;
    await expect(finetuneRetrieval(pairedModel(), task, { train }, wrong)).rejects.toThrow(
      /5 problems.*selectionFigure.*maxSeqLength.*lanes.*batchSize.*freeze/s,
    );
  });
});

describe("mineNegatives", () => {
  let engine: Backend;
  beforeAll(async () => {
    engine = await openEngine({ threads: 1 });
  });
  afterAll(() => engine.dispose());

  it("draws from the wanted ranks, never an answer, alike for a seed (catches a known answer as its own negative)", async () => {
    const rows = pairedRows(40, 7);
    const model = pairedModel(3);
    const mining = { engine, groupColumn: "topic", numNegatives: 2, ranks: [2, 4] as const, pooling: "cls" as const };
    const negativesOf = async (seed: number) => {
      const mined = await mineNegatives(model, memoryTable("pairs", rows), { ...mining, seed });
      const found: { readonly line: number; readonly negatives: readonly string[] }[] = [];
      for await (const { fields, line } of mined.rows()) found.push({ line, negatives: fields.negatives as string[] });
      return found;
    };
    const found = await negativesOf(1);
    const [questions, answers] = [
      await embed(
        model,
        rows.map(({ question }) => question),
        { engine, pooling: "cls" },
      ),
      await embed(
        model,
        rows.map(({ answer }) => answer),
        { engine, pooling: "cls" },
      ),
    ];
    found.forEach(({ line, negatives }, i) => {
      expect(line).toBe(i + 1);
      expect(new Set(negatives).size).toBe(2);
      const scores = new Map<string, number>();
      rows.forEach(({ answer, topic }, j) => {
        const score = answers[j]!.reduce((sum, x, k) => sum + x * questions[i]![k]!, 0);
        if (topic !== rows[i]!.topic) scores.set(answer, score);
      });
      const order = [...scores].sort((a, b) => b[1] - a[1]).map(([text]) => text);
      for (const text of negatives) expect(order.slice(1, 4)).toContain(text);
    });
    expect(await negativesOf(1)).toEqual(found);
    expect(await negativesOf(2)).not.toEqual(found);
  });

  it("says that there are too few, and refuses ranks that cannot be", async () => {
    const table = memoryTable("pairs", pairedRows(3, 7));
    await expect(mineNegatives(pairedModel(), table, { engine, ranks: [5, 9] })).rejects.toMatchObject({
      code: "TOO_FEW_PASSAGES",
    });
    await expect(mineNegatives(pairedModel(), table, { engine, numNegatives: 4, ranks: [1, 3] })).rejects.toThrow(
      "room for 4 negatives",
    );
  });
});
