/** @file Tasks that are learnt together, with their data in memory. */
import { DataError } from "../base/errors.ts";
import type { JsonObject } from "../formats/json-text.ts";
import type { ComputeDType } from "../ir/dtype.ts";
import type { Framing } from "../models/framing.ts";
import { headPrefix, type MultiTaskModel } from "../models/multi-task.ts";
import { type MergedPart, taggingPart, textPart } from "../tasks/merged-task.ts";
import type { TaggingResult } from "../tasks/tagging-evaluation.ts";
import { TextClassifierProgram } from "../tasks/text-classifier-program.ts";
import type { TextRankingSettings } from "../tasks/text-ranking.ts";
import type { TaskFacts, TextTaskData } from "../tasks/text-task.ts";
import type { TrainListener } from "../train/event.ts";
import type { TrainOptions } from "../train/options.ts";
import type { Evaluation } from "../train/trainer.ts";
import { dataHash, tell } from "./finetune.ts";
import type { LearntTask } from "./multi-task-model.ts";
import type { HeldOut } from "./run-task.ts";
import { constraintFacts } from "./tagger.ts";
import { heldTagging, requireScheme, taggingHash, tellTagging } from "./tagging-run.ts";
import type { ResolvedTagging, ResolvedTask, ResolvedTextTask } from "./together-task.ts";

type TaskResult = { readonly loss: number };

/** A task with its data in memory. */
export interface OpenTask {
  readonly name: string;
  /** The figure that stands for it in the average. */
  readonly figure: string;
  /** What is kept of it with its model. */
  readonly learnt: LearntTask;
  readonly part: MergedPart;
  /** What decides the numbers of a run, beside its data. */
  readonly identity: object;
  /** Of its data. */
  readonly hash: string;
  /** Its held-out data, to be measured with the weights of the model of all tasks; undefined without any. */
  readonly held: ((model: MultiTaskModel, options: MeasureOptions) => HeldOut<TaskResult>) | undefined;
}

export interface MeasureOptions extends Pick<TrainOptions, "batchSize" | "maxEvalExamples"> {
  readonly dtype: ComputeDType;
}

interface Opening {
  readonly framing: Framing;
  readonly listener: TrainListener | undefined;
}

/** The first held-out examples; those of rankings are kept together. */
function firstOf(data: TextTaskData, count: number | null): TextTaskData {
  if (count === null || count >= data.examples.length || "numQueries" in data) return data;
  return { ...data, examples: data.examples.slice(0, count) };
}

/** Held-out texts, measured. */
function heldTexts({ name, task }: ResolvedTextTask, held: TextTaskData, facts: TaskFacts | undefined) {
  return (model: MultiTaskModel, { batchSize, maxEvalExamples, dtype }: MeasureOptions): HeldOut<TaskResult> => {
    const { tokenizer, maxSeqLength, packed } = task.settings;
    const some = firstOf(held, maxEvalExamples);
    return {
      open: (place) => {
        const program = new TextClassifierProgram({
          ...place,
          ...{ model: model.task(name), batchSize, maxSeqLength, packed },
          ...{ policy: { compute: dtype }, padId: tokenizer.special.pad },
        });
        return {
          run: async (part) => {
            const scored = part === "all" ? held : some;
            return task.result(scored, await program.logits(scored.examples), facts);
          },
          dispose: () => program.dispose(),
        };
      },
      isWhole: some.examples === held.examples,
      figures: (result) => task.trainingFigures(result),
    };
  };
}

async function openTexts(given: ResolvedTextTask, { framing, listener }: Opening): Promise<OpenTask> {
  const { task, name, train, head, figure } = given;
  const { tokenizer: _tokenizer, ...settings } = task.settings;
  const { maxSeqLength, textColumns, labelColumn } = settings;
  const data = await task.read(train, { framing });
  tell(listener, data, maxSeqLength);
  const held = given.eval && (await task.read(given.eval, { labels: data.labels, framing }));
  if (held !== undefined) tell(listener, held, maxSeqLength);
  const examples = data.training ?? data.examples;
  if (examples.length === 0) {
    const why = data.training === undefined ? "has no rows" : "has no query with a relevant candidate and another one";
    throw new DataError(`the task ${name} ${why}. Check the table, or leave the task out.`, {
      code: "DATA_EMPTY",
      path: train.name,
    });
  }
  const { relevantLabel, gamma } = task.settings as Partial<TextRankingSettings>;
  const own: JsonObject = relevantLabel === undefined ? {} : { relevantLabel, gamma: gamma ?? 1 };
  return {
    ...{ name, figure, hash: dataHash(data), identity: { name, kind: task.name, settings, head, figure } },
    learnt: {
      ...{ name, kind: task.name, head, labels: data.labels, maxSeqLength, textColumns, labelColumn, settings: own },
      facts: data.facts ?? {},
    },
    part: textPart(name, task, { examples, readsPairs: head.kind === "stochasticAnswer" }),
    held: held && heldTexts(given, held, data.facts),
  };
}

