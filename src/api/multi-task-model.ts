/** @file Models of several tasks: a folder with one encoder and all heads, and the model of one task out of it. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { CheckpointError, ConfigError, nearestName } from "../base/errors.ts";
import type { ColumnRef } from "../data/table.ts";
import { writeFileAtomic } from "../formats/atomic.ts";
import { formatJson, readJsonObject } from "../formats/json-file.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../formats/json-text.ts";
import { openSafetensors, type TensorToWrite, writeSafetensors } from "../formats/safetensors.ts";
import { attachAdapter } from "../models/adapter/attach.ts";
import { familyOf } from "../models/families.ts";
import { isCarried } from "../models/model.ts";
import {
  type HeadSettings,
  headPrefix,
  MultiTaskModel,
  type TaskShape,
  taskNetwork,
  taskWeights,
} from "../models/multi-task.ts";
import { type Module, namedParameters } from "../nn/module.ts";
import type { Weights } from "../nn/weights.ts";
import type { TaskFacts } from "../tasks/text-task.ts";
import { loadTokenizer } from "../tokenizers/load.ts";
import { saveCarried, type TextClassifier, type TextModel } from "./model.ts";
import type { Tagger } from "./tagger.ts";

/** What a model of several tasks knows of one of them. */
export interface LearntTask {
  readonly name: string;
  /** Name of its kind, e.g. `textClassification`. */
  readonly kind: string;
  readonly head: HeadSettings;
  readonly labels: readonly string[];
  /** Longest input in tokens that it was fine-tuned with. */
  readonly maxSeqLength: number;
  /** None for taggers, which read lists of words or texts. */
  readonly textColumns: readonly ColumnRef[];
  readonly labelColumn: ColumnRef;
  /** What config.json would say of a model for it alone. */
  readonly facts: TaskFacts;
  /** Further settings of its kind. */
  readonly settings: JsonObject;
  /** What decided which weights were best, and the figures on held-out data when it was learnt; none without such data. */
  readonly judged?: { readonly figure: string; readonly figures: Readonly<Record<string, number>> } | undefined;
}

/** A model of several tasks. */
export interface MultiTaskTextModel extends TextModel<MultiTaskModel> {
  readonly tasks: readonly LearntTask[];
}

/** The model of one task out of several: it evaluates and predicts as any classifier, or model of numbers. */
export interface TaskClassifier extends TextClassifier {
  readonly task: LearntTask;
}

/** The model of one task that tags words: it evaluates and predicts as any tagger. */
export interface TaskTagger extends Tagger {
  readonly task: LearntTask;
}

const TASKS_FILE = "tasks.json";
/** The file of the heads' weights. */
export const headsFile = "heads.safetensors";

/** Whether a folder holds a model of several tasks. */
export function isMultiTaskModel(folder: string): boolean {
  return existsSync(join(folder, TASKS_FILE));
}

const shapeOf = ({ labels, head }: LearntTask): TaskShape => ({ numLabels: labels.length, head });

/** The shapes of tasks by their names. */
export function taskShapes(tasks: readonly LearntTask[]): Record<string, TaskShape> {
  return Object.fromEntries(tasks.map((task) => [task.name, shapeOf(task)]));
}

/**
 * One task by name; the only one when there is no name.
 * @throws {ConfigError} TASK_UNKNOWN, TASK_MISSING
 */
export function findTask(tasks: readonly LearntTask[], name: string | undefined, where: string): LearntTask {
  const names = tasks.map((task) => task.name);
  const found = name === undefined && tasks.length === 1 ? tasks[0] : tasks.find((task) => task.name === name);
  if (found !== undefined) return found;
  const near = name === undefined ? undefined : nearestName(name, names);
  const hint = near === undefined ? `Known: ${names.join(", ")}.` : `Did you mean ${near}?`;
  const [message, code] =
    name === undefined
      ? [`must be named, since the model has several. ${hint}`, "TASK_MISSING"]
      : [`the model has no task ${JSON.stringify(name)}. ${hint}`, "TASK_UNKNOWN"];
  throw new ConfigError(where, [{ path: "task", message, code }]);
}

/** Whether a task tags words. */
export function tagsWords({ head }: LearntTask): boolean {
  return head.kind === "tokenClassification";
}

function wrongKind(where: string, { name }: LearntTask, message: string): ConfigError {
  return new ConfigError(where, [{ path: `tasks.${name}`, message, code: "TASK_KIND" }]);
}

