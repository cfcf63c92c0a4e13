/** @file Several tasks over one encoder, learnt together. */
import { createHash } from "node:crypto";
import { ConfigError, type ConfigIssue, DataError } from "../base/errors.ts";
import type { JsonObject } from "../formats/json-text.ts";
import type { ComputeDType } from "../ir/dtype.ts";
import type { Framing } from "../models/framing.ts";
import { isCarried } from "../models/model.ts";
import { headPrefix, MultiTaskModel } from "../models/multi-task.ts";
import { adoptWeights, initialWeights } from "../nn/weights.ts";
import { type MergedOrder, mergedOrder } from "../tasks/merged-order.ts";
import { mergedTask, type TaskExample, taskExamples } from "../tasks/merged-task.ts";
import { TextClassifierProgram } from "../tasks/text-classifier-program.ts";
import type { TextRankingSettings } from "../tasks/text-ranking.ts";
import type { LabelledText, TextTaskData } from "../tasks/text-task.ts";
import type { TrainOptions } from "../train/options.ts";
import type { ParameterTreatment } from "../train/train-step.ts";
import type { Evaluation } from "../train/trainer.ts";
import { textOfFramed } from "../transfer/language-text.ts";
import { dataHash, tell } from "./finetune.ts";
import { type FinetuneOptions, resolveFinetune } from "./finetune-option.ts";
import {
  headsOf,
  keptWeights,
  type LearntTask,
  type MultiTaskTextModel,
  saveMultiTask,
  type TaskClassifier,
  taskOf,
  taskShapes,
} from "./multi-task-model.ts";
import { type HeldOut, type MeasuredPlace, type Measurement, runTask, type TaskOutcome } from "./run-task.ts";
import { type FinetuneStart, fitIssues, openStart, type Pretraining } from "./start-classifier.ts";
import { strategyIssues } from "./strategy-issues.ts";
import {
  type MixingOptions,
  type ResolvedTask,
  resolveMixing,
  resolveTasks,
  type TogetherTask,
} from "./together-task.ts";
import type { LanguageSource } from "./transfer-run.ts";

export type { HeadOption, MixingOptions, TogetherTask } from "./together-task.ts";

/**
 * Options of training, as for one task. What is best is decided by the average over tasks of each task's figure; three
 * epochs and a peak rate of 5e-5 where nothing else is said.
 */
export interface FinetuneTogetherOptions extends Omit<FinetuneOptions, "selectionFigure"> {
  readonly mixing?: MixingOptions | undefined;
}

/** Figures of every task on its held-out table, by the names of the tasks that have one. */
export type TogetherEvaluation = Readonly<Record<string, { readonly loss: number }>>;

/** A model of several tasks, and how it was made. */
export interface FinetunedTogether extends MultiTaskTextModel, TaskOutcome<TogetherEvaluation> {
  /** The mean over tasks of each task's figure; undefined without figures. */
  readonly average: number | undefined;
  /** The model of one task. */
  task(name: string): TaskClassifier;
  /** Writes a folder with the encoder as a Hugging Face model directory, and all heads beside it. */
  save(folder: string): Promise<void>;
}

/** A task with its tables in memory. */
interface OpenTask extends ResolvedTask {
  readonly data: TextTaskData;
  readonly held: TextTaskData | undefined;
  readonly examples: readonly LabelledText[];
}

/** Reads a task's tables. @throws {DataError} DATA_EMPTY, and those of the table */
async function openTask(
  given: ResolvedTask,
  framing: Framing,
  listener: FinetuneOptions["listener"],
): Promise<OpenTask> {
  const { task, name, train } = given;
  const { maxSeqLength } = task.settings;
  const data = await task.read(train, { framing });
  tell(listener, data, maxSeqLength);
  const held = given.eval && (await task.read(given.eval, { labels: data.labels, framing }));
  if (held !== undefined) tell(listener, held, maxSeqLength);
  const examples = data.training ?? data.examples;
  if (examples.length > 0) return { ...given, data, held, examples };
  const why = data.training === undefined ? "has no rows" : "has no query with a relevant candidate and another one";
  throw new DataError(`the task ${name} ${why}. Check the table, or leave the task out.`, {
    code: "DATA_EMPTY",
    path: train.name,
  });
}

