import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Backend } from "../backend/backend.ts";
import { Random } from "../base/random.ts";
import { parseQuestions, type QuestionData } from "../data/question-file.ts";
import { bertConfig } from "../models/bert/config.ts";
import { bert } from "../models/bert/family.ts";
import { openEngine } from "../runtime.ts";
import { questionAnswering } from "../tasks/question-answering.ts";
import { testTokenizer } from "../tasks/testing.ts";
import { loadAnswerModel } from "./answer-model.ts";
import { answerQuestions } from "./answer-questions.ts";
import { finetuneQuestionAnswering } from "./finetune-question-answering.ts";

const tokenizer = testTokenizer();
const config = bertConfig({
  ...{ vocabSize: tokenizer.vocabSize, hiddenSize: 32, numHiddenLayers: 2, numAttentionHeads: 2, intermediateSize: 64 },
  maxPositionEmbeddings: 32,
});
const pretrained = bert(config, { seed: 5 });

/** The answer is "very" and the word behind it; a question in three has none. Texts are longer than a window. */
function asked(name: string, count: number, seed: number, withNone: boolean): QuestionData {
  const random = new Random(seed, "questions");
  const fillers = ["film", "book", "plot", "cast", "so", "the", "a"];
  const some = (most: number) => Array.from({ length: random.nextInt(most) }, () => fillers[random.nextInt(7)]!);
  const paragraphs = Array.from({ length: count }, (_, i) => {
    const hasAnswer = !withNone || i % 3 > 0;
    const answer = `Very ${["good", "fine", "bad", "poor"][random.nextInt(4)]!}`;
    const context = [...some(12), "𠀀", ...(hasAnswer ? [answer] : []), ...some(12)].join(" ");
    const start = Array.from(context.slice(0, context.indexOf(answer))).length;
    const answers = hasAnswer ? [{ text: answer, answer_start: start }] : [];
    return { context, qas: [{ id: `${i}`, question: "the film ?", answers, is_impossible: !hasAnswer }] };
  });
  return parseQuestions({ data: [{ paragraphs }] }, name);
}

describe("finetuneQuestionAnswering", () => {
  let engine: Backend;
  let folder: string;
  beforeAll(async () => {
    engine = await openEngine({ threads: 1 });
    folder = await mkdtemp(join(tmpdir(), "firth-answers-"));
  });
  afterAll(async () => {
    await engine.dispose();
    await rm(folder, { recursive: true, force: true });
  });
  const task = questionAnswering({ tokenizer, maxSeqLength: 20, maxQueryLength: 4, docStride: 6 });
  const options = () => ({ engine, batchSize: 16, learningRate: 3e-3, numEpochs: 6, seed: 1 });

  // Ends exchanged, windows of other questions, offsets in code points, "no answer" never or always taken.
  it("learns answers and their absence, saves, loads and answers alike", async () => {
    const data = { train: asked("train", 192, 1, true), eval: asked("dev", 48, 2, true) };
    const model = await finetuneQuestionAnswering(pretrained, task, data, options());
    expect(model.answering.allowsNone).toBe(true);
    expect(model.evaluation!.f1).toBeGreaterThan(95);
    expect(model.evaluation!.kinds!.hasAnswer!.total).toBe(32);
    expect(model.evaluations[0]!.means).toHaveProperty("exact");
    const out = join(folder, "saved");
    await model.save(out);
    const loaded = await loadAnswerModel(out);
    expect(loaded.answering).toEqual(model.answering);
    const { questions } = data.eval;
    const answers = await answerQuestions(loaded, questions, { engine });
    expect(answers.map(({ text }) => text)).toEqual(questions.map(({ id }) => model.answers!.get(id)!.text));
    for (const [i, { text, start, end }] of answers.entries()) {
      expect(questions[i]!.context.slice(start, end)).toBe(text);
    }
    // A head that is there already is kept.
    const zero = { ...options(), numEpochs: 1, learningRate: 1e-9 };
    const again = await finetuneQuestionAnswering(out, task, data, zero);
    expect(again.evaluation!.f1).toBeCloseTo(model.evaluation!.f1, 6);
  });

  // "No answer" offered by a model whose data have none.
  it("answers always where its data do", async () => {
    const data = { train: asked("train", 48, 1, false), eval: asked("dev", 12, 2, false) };
    const model = await finetuneQuestionAnswering(pretrained, task, data, { ...options(), numEpochs: 1 });
    expect(model.answering.allowsNone).toBe(false);
    expect(model.evaluation!.kinds).toBeUndefined();
    expect([...model.answers!.values()].filter(({ text }) => text === "")).toEqual([]);
  });

  it("refuses what does not fit, all of it", async () => {
    const long = questionAnswering({ tokenizer, maxSeqLength: 40, maxQueryLength: 4, measure: "characters" });
    const data = { train: asked("train", 6, 1, true) };
    const wrong = { ...options(), selectionFigure: "accuracy" as never, numBest: 0 };
    const run = finetuneQuestionAnswering(pretrained, long, data, wrong);
    await expect(run).rejects.toThrow(
      /selectionFigure[\s\S]*numBest[\s\S]*measure[\s\S]*maxPositionEmbeddings; got 40 and 32/,
    );
  });

  it("refuses a file from which nothing can be learnt", async () => {
    const absent = { text: "queen", answer_start: 0 };
    const qas = [{ id: "1", question: "the film", answers: [absent] }];
    const train = parseQuestions({ data: [{ paragraphs: [{ context: "so good", qas }] }] }, "train");
    await expect(finetuneQuestionAnswering(pretrained, task, { train }, options())).rejects.toThrow(
      /train: no question has an answer that is in its text/,
    );
  });
});
