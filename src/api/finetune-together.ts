/** @file Several tasks over one encoder, learnt together. */
import { createHash } from "node:crypto";
import { resolve } from "node:path";
import { ConfigError, type ConfigIssue } from "../base/errors.ts";
import { withAdapter } from "../models/adapter/start.ts";
import { isCarried } from "../models/model.ts";
import { headPrefix, MultiTaskModel } from "../models/multi-task.ts";
import { adoptWeights, initialWeights } from "../nn/weights.ts";
import { type MergedOrder, mergedOrder } from "../tasks/merged-order.ts";
import { mergedTask, type TaskExample, taskExamples } from "../tasks/merged-task.ts";
import type { TrainOptions } from "../train/options.ts";
import type { ParameterTreatment } from "../train/train-step.ts";
import { textOfFramed } from "../transfer/language-text.ts";
import { openCrossView, runWithViews, type ViewableTask, viewableText, viewableWords } from "./cross-view.ts";
import { crossViewIssues } from "./cross-view-option.ts";
import { type FinetuneOptions, resolveFinetune } from "./finetune-option.ts";
import {
  headsOf,
  keptWeights,
  type LearntTask,
  type MultiTaskTextModel,
  saveMultiTask,
  type TaskClassifier,
  type TaskTagger,
  taggerOf,
  taskOf,
  taskShapes,
} from "./multi-task-model.ts";
import type { TaskOutcome } from "./run-task.ts";
import {
  type FinetuneStart,
  fitIssues,
  lengthIssues,
  openStart,
  type Pretraining,
  requireStart,
  vocabularyIssues,
} from "./start-classifier.ts";
import { strategyIssues } from "./strategy-issues.ts";
import { chainRate } from "./tagging-run.ts";
import { heldTogether, type OpenTask, openTask, type TogetherEvaluation } from "./together-open.ts";
import {
  type AnyTogetherTask,
  type MixingOptions,
  type ResolvedTask,
  resolveMixing,
  resolveTasks,
} from "./together-task.ts";
import type { LanguageSource } from "./transfer-run.ts";

export type { TogetherEvaluation } from "./together-open.ts";
export type { AnyTogetherTask, HeadOption, MixingOptions, TogetherTagging, TogetherTask } from "./together-task.ts";

/**
 * Options of training, as for one task. What is best is decided by the average over tasks of each task's figure; three
 * epochs and a peak rate of 5e-5 where nothing else is said.
 */
export interface FinetuneTogetherOptions extends Omit<FinetuneOptions, "selectionFigure"> {
  readonly mixing?: MixingOptions | undefined;
}

/** A model of several tasks, and how it was made. */
export interface FinetunedTogether extends MultiTaskTextModel, TaskOutcome<TogetherEvaluation> {
  /** The mean over tasks of each task's figure; undefined without figures. */
  readonly average: number | undefined;
  /** It, and the figures of all tasks by `task.figure`; undefined without figures. */
  readonly means: Readonly<Record<string, number>> | undefined;
  /** The model of one task of texts. */
  task(name: string): TaskClassifier;
  /** The model of one task that tags words. */
  tagger(name: string): TaskTagger;
  /** Writes a folder with the encoder as a Hugging Face model directory, and all heads beside it. */
  save(folder: string): Promise<void>;
}

/** Heads count the steps of their own task, as an optimizer does that skips parameters without a gradient. */
function headClocks(tasks: readonly OpenTask[], order: MergedOrder): (name: string) => ParameterTreatment["ownStep"] {
  const clocks = tasks.map(({ name }, i) => ({
    prefix: headPrefix(name),
    ownStep: (step: number): number => order.stepsOfTask(i, step),
  }));
  return (parameter) => clocks.find(({ prefix }) => parameter.startsWith(prefix))?.ownStep;
}

/** How texts are read that are no task's own. */
function readingOf(tasks: readonly ResolvedTask[]) {
  return {
    maxSeqLength: Math.max(...tasks.map(({ task }) => task.settings.maxSeqLength)),
    packed: tasks.every(({ task }) => task.settings.packed),
    overlap: Math.max(0, ...tasks.map((given) => (given.kind === "tagging" ? given.task.settings.overlap : 0))),
  };
}

/** A task as views learn it; heads that read pairs token by token have none. */
function viewableTasks(given: ResolvedTask, numLabels: number): ViewableTask<MultiTaskModel>[] {
  const { name } = given;
  if (given.kind === "tagging") return [viewableWords(name, (model) => model.tagger(name), numLabels)];
  if (given.head.kind === "stochasticAnswer") return [];
  return [viewableText(name, (model) => model.task(name), numLabels, given.task.settings.textColumns.length)];
}

