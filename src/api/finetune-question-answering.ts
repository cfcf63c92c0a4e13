import { createHash } from "node:crypto";
import { ConfigError, type ConfigIssue, DataError } from "../base/errors.ts";
import { placesNotice, type QuestionData } from "../data/question-file.ts";
import { UNSCORED } from "../ir/unscored.ts";
import type { Answer } from "../tasks/answer-span.ts";
import type { AnswerWindow, WindowedQuestions } from "../tasks/answer-window.ts";
import { measureIssues, type QuestionAnswering } from "../tasks/question-answering.ts";
import {
  answersOf,
  type QuestionAnsweringResult,
  questionAnsweringResult,
} from "../tasks/question-answering-evaluation.ts";
import { QuestionAnsweringProgram } from "../tasks/question-answering-program.ts";
import type { TrainListener } from "../train/event.ts";
import { textOfFramed } from "../transfer/language-text.ts";
import { type AnswerModel, readingOf, saveAnswerModel } from "./answer-model.ts";
import { type FinetuneOptions, resolveFinetune } from "./finetune-option.ts";
import { type HeldOut, runTask, type TaskOutcome } from "./run-task.ts";
import { type FinetuneStart, lengthIssues, openStart, startModel, vocabularyIssues } from "./start-classifier.ts";
import { strategyIssues } from "./strategy-issues.ts";

/** The figures that may decide which weights are best. */
export const answerFigures = ["f1", "exact", "loss"] as const;
export type AnswerFigure = (typeof answerFigures)[number];

export interface AnswerFinetuneOptions extends Omit<FinetuneOptions, "selectionFigure"> {
  /** `f1` by default. */
  readonly selectionFigure?: AnswerFigure | undefined;
  /** Candidates that are kept for each held-out question; 20 by default. */
  readonly numBest?: number | undefined;
}

/** A model that answers questions, and how it was made. */
export interface FinetunedAnswerer extends AnswerModel, TaskOutcome<QuestionAnsweringResult> {
  /** What it answers to the held-out questions, by their ids. */
  readonly answers: ReadonlyMap<string, Answer> | undefined;
  /** Writes a Hugging Face model directory. */
  save(folder: string): Promise<void>;
}

/** Answers to held-out questions and their figures. */
interface Answered {
  readonly result: QuestionAnsweringResult;
  readonly answers: readonly Answer[];
}

/** Windows that teach something. */
function taught({ windows }: WindowedQuestions, name: string): AnswerWindow[] {
  const scored = windows.filter(({ startLabel }) => startLabel !== UNSCORED);
  if (scored.length > 0) return scored;
  throw new DataError("no question has an answer that is in its text. Is it the right file?", {
    code: "DATA_EMPTY",
    path: name,
  });
}

function dataHash(windows: readonly AnswerWindow[]): string {
  const hash = createHash("sha256");
  for (const { tokens, startLabel, endLabel } of windows) {
    hash.update(tokens).update(Int32Array.of(tokens.length, startLabel, endLabel));
  }
  return hash.digest("hex");
}

function tell(listener: TrainListener | undefined, source: QuestionData, data: WindowedQuestions): void {
  const unlabelled = new Set(data.windows.filter(({ startLabel }) => startLabel === UNSCORED).map((w) => w.question));
  const parts = [
    `${source.name}: ${data.questions.length} questions in ${data.windows.length} windows`,
    data.numTruncated === 0 ? "" : `${data.numTruncated} questions were cut`,
    unlabelled.size === 0 ? "" : `${unlabelled.size} without an answer that could be learnt`,
  ];
  listener?.({ kind: "notice", message: parts.filter((part) => part !== "").join(", ") });
  const notice = placesNotice(source);
  if (notice !== undefined) listener?.({ kind: "notice", message: notice });
}

/**
 * Fine-tunes a pre-trained model to answer questions with a part of a text.
 *
 * The encoder's weights are those of `start`; the head is new from the seed, unless `start` answers questions already. A
 * run with an `outputDir` that holds its checkpoint goes on from there.
 * @param start a model, or its folder
 * @param data `train` and, for held-out figures, `eval`
 * @throws {ConfigError} when model and task do not fit, or options are wrong: all problems together
 * @throws {DataError} TEXT_EMPTY, DATA_EMPTY
 * @throws {DivergenceError} NOT_FINITE; the last checkpoint stays
 * @source Devlin et al. 2019 §4.2–4.3, arXiv:1810.04805
 */
