import { createHash } from "node:crypto";
import type { Backend } from "../backend/backend.ts";
import { ConfigError, type ConfigIssue, DataError } from "../base/errors.ts";
import { placesNotice, type QuestionData } from "../data/question-file.ts";
import { familyOf } from "../models/families.ts";
import type { ModelState } from "../models/family.ts";
import { isCarried, type TokenModel } from "../models/model.ts";
import { adoptWeights, initialWeights } from "../nn/weights.ts";
import { withEngine } from "../runtime.ts";
import type { Answer } from "../tasks/answer-span.ts";
import type { AnswerWindow, WindowedQuestions } from "../tasks/answer-window.ts";
import { UNSCORED } from "../tasks/classification-batch.ts";
import { measureIssues, type QuestionAnswering } from "../tasks/question-answering.ts";
import {
  answersOf,
  type QuestionAnsweringResult,
  questionAnsweringResult,
} from "../tasks/question-answering-evaluation.ts";
import { QuestionAnsweringProgram } from "../tasks/question-answering-program.ts";
import { hasTokenizer, loadTokenizer } from "../tokenizers/load.ts";
import type { EvaluationEvent, TrainListener } from "../train/event.ts";
import { ModelStore } from "../train/model-store.ts";
import { type TrainResult, train } from "../train/trainer.ts";
import { type AnswerModel, readingOf, saveAnswerModel } from "./answer-model.ts";
import { type FinetuneOptions, resolveFinetune } from "./finetune-option.ts";
import { fingerprintOf, weightsHash } from "./fingerprint.ts";
import { type FinetuneStart, openStart, type Pretraining, vocabularyIssues } from "./start-classifier.ts";

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
export interface FinetunedAnswerer extends AnswerModel {
  readonly run: Omit<TrainResult, "weights">;
  readonly evaluations: readonly EvaluationEvent[];
  /** Figures of these weights on the held-out questions; undefined without any, or when the run was interrupted. */
  readonly evaluation: QuestionAnsweringResult | undefined;
  /** What it answers to the held-out questions, by their ids. */
  readonly answers: ReadonlyMap<string, Answer> | undefined;
  /** Writes a Hugging Face model directory. */
  save(folder: string): Promise<void>;
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

/** Where fine-tuning starts: a model that answers already keeps its head. */
async function openAnswerStart(start: FinetuneStart, seed: number): Promise<Pretraining> {
  if (typeof start !== "string") return openStart(start, seed);
  const family = await familyOf(start);
  if ((await family.purposeOf(start)) !== "questionAnswering") return openStart(start, seed);
  const { notices, labels: _labels, newParameters: _none, ...state } = await family.loadQuestionAnswering(start, seed);
  const tokenizer = hasTokenizer(start) ? await loadTokenizer(start) : undefined;
  return { name: start, state, tokenizer, labels: undefined, notices };
}

/** Rules between model and task that are broken. */
function startIssues(opened: Pretraining, { tokenizer, maxSeqLength }: QuestionAnswering["settings"]): ConfigIssue[] {
  const { family, config } = opened.state;
  const { maxPositionEmbeddings, typeVocabSize } = family.facts(config);
  const issues = vocabularyIssues(opened, tokenizer);
  if (maxSeqLength > maxPositionEmbeddings) {
    const message = `must be at most the model's maxPositionEmbeddings; got ${maxSeqLength} and ${maxPositionEmbeddings}.`;
    issues.push({ path: "task.maxSeqLength", message, code: "SEQUENCE_TOO_LONG" });
  }
  if (family.framing.typesSecond && typeVocabSize < 2) {
    const message = `must be 2 for a question and its text; got ${typeVocabSize}.`;
    issues.push({ path: "model.typeVocabSize", message, code: "CONFIG_RANGE" });
  }
  return issues;
}

function startModel({ state }: Pretraining, seed: number, fromScratch: boolean): ModelState<TokenModel> {
  const { family, config } = state;
  const module = family.questionAnswering(config);
  const fresh = initialWeights(module, seed);
  if (fromScratch) return { family, config, module, weights: fresh };
  const hasHead = "tokenHead" in state.module && state.module.tokenHead === "questionAnswering";
  const source = hasHead ? state.weights : new Map([...state.weights].filter(([name]) => isCarried(name)));
  return { family, config, module, weights: adoptWeights(fresh, source).weights };
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
  const { selectionFigure = "f1", numBest = 20, ...others } = options;
  const { outputDir, engine, dtype = "f32", listener, signal, fromScratch = false } = others;
  const { tokenizer, packed: isPacked, ...settings } = task.settings;
  const issues: ConfigIssue[] = [];
  const { train: trainOptions, freeze, treatment } = resolveFinetune(others, issues);
  if (!answerFigures.includes(selectionFigure)) {
    const message = `must be one of ${answerFigures.join(", ")}; got ${JSON.stringify(selectionFigure)}.`;
    issues.push({ path: "selectionFigure", message, code: "CONFIG_UNKNOWN_VALUE" });
  }
  if (!(Number.isInteger(numBest) && numBest >= 1)) {
    issues.push({ path: "numBest", message: `must be a whole number ≥ 1; got ${numBest}.`, code: "CONFIG_RANGE" });
  }
  const allowsNone = settings.allowsNone ?? data.train.hasUnanswerable;
  issues.push(...measureIssues(settings.measure, allowsNone));
  const seed = trainOptions?.seed ?? 0;
  const opened = await openAnswerStart(start, seed);
  issues.push(...startIssues(opened, task.settings));
  if (issues.length > 0 || trainOptions === undefined) throw new ConfigError("finetune", issues);
  for (const message of opened.notices) listener?.({ kind: "notice", message });

  const state = startModel(opened, seed, fromScratch);
  const reading = readingOf(state);
  const learnt = await task.read({ ...data.train, hasUnanswerable: allowsNone }, reading);
  tell(listener, data.train, learnt);
  const examples = taught(learnt, data.train.name);
  const held = data.eval && (await task.read({ ...data.eval, hasUnanswerable: allowsNone }, reading));
  if (held !== undefined) tell(listener, data.eval!, held);
  const answering = { ...settings, allowsNone };
  const decoding = { ...answering, numBest };

  return withEngine(
    engine,
    async (backend) => {
      const { batchSize, maxEvalExamples } = trainOptions;
      const policy = { compute: dtype };
      const evaluate = async (store: ModelStore, questions: WindowedQuestions) => {
        const program = programOf(backend, store);
        try {
          const scores = await program.scores(questions.windows);
          const answers = answersOf(questions, scores, decoding);
          return { result: questionAnsweringResult(questions, scores, answers, decoding), answers };
        } finally {
          await program.dispose();
        }
      };
      const programOf = (engineOf: Backend, store: ModelStore) =>
        new QuestionAnsweringProgram({
          ...{ backend: engineOf, store, model: state.module, batchSize, policy, packed: isPacked },
          ...{ maxSeqLength: settings.maxSeqLength, padId: tokenizer.special.pad },
        });
      const scored = held && firstQuestions(held, maxEvalExamples ?? held.questions.length);
      const { keepCheckpoints: _keep, checkpointSteps: _steps, recomputeLayers: _memory, ...numeric } = trainOptions;
      const { lanes: _lanes, ...facts } = numeric;
      const { weights, ...run } = await train({
        backend,
        model: state.module,
        weights: state.weights,
        objective: task,
        examples: { numExamples: examples.length, example: (_seed, _epoch, index) => examples[index]! },
        options: trainOptions,
        policy,
        ...(treatment === undefined ? {} : { treatment }),
        evaluation:
          scored &&
          ((store) => ({
            run: async () => {
              const { loss, exact, f1 } = (await evaluate(store, scored)).result;
              return { loss, means: { exact, f1 } };
            },
            dispose: async () => undefined,
          })),
        selection: { figure: selectionFigure, higherIsBetter: selectionFigure !== "loss" },
        outputDir,
        fingerprint: fingerprintOf({
          config: state.config,
          weights: weightsHash(state.weights),
          settings: { ...answering, packed: isPacked },
          tokenizer: tokenizer.hash,
          data: dataHash(examples),
          freeze,
          selectionFigure,
          options: facts,
        }),
        listener,
        signal,
      });
      const model: AnswerModel = { ...state, weights, tokenizer, answering };
      const store = new ModelStore(backend, state.module, ["value"]);
      try {
        store.write("value", weights);
        const last = held && run.reason !== "interrupted" ? await evaluate(store, held) : undefined;
        return {
          ...model,
          run,
          evaluations: run.evaluations,
          evaluation: last?.result,
          answers: last && new Map(held!.questions.map(({ id }, q) => [id, last.answers[q]!])),
          save: (folder) => saveAnswerModel(folder, model),
        };
      } finally {
        store.dispose();
      }
    },
    dtype,
  );
}

/** The first questions with their windows. */
function firstQuestions(data: WindowedQuestions, count: number): WindowedQuestions {
  return {
    ...data,
    questions: data.questions.slice(0, count),
    windows: data.windows.filter(({ question }) => question < count),
  };
}
