/** @file Several tasks as one objective: every batch is of one task, and its loss is that task's own. */
import { internalError } from "../base/errors.ts";
import type { MultiTaskModel } from "../models/multi-task.ts";
import type { Drawn, Objective } from "../objectives/objective.ts";
import { withSecondOffsets } from "./classification-batch.ts";
import type { LabelledText, TextTask, TextTaskData } from "./text-task.ts";

/** A task that gives a text scores, whatever they mean. */
export type AnyTextTask = TextTask<TextTaskData, { readonly loss: number }>;

/** An example of one of several tasks. */
export interface TaskExample {
  readonly task: string;
  readonly example: LabelledText;
}

/** A task among several. */
export interface MergedPart {
  readonly name: string;
  readonly task: AnyTextTask;
  /** Whether its head reads pairs of texts token by token. */
  readonly readsPairs: boolean;
  /** What is learnt. */
  readonly examples: readonly LabelledText[];
}

/** Examples of all tasks, one task after the other, each in its own order. */
export function taskExamples(parts: readonly MergedPart[]): TaskExample[] {
  return parts.flatMap(({ name, examples }) => examples.map((example) => ({ task: name, example })));
}

/**
 * The objective of several tasks over a shared encoder. A batch holds examples of one task, and its kind is the task's name;
 * loss terms are called `<task>.<term>`.
 * @source Liu et al. 2019, Algorithm 1, arXiv:1901.11504
 */
export function mergedTask(parts: readonly MergedPart[]): Objective<TaskExample, MultiTaskModel> {
  const byName = new Map(parts.map((part) => [part.name, part]));
  const partOf = (name: string | undefined): MergedPart => {
    const part = name === undefined ? undefined : byName.get(name);
    if (part === undefined) throw internalError(`no task is called "${name}"`);
    return part;
  };
  return {
    name: parts.map(({ name }) => name).join(", "),
    collate: (drawn, seed, layout) => {
      const { name, task, readsPairs } = partOf(drawn[0]?.example.task);
      if (drawn.some(({ example }) => example.task !== name)) throw internalError("a batch of several tasks");
      const own = drawn.map(({ example, ...place }): Drawn<LabelledText> => ({ ...place, example: example.example }));
      const batch = task.collate(own, seed, layout);
      if (!readsPairs) return { ...batch, kind: name };
      const texts = own.map(({ example }) => example);
      return { ...withSecondOffsets(batch, texts), kind: name };
    },
    loss: (model, context, batch, kind) => {
      const { name, task } = partOf(kind);
      const { terms, metrics } = task.loss(model.task(name), context, batch);
      const named = <T>(figures: Readonly<Record<string, T>>): Record<string, T> =>
        Object.fromEntries(Object.entries(figures).map(([figure, value]) => [`${name}.${figure}`, value]));
      return { terms: named(terms), metrics: named(metrics) };
    },
  };
}