async function openTagging(given: ResolvedTagging, { framing, listener }: Opening): Promise<OpenTask> {
  const { task, name, train, head, figure, reading } = given;
  const { tokenizer: _tokenizer, ...settings } = task.settings;
  const { maxSeqLength, scheme, constrained } = settings;
  const data = await task.read(train, { framing });
  requireScheme(task.settings, data, `tasks.${name}.task`);
  tellTagging(listener, data);
  const { labels } = data;
  const held = given.eval && (await task.read(given.eval, { labels, framing }));
  if (held !== undefined) tellTagging(listener, held);
  return {
    ...{ name, figure, hash: taggingHash(data), identity: { name, kind: task.name, settings, head, figure } },
    learnt: {
      ...{ name, kind: task.name, head, labels, maxSeqLength, textColumns: [], labelColumn: "tags" },
      facts: constrained ? (constraintFacts(scheme) as TaskFacts) : {},
      settings: { scheme, ...(reading === undefined ? {} : { reading }) },
    },
    part: taggingPart(name, task, data.windows),
    held:
      held &&
      ((model, options) => {
        const module = model.tagger(name);
        return widened(
          heldTagging(held, { settings: task.settings, module, labels, prefix: headPrefix(name), ...options }),
        );
      }),
  };
}

/** Held-out sentences among the results of other tasks. */
function widened({ figures, ...held }: HeldOut<TaggingResult>): HeldOut<TaskResult> {
  return { ...held, figures: (result) => figures(result as TaggingResult) };
}

/** Reads a task's data. @throws {DataError} DATA_EMPTY, and those of its files */
export function openTask(given: ResolvedTask, opening: Opening): Promise<OpenTask> {
  return given.kind === "text" ? openTexts(given, opening) : openTagging(given, opening);
}

/** Figures of every task on its held-out data, by the names of the tasks that have some. */
export type TogetherEvaluation = Readonly<Record<string, TaskResult>>;

/** Figures of all tasks as a run logs them, and their average, which decides what is best. */
function togetherFigures(
  tasks: readonly { readonly name: string; readonly figure: string; readonly held: HeldOut<TaskResult> }[],
  results: TogetherEvaluation,
): Evaluation {
  const means: Record<string, number> = { average: 0 };
  let loss = 0;
  for (const { name, figure, held } of tasks) {
    const told = held.figures(results[name]!);
    means.average = means.average! + told.means[figure]! / tasks.length;
    loss += told.loss / tasks.length;
    for (const [key, value] of Object.entries({ ...told.means, loss: told.loss })) means[`${name}.${key}`] = value;
  }
  return { loss, means };
}

/** The held-out data of all tasks, measured one after the other; undefined where no task has any. */
export function heldTogether(
  tasks: readonly OpenTask[],
  model: MultiTaskModel,
  options: MeasureOptions,
): HeldOut<TogetherEvaluation> | undefined {
  const own = tasks.flatMap(({ name, figure, held }) =>
    held === undefined ? [] : [{ name, figure, held: held(model, options) }],
  );
  if (own.length === 0) return undefined;
  return {
    open: (place) => {
      const opened = own.map(({ name, held }) => ({ name, measurement: held.open(place) }));
      return {
        run: async (part) => {
          const results: Record<string, TaskResult> = {};
          for (const { name, measurement } of opened) results[name] = await measurement.run(part);
          return results;
        },
        dispose: async () => {
          for (const { measurement } of opened) await measurement.dispose();
        },
      };
    },
    isWhole: own.every(({ held }) => held.isWhole),
    figures: (results) => togetherFigures(own, results),
  };
}