/** What is kept of a task with its model. */
function learntTask({ name, task, head, data }: OpenTask): LearntTask {
  const { maxSeqLength, textColumns, labelColumn } = task.settings;
  const { relevantLabel, gamma } = task.settings as Partial<TextRankingSettings>;
  const settings: JsonObject = relevantLabel === undefined ? {} : { relevantLabel, gamma: gamma ?? 1 };
  return {
    ...{ name, kind: task.name, head, labels: data.labels, maxSeqLength, textColumns, labelColumn, settings },
    facts: data.facts ?? {},
  };
}

/** The first held-out examples; those of rankings are kept together. */
function firstOf(data: TextTaskData, count: number | null): TextTaskData {
  if (count === null || count >= data.examples.length || "numQueries" in data) return data;
  return { ...data, examples: data.examples.slice(0, count) };
}

/** Figures of all tasks as a run logs them, and their average, which decides what is best. */
function togetherFigures(tasks: readonly OpenTask[], results: TogetherEvaluation): Evaluation {
  const means: Record<string, number> = { average: 0 };
  const own = tasks.filter(({ name }) => results[name] !== undefined);
  let loss = 0;
  for (const { name, task, figure } of own) {
    const told = task.trainingFigures(results[name]!);
    means.average = means.average! + told.means[figure]! / own.length;
    loss += told.loss / own.length;
    for (const [key, value] of Object.entries({ ...told.means, loss: told.loss })) means[`${name}.${key}`] = value;
  }
  return { loss, means };
}

/** Measures one task after the other. */
function openMeasurement(
  tasks: readonly OpenTask[],
  { module }: { readonly module: MultiTaskModel },
  {
    batchSize,
    maxEvalExamples,
    dtype,
  }: Pick<TrainOptions, "batchSize" | "maxEvalExamples"> & { readonly dtype: ComputeDType },
): (place: MeasuredPlace) => Measurement<TogetherEvaluation> {
  return (place) => {
    const opened = tasks.flatMap(({ name, task, data, held }) => {
      if (held === undefined) return [];
      const { tokenizer, maxSeqLength, packed } = task.settings;
      const program = new TextClassifierProgram({
        ...place,
        ...{ model: module.task(name), batchSize, maxSeqLength, packed },
        ...{ policy: { compute: dtype }, padId: tokenizer.special.pad },
      });
      const measure = async (part: "some" | "all") => {
        const scored = part === "all" ? held : firstOf(held, maxEvalExamples);
        return task.result(scored, await program.logits(scored.examples), data.facts);
      };
      return [{ name, program, measure }];
    });
    return {
      run: async (part) => {
        const results: Record<string, { readonly loss: number }> = {};
        for (const { name, measure } of opened) results[name] = await measure(part);
        return results;
      },
      dispose: async () => {
        for (const { program } of opened) await program.dispose();
      },
    };
  };
}

/** Heads count the steps of their own task, as an optimizer does that skips parameters without a gradient. */
function headClocks(tasks: readonly OpenTask[], order: MergedOrder): (name: string) => ParameterTreatment["ownStep"] {
  const clocks = tasks.map(({ name }, i) => ({
    prefix: headPrefix(name),
    ownStep: (step: number): number => order.stepsOfTask(i, step),
  }));
  return (parameter) => clocks.find(({ prefix }) => parameter.startsWith(prefix))?.ownStep;
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
    maxSeqLength: Math.max(...tasks.map(({ task }) => task.settings.maxSeqLength)),
    packed: tasks.every(({ task }) => task.settings.packed),
    textsOf: ({ example }) => [textOfFramed(example, tokenizer)],
  };
}

/** Two lanes cut a batch by rows, which only linear heads allow: those of pairs and rankings look at several rows. */
function laneIssues(tasks: readonly ResolvedTask[], lanes: TrainOptions["lanes"] | undefined): ConfigIssue[] {
  const other = tasks.find(({ head }) => head.kind !== "linear");
  if (other === undefined || lanes !== 2) return [];
  const message = `must be 1 or "auto" where a head is not linear; got 2, and ${other.name} has ${other.head.kind}.`;
  return [{ path: "lanes", message, code: "LANES_UNSUPPORTED" }];
}