export async function finetuneQuestionAnswering(
  start: FinetuneStart,
  task: QuestionAnswering,
  data: { readonly train: QuestionData; readonly eval?: QuestionData | undefined },
  options: AnswerFinetuneOptions = {},
): Promise<FinetunedAnswerer> {
  const { numBest = 20, ...others } = options;
  const { dtype = "f32", listener, fromScratch = false } = others;
  const { tokenizer, packed, ...settings } = task.settings;
  const issues: ConfigIssue[] = [];
  const resolved = resolveFinetune(others, issues, answerFigures, { byStrategy: true });
  const { train: trainOptions } = resolved;
  if (!(Number.isInteger(numBest) && numBest >= 1)) {
    issues.push({ path: "numBest", message: `must be a whole number ≥ 1; got ${numBest}.`, code: "CONFIG_RANGE" });
  }
  const allowsNone = settings.allowsNone ?? data.train.hasUnanswerable;
  issues.push(...measureIssues(settings.measure, allowsNone));
  const seed = trainOptions?.seed ?? 0;
  const opened = await openStart(start, seed, "questionAnswering");
  issues.push(...vocabularyIssues(opened, tokenizer));
  issues.push(...lengthIssues(opened, settings.maxSeqLength, { path: "model.typeVocabSize" }));
  const { family, config, module: given } = opened.state;
  const source = {
    ...{ name: opened.name, language: opened.language, tokenizer, maxSeqLength: settings.maxSeqLength, packed },
    textsOf: (window: AnswerWindow) => [textOfFramed(window, tokenizer)],
  };
  const structure = () => ({ family, config, module: family.questionAnswering(config) });
  issues.push(...strategyIssues(structure, source, resolved));
  if (issues.length > 0 || trainOptions === undefined) throw new ConfigError("finetune", issues);
  for (const message of opened.notices) listener?.({ kind: "notice", message });

  const keepsHead = "tokenHead" in given && given.tokenHead === "questionAnswering";
  const beginning = { seed, fromScratch, keepsHead, adapter: resolved.adapter };
  const state = startModel(opened, family.questionAnswering(config), beginning);
  const reading = readingOf(state);
  const learnt = await task.read({ ...data.train, hasUnanswerable: allowsNone }, reading);
  tell(listener, data.train, learnt);
  const examples = taught(learnt, data.train.name);
  const held = data.eval && (await task.read({ ...data.eval, hasUnanswerable: allowsNone }, reading));
  if (held !== undefined) tell(listener, data.eval!, held);
  const answering = { ...settings, allowsNone };
  const decoding = { ...answering, numBest };
  const { batchSize, maxEvalExamples } = trainOptions;

  const open = (all: WindowedQuestions): HeldOut<Answered>["open"] => {
    const some = firstQuestions(all, maxEvalExamples ?? all.questions.length);
    return (place) => {
      const program = new QuestionAnsweringProgram({
        ...place,
        ...{ model: state.module, batchSize, policy: { compute: dtype }, packed },
        ...{ maxSeqLength: settings.maxSeqLength, padId: tokenizer.special.pad },
      });
      return {
        run: async (part) => {
          const questions = part === "all" ? all : some;
          const scores = await program.scores(questions.windows);
          const answers = answersOf(questions, scores, decoding);
          return { result: questionAnsweringResult(questions, scores, answers, decoding), answers };
        },
        dispose: () => program.dispose(),
      };
    };
  };
  const { evaluation: last, ...outcome } = await runTask(
    {
      ...{ objective: task, state, examples, source, resolved: { ...resolved, train: trainOptions } },
      held: held && {
        open: open(held),
        isWhole: (maxEvalExamples ?? held.questions.length) >= held.questions.length,
        figures: ({ result: { loss, exact, f1 } }: Answered) => ({ loss, means: { exact, f1 } }),
      },
      identity: { settings: { ...answering, packed }, tokenizer: tokenizer.hash, data: dataHash(examples) },
    },
    others,
  );
  const model: AnswerModel = { ...state, weights: outcome.weights, tokenizer, answering };
  return {
    ...model,
    ...outcome,
    evaluation: last?.result,
    answers: last && new Map(held!.questions.map(({ id }, q) => [id, last.answers[q]!])),
    save: (folder) => saveAnswerModel(folder, model),
  };
}

/** The first questions with their windows. */
function firstQuestions(data: WindowedQuestions, count: number): WindowedQuestions {
  return {
    ...data,
    questions: data.questions.slice(0, count),
    windows: data.windows.filter(({ question }) => question < count),
  };
}