/** How the tasks' texts are learned as language, where a strategy asks for that. */
function languageSource(
  { name, language }: Pretraining,
  tasks: readonly ResolvedTask[],
): LanguageSource<TaskExample> | undefined {
  const [first] = tasks;
  if (first === undefined) return undefined;
  const { tokenizer } = first.task.settings;
  return {
    ...{ name, language, tokenizer },
    ...readingOf(tasks),
    textsOf: ({ example }) => [textOfFramed(example, tokenizer)],
  };
}

const isDivisible = ({ head }: ResolvedTask): boolean => head.kind === "linear" || head.kind === "tokenClassification";

/** Two lanes cut a batch by rows, which heads of pairs and rankings do not allow: they look at several rows. */
function laneIssues(tasks: readonly ResolvedTask[], lanes: TrainOptions["lanes"] | undefined): ConfigIssue[] {
  const other = tasks.find((task) => !isDivisible(task));
  if (other === undefined || lanes !== 2) return [];
  const message = `must be 1 or "auto" where a head looks at several rows; got 2, and ${other.name} has ${other.head.kind}.`;
  return [{ path: "lanes", message, code: "LANES_UNSUPPORTED" }];
}

/** One lane where a head looks at several rows and nothing is said. */
function withLanes(options: TrainOptions, tasks: readonly ResolvedTask[]): TrainOptions {
  return options.lanes === "auto" && !tasks.every(isDivisible) ? { ...options, lanes: 1 } : options;
}

/** Why a model cannot learn a task: paths begin with `task.`. */
function taskIssues(opened: Pretraining, given: ResolvedTask): ConfigIssue[] {
  if (given.kind === "text") return fitIssues(opened, given.task.settings);
  const { tokenizer, maxSeqLength } = given.task.settings;
  const issues = [...vocabularyIssues(opened, tokenizer), ...lengthIssues(opened, maxSeqLength)];
  const { family, config } = opened.state;
  try {
    family.tokenClassification(config, 2);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    issues.push(...error.issues.map(({ message, code }) => ({ path: "task.name", message, code })));
  }
  return issues;
}

/** Scores of neighbouring tags learn faster than the rest. */
const rateOf = (name: string): number => chainRate(name.replace(/^heads\.[^.]+\./, ""));

/** The figures of one task among those of all. */
function judgedBy(
  { name, figure }: OpenTask,
  means: Readonly<Record<string, number>> | undefined,
): LearntTask["judged"] {
  const own = Object.entries(means ?? {}).filter(([key]) => key.startsWith(`${name}.`));
  return { figure, figures: Object.fromEntries(own.map(([key, value]) => [key.slice(name.length + 1), value])) };
}

/** What a start must not have: the weights of an adapter are neither the encoder's nor a head's. */
function adapterIssues(state: object): ConfigIssue[] {
  if (!("adapter" in state) || state.adapter === undefined) return [];
  const message = "has an adapter, which several tasks cannot share. Merge it into the weights first.";
  return [{ path: "model", message, code: "ADAPTER_UNSUPPORTED" }];
}

/**
 * Fine-tunes one encoder for several tasks at once (MT-DNN): every step is a batch of one task, and the tasks' batches are
 * merged and shuffled. The step moves the encoder and the head of its task; other heads, and what the optimizer remembers of
 * them, stay as they are.
 *
 * The encoder's weights are those of `start`. Heads are new from the seed, unless `start` has learnt several tasks and has
 * one of the same name, classes and kind: with a single task that is the fine-tuning that follows multi-task learning.
 * `finetune` starts from the result too, with a new head. A run with an `outputDir` that holds its checkpoint goes on.
 * @throws {ConfigError} all problems of all tasks together
 * @throws {DataError} for rows that cannot be used, naming file and line; DATA_EMPTY
 * @throws {DivergenceError} NOT_FINITE; the last checkpoint stays
 * @source Liu, He, Chen & Gao 2019, arXiv:1901.11504
 */
