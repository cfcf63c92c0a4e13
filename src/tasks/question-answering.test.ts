import { afterAll, describe, expect, it } from "vitest";
import { measureLoss, randomWeights } from "../../tests/support/random-model.ts";
import { createReferenceBackend } from "../backend/reference/reference-backend.ts";
import { Random } from "../base/random.ts";
import type { Batch } from "../data/batch.ts";
import type { Question } from "../data/question-file.ts";
import { bertConfig } from "../models/bert/config.ts";
import { bertFamily } from "../models/bert/family.ts";
import { bertFraming } from "../models/framing.ts";
import { divideBatch } from "../train/divide-batch.ts";
import { ModelStore } from "../train/model-store.ts";
import type { AnswerWindow } from "./answer-window.ts";
import { questionAnswering } from "./question-answering.ts";
import { windowLoss } from "./question-answering-evaluation.ts";
import { QuestionAnsweringProgram } from "./question-answering-program.ts";
import { testTokenizer, testWords } from "./testing.ts";

const tokenizer = testTokenizer();
const config = bertConfig({
  ...{ vocabSize: tokenizer.vocabSize, hiddenSize: 16, numHiddenLayers: 2, numAttentionHeads: 2, intermediateSize: 32 },
  maxPositionEmbeddings: 24,
});
const module = bertFamily.questionAnswering(config);
const backend = createReferenceBackend();
afterAll(() => backend.dispose());

const random = new Random(3);
const words = (count: number) => Array.from({ length: count }, () => testWords[random.nextInt(testWords.length)]!);
const questions = Array.from({ length: 7 }, (_, i): Question => {
  const context = [...words(random.nextInt(12)), "very", "good", ...words(random.nextInt(12))].join(" ");
  const answer = { text: "very good", start: context.indexOf("very good") };
  return { id: `${i}`, question: words(2).join(" "), context, answers: i === 3 ? [] : [answer] };
});
const taskOf = (packed: boolean) =>
  questionAnswering({ tokenizer, maxSeqLength: 20, maxQueryLength: 4, docStride: 5, packed });
const read = async (hasUnanswerable: boolean) => {
  const places = { codePoints: 0, utf16: 0, moved: 0, absent: 0, unsaid: 0 };
  const reading = { framing: bertFraming, nullToken: "first" } as const;
  return taskOf(true).read({ name: "test", questions, hasUnanswerable, places }, reading);
};
const batchOf = (windows: readonly AnswerWindow[], packed = true): Batch =>
  taskOf(packed).collate(
    windows.map((example, item) => ({ example, epoch: 0, item })),
    0,
  );
const lossOf = async (batches: readonly Batch[]) =>
  (await measureLoss(backend, module, taskOf(true).loss, batches)).loss;

describe("questionAnswering", () => {
  // A softmax over the whole row, another window's tokens, padding or the question; labels off by the window's place.
  it("costs a window the same in any row, and as counted by hand", async () => {
    const { windows } = await read(true);
    expect(windows.length).toBeGreaterThan(questions.length);
    const packed = batchOf(windows);
    expect(packed.tensors.sequenceIds!.shape[0]).toBeLessThan(windows.length);
    const loss = await lossOf([packed]);
    expect(await lossOf([batchOf(windows, false)])).toBeCloseTo(loss, 5);
    expect(await lossOf(windows.map((window) => batchOf([window])))).toBeCloseTo(loss, 5);
    const store = new ModelStore(backend, module, ["value"]);
    store.write("value", randomWeights(module));
    const place = { backend, store, model: module, batchSize: 2, maxSeqLength: 20, padId: 0 };
    const program = new QuestionAnsweringProgram(place);
    const scores = await program.scores(windows);
    expect(windowLoss(windows, scores)).toBeCloseTo(loss, 5);
    await program.dispose();
    store.dispose();
  });

  // Windows without a label that cost something, or are counted.
  it("costs nothing where nobody knows the answer", async () => {
    const { windows } = await read(false);
    const known = windows.filter(({ question }) => question !== 3);
    expect(known.length).toBeLessThan(windows.length);
    expect(await lossOf([batchOf(windows)])).toBeCloseTo(await lossOf([batchOf(known)]), 5);
  });

  // Rows, places or labels of one half used in the other.
  it("costs the same in halves", async () => {
    const { windows } = await read(true);
    const whole = batchOf(windows);
    const halves = divideBatch(whole, 2);
    expect(halves).toHaveLength(2);
    const numbers = halves.map(({ lists }) => lists!.firstTokens!.count);
    const means = await Promise.all(
      halves.map((half, i) => lossOf([{ ...half, part: undefined, counts: { windows: numbers[i]! } } as never])),
    );
    const mean = (means[0]! * numbers[0]! + means[1]! * numbers[1]!) / (numbers[0]! + numbers[1]!);
    expect(mean).toBeCloseTo(await lossOf([whole]), 5);
  });

  it.each([
    [{ maxSeqLength: 20, maxQueryLength: 10 }, /maxSeqLength: must be a whole number ≥ 26; got 20/],
    [{ docStride: 0 }, /docStride/],
    [{ measure: "characters", allowsNone: true }, /measure: must be squad/],
    [{ noneThreshold: Number.NaN }, /noneThreshold/],
  ] as const)("refuses %j", (options, message) => {
    expect(() => questionAnswering({ tokenizer, ...options })).toThrow(message);
  });
});
