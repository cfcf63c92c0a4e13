import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  memoryTable,
  pairedModel,
  pairedRows,
  pairedTokenizer as tokenizer,
} from "../../tests/support/paired-words.ts";
import type { Backend } from "../backend/backend.ts";
import { Random } from "../base/random.ts";
import { namedParameters } from "../nn/module.ts";
import { openEngine } from "../runtime.ts";
import { Evaluator } from "../train/evaluator.ts";
import { ModelStore } from "../train/model-store.ts";
import { type RetrievalOptions, retrieval, SiameseNetwork } from "./retrieval.ts";
import type { RetrievalData } from "./retrieval-data.ts";
import { TextEmbeddingProgram } from "./text-embedding-program.ts";

const rows = pairedRows(7, 3);

describe("the losses of a retrieval task", () => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await openEngine({ threads: 1 });
  });
  afterAll(() => backend.dispose());

  /** A network with large random numbers everywhere, in the engine. */
  function storeOf(numLabels: number) {
    const model = new SiameseNetwork(pairedModel().module, numLabels);
    const weights = new Map(
      [...namedParameters(model)].map(([name, { shape }]) => {
        const random = new Random(11, name);
        const size = shape.reduce((product, dim) => product * dim, 1);
        return [name, Float32Array.from({ length: size }, () => 0.3 * random.nextNormal())] as const;
      }),
    );
    const store = new ModelStore(backend, model, ["value"]);
    store.write("value", weights);
    return { model, store, weights };
  }

  /** The loss of one batch by the task's graph, and the vectors by the program that predictions use. */
  async function lossAndVectors(options: Omit<RetrievalOptions, "tokenizer">, data: RetrievalData) {
    const task = retrieval({ tokenizer, maxSeqLength: 16, ...options });
    const { model, store, weights } = storeOf(data.labels.length);
    const { pooling } = task.settings;
    const policy = { compute: "f32" } as const;
    const objective = task.objective(data);
    const evaluator = new Evaluator({ backend, store, model, loss: objective.loss, policy });
    const { encoder } = model;
    const program = new TextEmbeddingProgram({
      ...{ backend, store, encoder, pooling, policy, batchSize: 4, maxSeqLength: 16 },
      layer: encoder.numHiddenLayers,
      padId: tokenizer.special.pad,
    });
    try {
      const drawn = data.examples.map((example, item) => ({ example, epoch: 0, item }));
      const { loss } = await evaluator.run([objective.collate(drawn, 1)]);
      const places = data.examples[0]!.texts.map((_, place) => place);
      const vectors = [];
      for (const place of places) vectors.push(await program.embed(data.examples.map(({ texts }) => texts[place]!)));
      return { loss, vectors, weights };
    } finally {
      await program.dispose();
      await evaluator.dispose();
      store.dispose();
    }
  }

  const product = (a: Float32Array, b: Float32Array): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
  const cosine = (a: Float32Array, b: Float32Array): number => product(a, b) / Math.sqrt(product(a, a) * product(b, b));
  const crossEntropy = (logits: readonly number[], label: number): number => {
    const most = Math.max(...logits);
    return most + Math.log(logits.reduce((sum, x) => sum + Math.exp(x - most), 0)) - logits[label]!;
  };
  const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

  it.each([
    ["mean", true],
    ["max", true],
    ["cls", true],
    ["mean", false],
  ] as const)(
    "in-batch negatives with %s pooling, packed %s, are what the vectors of embed give (catches pooling over neighbours, passages out of order)",
    async (pooling, packed) => {
      const table = memoryTable(
        "pairs",
        rows.map(({ question, answer }, i) => ({ question, answer, negative: rows[(i + 3) % 7]!.question })),
      );
      const options = { pooling, packed, negativeColumn: "negative" };
      const data = await retrieval({ tokenizer, maxSeqLength: 16, ...options }).read(table);
      const { loss, vectors } = await lossAndVectors(options, data);
      const [questions, answers, negatives] = vectors as [Float32Array[], Float32Array[], Float32Array[]];
      const candidates = [...answers, ...negatives];
      const wanted = questions.map((question, i) =>
        crossEntropy(
          candidates.map((other) => 20 * cosine(question, other)),
          i,
        ),
      );
      expect(loss).toBeCloseTo(mean(wanted), 3);
    },
  );

  it("leaves out passages that answer the question too, both ways (catches punishing a right answer)", async () => {
    // Rows 0 and 1 are of one group; rows 2 and 3 ask the same question.
    const table = memoryTable(
      "pairs",
      rows.slice(0, 5).map(({ question, answer }, i) => ({
        question: i === 3 ? rows[2]!.question : question,
        answer,
        group: ["a", "a", "b", "c", "d"][i],
      })),
    );
    const options = { groupColumn: "group", isSymmetric: true, scale: 7 };
    const data = await retrieval({ tokenizer, maxSeqLength: 16, ...options }).read(table);
    const { loss, vectors } = await lossAndVectors(options, data);
    const [questions, answers] = vectors as [Float32Array[], Float32Array[]];
    const left = (i: number, c: number): boolean =>
      i !== c && ((i < 2 && c < 2) || (i + c === 5 && Math.abs(i - c) === 1));
    const score = (i: number, c: number): number => (left(i, c) ? -1e4 : 7 * cosine(questions[i]!, answers[c]!));
    const places = [0, 1, 2, 3, 4];
    const forward = places.map((i) =>
      crossEntropy(
        places.map((c) => score(i, c)),
        i,
      ),
    );
    const backward = places.map((c) =>
      crossEntropy(
        places.map((i) => score(i, c)),
        c,
      ),
    );
    expect(loss).toBeCloseTo((mean(forward) + mean(backward)) / 2, 3);
  });

  it("cosine: squared distance to scores brought into 0 to 1 (catches scores as they stand)", async () => {
    const scores = [0, 5, 2.5, 1, 4, 3, 5];
    const table = memoryTable(
      "pairs",
      rows.map((row, i) => ({ ...row, label: scores[i] })),
    );
    const data = await retrieval({ tokenizer, maxSeqLength: 16, loss: "cosine" }).read(table);
    const { loss, vectors } = await lossAndVectors({ loss: "cosine" }, data);
    const errors = scores.map((score, i) => (cosine(vectors[0]![i]!, vectors[1]![i]!) - score / 5) ** 2);
    expect(loss).toBeCloseTo(mean(errors), 4);
  });

  it("classification: a linear layer over (u, v, |u − v|) (catches another order of the parts)", async () => {
    const table = memoryTable(
      "pairs",
      rows.map((row, i) => ({ ...row, label: ["yes", "no", "maybe"][i % 3] })),
    );
    const data = await retrieval({ tokenizer, maxSeqLength: 16, loss: "classification" }).read(table);
    expect(data.labels).toEqual(["maybe", "no", "yes"]);
    const { loss, vectors, weights } = await lossAndVectors({ loss: "classification" }, data);
    const [weight, bias] = [weights.get("head.weight")!, weights.get("head.bias")!];
    const wanted = rows.map((_, i) => {
      const [u, v] = [vectors[0]![i]!, vectors[1]![i]!];
      const features = Float32Array.from([...u, ...v, ...u.map((x, k) => Math.abs(x - v[k]!))]);
      const logits = [0, 1, 2].map((c) => product(features, weight.subarray(c * 96, (c + 1) * 96)) + bias[c]!);
      return crossEntropy(logits, data.examples[i]!.label);
    });
    expect(loss).toBeCloseTo(mean(wanted), 3);
  });
});

