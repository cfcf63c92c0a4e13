/** @file The task: the part of a text that answers a question. */
import { ConfigError, type ConfigIssue } from "../base/errors.ts";
import type { QuestionData } from "../data/question-file.ts";
import { UNSCORED } from "../ir/unscored.ts";
import type { Framing } from "../models/framing.ts";
import type { EncoderInputs, TokenModel } from "../models/model.ts";
import type { ForwardContext } from "../nn/module.ts";
import type { Objective } from "../objectives/objective.ts";
import { integers } from "../objectives/row-batch.ts";
import { add, compare, constant, convert, select } from "../tensor/elementwise.ts";
import { crossEntropy } from "../tensor/fused.ts";
import { expandDims, gather, reshape, sliceAxis } from "../tensor/movement.ts";
import { sum } from "../tensor/reduction.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";
import { type AnswerWindow, type WindowedQuestions, windowQuestions } from "./answer-window.ts";
import { textBatch } from "./classification-batch.ts";

/** How answers are compared with those of the data: `squad` by words, `characters` as Chinese sets do. */
export type AnswerMeasure = "squad" | "characters";
export const answerMeasures = ["squad", "characters"] as const satisfies readonly AnswerMeasure[];

/** Settings of the task that stay with a fine-tuned model. */
export interface AnswerSettings {
  /** Longest window in tokens: question, part of the text and special tokens. */
  readonly maxSeqLength: number;
  /** Tokens from the beginning of one window's part of the text to that of the next one's. */
  readonly docStride: number;
  /** Questions are cut to so many tokens. */
  readonly maxQueryLength: number;
  /** Longest answer in tokens. */
  readonly maxAnswerLength: number;
  /** Whether a question may have no answer; undefined: where the training data say so. */
  readonly allowsNone: boolean | undefined;
  /** "No answer" must be better than the best answer by more than this. */
  readonly noneThreshold: number;
  readonly measure: AnswerMeasure;
}

export interface QuestionAnsweringSettings extends AnswerSettings {
  readonly tokenizer: Tokenizer;
  /** Whether rows hold several windows. */
  readonly packed: boolean;
}

/**
 * 384 tokens, a third of it from window to window, questions of 64 and answers of 30 tokens at most, packed, by words,
 * threshold 0.
 */
export type QuestionAnsweringOptions = Pick<QuestionAnsweringSettings, "tokenizer"> &
  Partial<Omit<QuestionAnsweringSettings, "tokenizer">>;

/** What a network reads questions with. */
export interface QuestionReading {
  readonly framing: Framing;
  readonly nullToken: "first" | "last";
}

/** A task that reads questions and is learnt as an objective. */
export interface QuestionAnswering extends Objective<AnswerWindow, TokenModel> {
  readonly settings: QuestionAnsweringSettings;
  /** @throws {DataError} TEXT_EMPTY; {FirthError} TOKENIZER_LACKS_TOKEN */
  read(data: QuestionData, reading: QuestionReading): Promise<WindowedQuestions>;
}

/** Room for a frame and a few tokens of the text beside the longest question. */
const SPARE = 16;

/** The measure by characters knows no questions without answer. */
export function measureIssues(measure: AnswerMeasure, allowsNone: boolean): ConfigIssue[] {
  if (measure === "squad" || !allowsNone) return [];
  const message = "must be squad where questions may have no answer; got characters. Set allowsNone: false, or squad.";
  return [{ path: "measure", message, code: "CONFIG_VALUE" }];
}

function resolve(options: QuestionAnsweringOptions): QuestionAnsweringSettings {
  const { maxSeqLength = 384, maxQueryLength = Math.min(64, Math.floor(maxSeqLength / 4)) } = options;
  const settings = {
    docStride: Math.max(1, Math.min(128, Math.floor(maxSeqLength / 3))),
    ...{ maxAnswerLength: 30, noneThreshold: 0, measure: "squad" as const, packed: true, allowsNone: undefined },
    ...options,
    maxSeqLength,
    maxQueryLength,
  };
  const issues: ConfigIssue[] = [];
  const whole = (path: string, value: number, least: number): void => {
    if (Number.isInteger(value) && value >= least) return;
    issues.push({ path, message: `must be a whole number ≥ ${least}; got ${value}.`, code: "CONFIG_RANGE" });
  };
  whole("maxQueryLength", maxQueryLength, 1);
  whole("maxSeqLength", maxSeqLength, maxQueryLength + SPARE);
  whole("docStride", settings.docStride, 1);
  whole("maxAnswerLength", settings.maxAnswerLength, 1);
  if (!Number.isFinite(settings.noneThreshold)) {
    const message = `must be a number; got ${settings.noneThreshold}.`;
    issues.push({ path: "noneThreshold", message, code: "CONFIG_RANGE" });
  }
  issues.push(...measureIssues(settings.measure, settings.allowsNone === true));
  if (issues.length > 0) throw new ConfigError("questionAnswering", issues);
  return settings;
}