/** A new network with the adapter of a model, where it has one. */
function adaptedAs<M extends Module>(
  { family, config, adapter }: Pick<MultiTaskTextModel, "family" | "config" | "adapter">,
  module: M,
): M {
  if (adapter === undefined) return module;
  attachAdapter(module, adapter.options, { map: family.weightMap(config), family: family.name });
  return module;
}

/**
 * The model of one task of texts, with the weights that it has in a model of several.
 * @throws {ConfigError} TASK_UNKNOWN, TASK_MISSING; TASK_KIND for one that tags words
 */
export function taskOf(model: MultiTaskTextModel, name?: string): TaskClassifier {
  const task = findTask(model.tasks, name, "taskOf");
  if (tagsWords(task)) throw wrongKind("taskOf", task, "tags words. Use taggerOf.");
  const { family, config, weights, tokenizer, preserved, adapter } = model;
  const shape = shapeOf(task);
  return {
    ...{ family, config, tokenizer, task, adapter },
    module: adaptedAs(model, taskNetwork(family, config, shape)),
    weights: taskWeights(weights, task.name, shape),
    labels: task.labels,
    maxSeqLength: task.maxSeqLength,
    preserved: { ...preserved, ...task.facts },
  };
}

/**
 * The model of one task that tags words, with the weights that it has in a model of several.
 * @throws {ConfigError} TASK_UNKNOWN, TASK_MISSING; TASK_KIND for one of texts
 */
export function taggerOf(model: MultiTaskTextModel, name?: string): TaskTagger {
  const task = findTask(model.tasks, name, "taggerOf");
  const { head, labels, maxSeqLength, facts } = task;
  if (head.kind !== "tokenClassification") throw wrongKind("taggerOf", task, "does not tag words. Use taskOf.");
  const { family, config, weights, tokenizer, preserved, adapter } = model;
  const module = adaptedAs(model, family.tokenClassification(config, labels.length, { crf: head.crf }));
  const all = taskWeights(weights, task.name, shapeOf(task));
  return {
    ...{ family, config, tokenizer, task, module, labels, maxSeqLength, adapter },
    // The shared encoder may have parts that a tagger's has not: a pooler.
    weights: new Map([...namedParameters(module).keys()].map((key) => [key, all.get(key)!])),
    preserved: { ...preserved, ...facts },
  };
}

function* headTensors({ module, weights }: MultiTaskTextModel): Generator<TensorToWrite> {
  for (const [name, { shape }] of namedParameters(module)) {
    if (!isCarried(name)) yield { name, dtype: "F32", shape, data: weights.get(name)! };
  }
}

/**
 * Writes a model of several tasks: the encoder as a Hugging Face model directory, which others open and `finetune` starts
 * from, and beside it `heads.safetensors` and `tasks.json`. The folder appears whole or not at all.
 * @throws {CheckpointError} DISK_FULL, NOT_WRITABLE
 */
export async function saveMultiTask(folder: string, model: MultiTaskTextModel): Promise<void> {
  const { tasks, ...all } = model;
  await saveCarried(folder, all, async (temporary) => {
    await writeSafetensors(join(temporary, headsFile), headTensors(model));
    await writeFileAtomic(join(temporary, TASKS_FILE), formatJson({ tasks: tasks as unknown as JsonValue }));
  });
}

const isColumn = (value: unknown): boolean => typeof value === "string" || typeof value === "number";

function isHead(value: JsonValue | undefined): boolean {
  if (!isJsonObject(value)) return false;
  if (value.kind === "tokenClassification") return typeof value.crf === "boolean";
  if (value.kind !== "stochasticAnswer") return value.kind === "linear" || value.kind === "relevance";
  return ["numSteps", "stepDropout", "dropout"].every((key) => typeof value[key] === "number");
}

function isLearntTask(value: JsonValue): boolean {
  if (!isJsonObject(value)) return false;
  const { name, kind, head, labels, maxSeqLength, textColumns, labelColumn, facts, settings } = value;
  const areTexts = Array.isArray(labels) && labels.every((label) => typeof label === "string");
  const areColumns = Array.isArray(textColumns) && textColumns.every(isColumn) && isColumn(labelColumn);
  const areNamed = typeof name === "string" && typeof kind === "string" && typeof maxSeqLength === "number";
  return areTexts && areColumns && areNamed && isHead(head) && isJsonObject(facts) && isJsonObject(settings);
}

/**
 * The tasks of a folder.
 * @throws {CheckpointError} TASKS_MALFORMED, and for a missing or damaged file
 */