export async function finetuneTogether(
  start: FinetuneStart,
  tasks: readonly AnyTogetherTask[],
  options: FinetuneTogetherOptions = {},
): Promise<FinetunedTogether> {
  const { mixing: givenMixing = {}, ...others } = options;
  const { dtype = "f32", listener, fromScratch = false } = options;
  const issues: ConfigIssue[] = [];
  const resolvedTasks = resolveTasks(tasks, issues);
  const resolved = resolveFinetune(others, issues, ["average"], {
    ...{ byStrategy: true, crossViews: true },
  });
  const { train: trainOptions } = resolved;
  const mixing = resolveMixing(givenMixing, trainOptions?.numEpochs, issues);
  issues.push(...laneIssues(resolvedTasks, trainOptions?.lanes));
  const seed = trainOptions?.seed ?? 0;
  const opened = await openStart(start, seed);
  issues.push(...adapterIssues(opened.state));
  for (const given of resolvedTasks) {
    const own = taskIssues(opened, given);
    issues.push(
      ...own.map((issue) => ({ ...issue, path: issue.path.replace(/^task\./, `tasks.${given.name}.task.`) })),
    );
  }
  const { family, config } = opened.state;
  const source = languageSource(opened, resolvedTasks);
  if (issues.length === 0) {
    issues.push(
      ...strategyIssues(() => ({ family, config, module: family.classification(config, 2) }), source, resolved),
    );
  }
  const { crossView } = resolved;
  if (crossView !== undefined && issues.length === 0) {
    const kinds = resolvedTasks.map(({ kind }) => (kind === "tagging" ? "words" : "texts"));
    issues.push(...crossViewIssues(crossView, family.classification(config, 2).encoder, kinds));
  }
  if (issues.length > 0 || trainOptions === undefined) throw new ConfigError("finetuneTogether", issues);
  for (const message of opened.notices) listener?.({ kind: "notice", message });

  const { framing } = family;
  const open: OpenTask[] = [];
  for (const task of resolvedTasks) open.push(await openTask(task, { framing, listener }));
  const learnt = open.map((task) => task.learnt);
  const module = new MultiTaskModel(family, config, taskShapes(learnt));
  const fresh = initialWeights(module, seed);
  const carried = new Map([...opened.state.weights].filter(([name]) => isCarried(name)));
  const kept = fromScratch ? new Map<string, Float32Array>() : keptWeights(await headsOf(start), learnt);
  const weights = fromScratch ? fresh : adoptWeights(fresh, new Map([...carried, ...kept])).weights;
  const folder = typeof start === "string" ? resolve(start) : undefined;
  const { adapter } = resolved;
  requireStart(opened.state, folder, adapter);
  const state = withAdapter({ family, config, module, weights }, adapter, { seed, folder });

  const { batchSize, numEpochs, maxEvalExamples } = trainOptions;
  const parts = open.map(({ part }) => part);
  const sizes = parts.map(({ name, examples }) => ({ name, numExamples: examples.length }));
  const order = mergedOrder(sizes, { batchSize, seed, mixing, numEpochs });
  const held = heldTogether(open, module, { batchSize, maxEvalExamples, dtype });
  const { tokenizer } = resolvedTasks[0]!.task.settings;
  const unlabelled =
    crossView &&
    (await openCrossView(crossView, {
      tasks: resolvedTasks.flatMap((given, i) => viewableTasks(given, learnt[i]!.labels.length)),
      ...{ network: module.encoder, tokenizer, framing, listener },
      ...readingOf(resolvedTasks),
    }));
  const outcome = await runWithViews(
    {
      ...{ objective: mergedTask(parts), state, examples: taskExamples(parts), order, held, source },
      resolved: { ...resolved, train: withLanes(trainOptions, resolvedTasks) },
      ownStepOf: headClocks(open, order),
      ...(resolvedTasks.some(({ head }) => head.kind === "tokenClassification" && head.crf) ? { rateOf } : {}),
      identity: {
        settings: { mixing, tasks: open.map(({ identity }) => identity) },
        tokenizer: tokenizer.hash,
        data: createHash("sha256")
          .update(open.map(({ hash }) => hash).join())
          .digest("hex"),
      },
    },
    unlabelled,
    options,
  );
  const means = outcome.evaluation && held?.figures(outcome.evaluation).means;
  const judgedTasks = open.map((task) => ({ ...task.learnt, judged: judgedBy(task, means) }));
  const model: MultiTaskTextModel = { ...state, weights: outcome.weights, tokenizer, tasks: judgedTasks };
  return {
    ...model,
    ...outcome,
    means,
    average: means?.average,
    task: (name) => taskOf(model, name),
    tagger: (name) => taggerOf(model, name),
    save: (folder) => saveMultiTask(folder, model),
  };
}