/** Lanes that are to be measured are one where there is nothing to measure. */
function withLanes(options: TrainOptions, tasks: readonly ResolvedTask[]): TrainOptions {
  const isDivisible = tasks.every(({ head }) => head.kind === "linear");
  return options.lanes === "auto" && !isDivisible ? { ...options, lanes: 1 } : options;
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
  tasks: readonly TogetherTask[],
  options: FinetuneTogetherOptions = {},
): Promise<FinetunedTogether> {
  const { mixing: givenMixing = {}, ...others } = options;
  const { dtype = "f32", listener, fromScratch = false } = options;
  const issues: ConfigIssue[] = [];
  const resolvedTasks = resolveTasks(tasks, issues);
  const resolved = resolveFinetune(others, issues, ["average"], { byStrategy: true, adapts: false });
  const { train: trainOptions } = resolved;
  const mixing = resolveMixing(givenMixing, trainOptions?.numEpochs, issues);
  issues.push(...laneIssues(resolvedTasks, trainOptions?.lanes));
  const seed = trainOptions?.seed ?? 0;
  const opened = await openStart(start, seed);
  issues.push(...adapterIssues(opened.state));
  for (const { name, task } of resolvedTasks) {
    const own = fitIssues(opened, task.settings);
    issues.push(...own.map((issue) => ({ ...issue, path: issue.path.replace(/^task\./, `tasks.${name}.`) })));
  }
  const { family, config } = opened.state;
  const source = languageSource(opened, resolvedTasks);
  if (issues.length === 0) {
    issues.push(
      ...strategyIssues(() => ({ family, config, module: family.classification(config, 2) }), source, resolved),
    );
  }
  if (issues.length > 0 || trainOptions === undefined) throw new ConfigError("finetuneTogether", issues);
  for (const message of opened.notices) listener?.({ kind: "notice", message });

  const { framing } = family;
  const open: OpenTask[] = [];
  for (const task of resolvedTasks) open.push(await openTask(task, framing, listener));
  const learnt = open.map(learntTask);
  const module = new MultiTaskModel(family, config, taskShapes(learnt));
  const fresh = initialWeights(module, seed);
  const carried = new Map([...opened.state.weights].filter(([name]) => isCarried(name)));
  const kept = fromScratch ? new Map<string, Float32Array>() : keptWeights(await headsOf(start), learnt);
  const weights = fromScratch ? fresh : adoptWeights(fresh, new Map([...carried, ...kept])).weights;
  const state = { family, config, module, weights };

  const { batchSize, numEpochs, maxEvalExamples } = trainOptions;
  const parts = open.map(({ head, ...own }) => ({ ...own, readsPairs: head.kind === "stochasticAnswer" }));
  const sizes = open.map(({ name, examples }) => ({ name, numExamples: examples.length }));
  const order = mergedOrder(sizes, { batchSize, seed, mixing, numEpochs });
  const held = open.filter((task) => task.held !== undefined);
  const heldOut: HeldOut<TogetherEvaluation> | undefined =
    held.length === 0
      ? undefined
      : {
          open: openMeasurement(open, state, { batchSize, maxEvalExamples, dtype }),
          isWhole: held.every((task) => firstOf(task.held!, maxEvalExamples).examples === task.held!.examples),
          figures: (results) => togetherFigures(open, results),
        };
  const { tokenizer } = open[0]!.task.settings;
  const outcome = await runTask(
    {
      ...{ objective: mergedTask(parts), state, examples: taskExamples(parts), order, held: heldOut, source },
      resolved: { ...resolved, train: withLanes(trainOptions, resolvedTasks) },
      ownStepOf: headClocks(open, order),
      identity: {
        settings: { mixing, tasks: open.map(taskIdentity) },
        tokenizer: tokenizer.hash,
        data: createHash("sha256")
          .update(open.map(({ data }) => dataHash(data)).join())
          .digest("hex"),
      },
    },
    options,
  );
  const model: MultiTaskTextModel = { ...state, weights: outcome.weights, tokenizer, tasks: learnt };
  return {
    ...model,
    ...outcome,
    average: outcome.evaluation && togetherFigures(open, outcome.evaluation).means.average,
    task: (name) => taskOf(model, name),
    save: (folder) => saveMultiTask(folder, model),
  };
}

/** What of a task decides the numbers of a run, beside its data. */
function taskIdentity({ name, task, head, figure }: OpenTask): object {
  const { tokenizer: _tokenizer, ...settings } = task.settings;
  return { name, kind: task.name, settings, head, figure };
}