export async function readTasks(folder: string): Promise<readonly LearntTask[]> {
  const path = join(folder, TASKS_FILE);
  const { tasks } = await readJsonObject(path);
  if (Array.isArray(tasks) && tasks.length > 0 && tasks.every(isLearntTask)) return tasks as unknown as LearntTask[];
  throw new CheckpointError(
    "must list tasks with name, kind, head, labels, columns and facts, as Firth writes them. Save the model again.",
    { code: "TASKS_MALFORMED", path },
  );
}

/** The weights of heads, for a network; strictly all of them and in their shapes. */
async function readHeads(folder: string, module: MultiTaskModel): Promise<Map<string, Float32Array>> {
  const file = await openSafetensors(join(folder, headsFile));
  try {
    const wanted = [...namedParameters(module)].filter(([name]) => !isCarried(name));
    const problems = wanted.flatMap(([name, { shape }]) => {
      if (!file.has(name)) return [`${name} is missing`];
      const actual = file.info(name).shape;
      return actual.join() === shape.join() ? [] : [`${name} is [${actual}], its task needs [${shape}]`];
    });
    if (problems.length > 0) {
      throw new CheckpointError(
        `the heads do not fit ${TASKS_FILE}:\n  - ${problems.join("\n  - ")}\nSave the model again.`,
        { code: "WEIGHTS_MISMATCH", path: file.path, details: { problems } },
      );
    }
    const weights = new Map<string, Float32Array>();
    for (const [name] of wanted) weights.set(name, (await file.read(name)).data as Float32Array);
    return weights;
  } finally {
    await file.close();
  }
}

/** A model of several tasks as its folder has it. */
export async function loadMultiTask(folder: string): Promise<MultiTaskTextModel> {
  const family = await familyOf(folder);
  const { config, weights, preserved, adapter } = await family.loadPretraining(folder, 0);
  const tasks = await readTasks(folder);
  const module = adaptedAs({ family, config, adapter }, new MultiTaskModel(family, config, taskShapes(tasks)));
  const carried: Weights = new Map([...weights].filter(([name]) => isCarried(name)));
  return {
    ...{ family, config, module, preserved, tasks, adapter },
    weights: new Map([...carried, ...(await readHeads(folder, module))]),
    tokenizer: await loadTokenizer(folder),
  };
}

/**
 * The model of one task out of a folder of several.
 * @param name may be left out where there is one task
 * @throws {ConfigError} TASK_UNKNOWN, TASK_MISSING; TASK_KIND for one that tags words
 * @throws {CheckpointError} TASKS_MALFORMED, WEIGHTS_MISMATCH, and for missing or damaged files
 */
export async function loadTask(folder: string, name?: string): Promise<TaskClassifier> {
  findTask(await readTasks(folder), name, folder);
  return taskOf(await loadMultiTask(folder), name);
}

/**
 * The model of one task that tags words out of a folder of several.
 * @param name may be left out where there is one task
 * @throws {ConfigError} TASK_UNKNOWN, TASK_MISSING; TASK_KIND for one of texts
 * @throws {CheckpointError} TASKS_MALFORMED, WEIGHTS_MISMATCH, and for missing or damaged files
 */
export async function loadTaskTagger(folder: string, name?: string): Promise<TaskTagger> {
  findTask(await readTasks(folder), name, folder);
  return taggerOf(await loadMultiTask(folder), name);
}

/** Heads that a start has: what they are for, and their weights by their names in a model of several tasks. */
export interface KeptHeads {
  readonly tasks: readonly LearntTask[];
  readonly weights: Weights;
}

/** The heads of what fine-tuning starts from. */
export async function headsOf(start: string | object): Promise<KeptHeads | undefined> {
  if (typeof start !== "string") {
    const { module, tasks, weights } = start as Partial<MultiTaskTextModel>;
    return module instanceof MultiTaskModel && tasks !== undefined && weights !== undefined
      ? { tasks, weights }
      : undefined;
  }
  if (!isMultiTaskModel(start)) return undefined;
  const { tasks, weights } = await loadMultiTask(start);
  return { tasks, weights };
}

/** Of the heads that there were, the weights of those that a task of the same name, classes and kind of head goes on with. */
export function keptWeights(kept: KeptHeads | undefined, tasks: readonly LearntTask[]): Weights {
  if (kept === undefined) return new Map();
  const same = tasks.filter(({ name, labels, head }) =>
    kept.tasks.some(
      (old) => old.name === name && old.labels.join("\n") === labels.join("\n") && old.head.kind === head.kind,
    ),
  );
  const isKept = (parameter: string): boolean => same.some(({ name }) => parameter.startsWith(headPrefix(name)));
  return new Map([...kept.weights].filter(([name]) => isKept(name)));
}