/** Scores `[R, W]` of all places of a batch as an answer's first and last token. Dims: R rows of W tokens. */
export function answerScores(
  model: TokenModel,
  context: ForwardContext,
  batch: Readonly<Record<string, Tensor>>,
): { readonly starts: Tensor; readonly ends: Tensor } {
  const { lastHiddenState } = model.encoder.encode(context, batch as unknown as EncoderInputs);
  const [rows, width, hiddenSize] = lastHiddenState.shape as [number, number, number];
  const logits = convert(model.tokenLogits(context, reshape(lastHiddenState, [rows * width, hiddenSize])), "f32");
  const end = (which: number): Tensor => reshape(sliceAxis(logits, 1, which, which + 1), [rows, width]);
  return { starts: end(0), ends: end(1) };
}

/** Added to nothing: the score of a place that cannot be chosen; e⁻¹⁰⁰⁰⁰ is 0 in f32. */
const BLOCKED = -10_000;

/**
 * For each window its row's scores, those of places that are not its own blocked. Dims: S windows, R rows of W tokens.
 * @returns a function from scores `[R, W]` to `[S, W]`
 */
function ownScores(batch: Readonly<Record<string, Tensor>>): (scores: Tensor) => Tensor {
  const { firstTokens, sequenceIds, answerIds } = batch;
  const [rows, width] = sequenceIds!.shape as [number, number];
  const windows = firstTokens!.shape[0]!;
  // A window's row is the number of rows that end before it.
  const rowEnds = constant(
    Int32Array.from({ length: rows }, (_, row) => (row + 1) * width),
    "i32",
    [1, rows],
  );
  const isBehind = convert(compare("ge", expandDims(firstTokens!, 1), rowEnds), "f32");
  const row = convert(sum(isBehind, 1), "i32");
  const own = reshape(gather(reshape(sequenceIds!, [rows * width]), firstTokens!), [windows, 1]);
  const isOwn = compare("eq", gather(answerIds!, row), own);
  return (scores) => select(isOwn, gather(scores, row), constant(BLOCKED));
}

/**
 * Answering questions with a part of a text, from files in SQuAD's layout.
 *
 * The loss term is `questionAnswering`: nats per window, the mean of those of the answer's first and last token. Its
 * softmax goes over the window's own part of the text and the token that stands for "no answer", also where a row holds
 * several windows.
 * @throws {ConfigError} all problems together
 * @source Devlin et al. 2019 §4.2–4.3, arXiv:1810.04805. Differs: the question's own tokens cannot be chosen in training
 * either
 */
export function questionAnswering(options: QuestionAnsweringOptions): QuestionAnswering {
  const settings = resolve(options);
  const { tokenizer, maxSeqLength, packed } = settings;
  return {
    name: "questionAnswering",
    settings,
    read: (data, reading) => windowQuestions(data, { ...settings, ...reading }),
    collate: (drawn, _seed, layout) => {
      const windows = drawn.map(({ example }) => example);
      const batch = textBatch(windows, { maxSeqLength, packed, padId: tokenizer.special.pad, layout });
      const { sequenceIds, firstTokens } = batch.tensors;
      const [, width] = sequenceIds!.shape as [number, number];
      const room = firstTokens!.shape[0]!;
      const answerIds = new Int32Array(sequenceIds!.data.length);
      const [startLabels, endLabels] = [new Int32Array(room).fill(UNSCORED), new Int32Array(room).fill(UNSCORED)];
      windows.forEach(({ nullPlace, secondStart, range, startLabel, endLabel }, i) => {
        const first = firstTokens!.data[i]!;
        const id = sequenceIds!.data[first]!;
        answerIds[first + nullPlace] = id;
        answerIds.fill(id, first + secondStart, first + secondStart + range.count);
        if (startLabel === UNSCORED) return;
        startLabels[i] = (first % width) + startLabel;
        endLabels[i] = (first % width) + endLabel;
      });
      const beside = { startLabels: UNSCORED, endLabels: UNSCORED };
      const scored = windows.filter(({ startLabel }) => startLabel !== UNSCORED).length;
      return {
        ...batch,
        tensors: {
          ...batch.tensors,
          answerIds: integers(answerIds, sequenceIds!.shape),
          startLabels: integers(startLabels, [room]),
          endLabels: integers(endLabels, [room]),
        },
        lists: { ...batch.lists, firstTokens: { count: windows.length, beside } },
        counts: { windows: scored },
      };
    },
    loss: (model, context, batch) => {
      const { starts, ends } = answerScores(model, context, batch);
      const own = ownScores(batch);
      const begins = sum(crossEntropy(own(starts), batch.startLabels!));
      const finishes = sum(crossEntropy(own(ends), batch.endLabels!));
      const total = add(begins, finishes);
      // Two ends a window: half a sum is the mean over both.
      return { terms: { questionAnswering: { sum: total, count: "windows", weight: 0.5 } }, metrics: {} };
    },
  };
}