describe("reading pairs", () => {
  const read = (table: readonly object[], options: Omit<RetrievalOptions, "tokenizer"> = {}) =>
    retrieval({ tokenizer, ...options }).read(memoryTable("pairs.jsonl", table));

  it("knows which questions and passages are the same, a corpus's too (catches numbers that clash)", async () => {
    const task = retrieval({ tokenizer, groupColumn: "id" });
    const pairs = [
      { question: "ask1", answer: "say1", id: "a" },
      { question: "ask1", answer: "say2", id: "b" },
      { question: "ask3", answer: "say1", id: "a" },
    ];
    const corpus = memoryTable("corpus", [
      { answer: "say1", id: "a" },
      { answer: "say7", id: "z" },
    ]);
    const data = await task.read(memoryTable("pairs", pairs), { corpus });
    expect(data.answers.map((groups) => [...groups])).toEqual([[0, 1], [0]]);
    expect(data.passages.map(({ group }) => group)).toEqual([0, 1, 2]);
    expect(data.examples.map(({ question, groups }) => [question, ...groups])).toEqual([
      [0, 0],
      [0, 1],
      [1, 0],
    ]);
  });

  it("names file and line of what cannot be read", async () => {
    const pair = { question: "ask1", answer: "say1" };
    await expect(read([pair, { question: " ", answer: "say1" }])).rejects.toThrow(
      "pairs.jsonl: line 2: the text in column question is empty",
    );
    await expect(read([{ question: "ask1", answer: "" }])).rejects.toMatchObject({ code: "TEXT_EMPTY" });
    await expect(read([{ query: "ask1", answer: "a" }])).rejects.toMatchObject({ code: "COLUMN_UNKNOWN" });
    const negatives = [
      { ...pair, no: ["say2"] },
      { ...pair, no: ["say2", "say3"] },
    ];
    await expect(read(negatives, { negativeColumn: "no" })).rejects.toThrow(
      "line 2: every row must have as many negatives as the first, 1; got 2",
    );
    const scored = [
      { ...pair, label: 1 },
      { ...pair, label: "much" },
    ];
    await expect(read(scored, { loss: "cosine" })).rejects.toMatchObject({ code: "LABEL_NOT_NUMBER" });
    await expect(read([{ ...pair, label: 1 }], { loss: "cosine" })).rejects.toMatchObject({ code: "LABELS_TOO_FEW" });
    await expect(read([{ ...pair, label: "yes" }], { loss: "classification" })).rejects.toMatchObject({
      code: "LABELS_TOO_FEW",
    });
  });

  it("refuses wrong options together", () => {
    const wrong = { maxSeqLength: 2, scale: 0, loss: "cosine", isSymmetric: true, passageColumn: "question" } as const;
    expect(() => retrieval({ tokenizer, ...wrong })).toThrow(
      /4 problems.*maxSeqLength.*scale.*passageColumn.*isSymmetric/s,
    );
  });
});
