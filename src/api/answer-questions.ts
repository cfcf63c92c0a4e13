import { ConfigError } from "../base/errors.ts";
import type { Question, QuestionData } from "../data/question-file.ts";
import type { Answer } from "../tasks/answer-span.ts";
import { windowQuestions } from "../tasks/answer-window.ts";
import {
  answersOf,
  type QuestionAnsweringResult,
  questionAnsweringResult,
} from "../tasks/question-answering-evaluation.ts";
import { QuestionAnsweringProgram } from "../tasks/question-answering-program.ts";
import { quantizeIssues } from "../train/fixed-weights.ts";
import { type AnswerModel, readingOf } from "./answer-model.ts";
import { type OpenOptions, openModel } from "./opened.ts";

/** A question to a text. */
export interface AskedQuestion {
  readonly question: string;
  readonly context: string;
}

export interface AnswerOptions extends OpenOptions {
  /** Windows of 128 tokens computed together; 32 by default. */
  readonly batchSize?: number | undefined;
  /** Candidates that are kept; 5 by default. */
  readonly numBest?: number | undefined;
  /** "No answer" must be better than the best answer by more than this; the model's own by default. */
  readonly noneThreshold?: number | undefined;
}

/** A model in an engine that answers questions; dispose it when done. */
export interface Answerer {
  /**
   * Answers in the order of the questions, in letters of their texts; places are UTF-16 units.
   * @throws {DataError} TEXT_EMPTY for a question or a text without any token
   */
  answer(questions: readonly AskedQuestion[]): Promise<Answer[]>;
  /** Figures on questions with right answers, and what was answered, by the questions' ids. @throws {DataError} TEXT_EMPTY */
  evaluate(data: QuestionData): Promise<AnswerEvaluation>;
  dispose(): Promise<void>;
}

/** Figures of a model on a file of questions. */
export interface AnswerEvaluation extends QuestionAnsweringResult {
  readonly answers: ReadonlyMap<string, Answer>;
}

/**
 * Puts a model that answers questions into an engine.
 * @throws {ConfigError} for wrong options
 */
export async function openAnswerer(model: AnswerModel, options: AnswerOptions = {}): Promise<Answerer> {
  const { dtype = "f32", batchSize = 32, numBest = 5, quantize = "none" } = options;
  const { answering, tokenizer, module } = model;
  const issues = quantizeIssues(quantize, dtype);
  for (const [path, value] of Object.entries({ batchSize, numBest })) {
    if (Number.isInteger(value) && value >= 1) continue;
    issues.push({ path, message: `must be a whole number ≥ 1; got ${value}.`, code: "CONFIG_RANGE" });
  }
  const { maxSeqLength } = answering;
  const { noneThreshold = answering.noneThreshold } = options;
  if (typeof noneThreshold !== "number" || Number.isNaN(noneThreshold)) {
    const message = `must be a number; got ${JSON.stringify(noneThreshold)}.`;
    issues.push({ path: "noneThreshold", message, code: "CONFIG_TYPE" });
  }
  if (issues.length > 0) throw new ConfigError("answer", issues);
  const padId = tokenizer.special.pad;
  const { program, check, dispose } = await openModel("answerer", model, options, (place) => {
    return new QuestionAnsweringProgram({ ...place, model: module, batchSize, maxSeqLength, padId });
  });
  const decoding = { ...answering, numBest, noneThreshold };
  const run = async (name: string, questions: readonly Question[]) => {
    check();
    const source = { name, questions, hasUnanswerable: answering.allowsNone };
    const data = await windowQuestions(source, { ...answering, ...readingOf(model), tokenizer });
    const scores = await program.scores(data.windows);
    return { data, scores, answers: answersOf(data, scores, decoding) };
  };
  return {
    answer: async (asked) => {
      const questions = asked.map(({ question, context }, i) => ({ id: `${i}`, question, context, answers: [] }));
      return (await run("questions", questions)).answers;
    },
    evaluate: async ({ name, questions }) => {
      const { data, scores, answers } = await run(name, questions);
      const result = questionAnsweringResult(data, scores, answers, decoding);
      return { ...result, answers: new Map(questions.map(({ id }, q) => [id, answers[q]!])) };
    },
    dispose,
  };
}

/**
 * Answers to questions, in their order; for many calls open an answerer once.
 * @throws {DataError} TEXT_EMPTY
 */
export async function answerQuestions(
  model: AnswerModel,
  questions: readonly AskedQuestion[],
  options: AnswerOptions = {},
): Promise<Answer[]> {
  const answerer = await openAnswerer(model, options);
  try {
    return await answerer.answer(questions);
  } finally {
    await answerer.dispose();
  }
}
