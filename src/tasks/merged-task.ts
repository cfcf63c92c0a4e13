/** @file Several tasks as one objective: every batch is of one task, and its loss is that task's own. */
import { internalError } from "../base/errors.ts";
import type { Batch } from "../data/batch.ts";
import type { PlannedBatch } from "../data/row-plan.ts";
import type { MultiTaskModel } from "../models/multi-task.ts";
import type { ForwardContext } from "../nn/module.ts";
import type { FramedText } from "../objectives/frame.ts";
import type { Drawn, LossFigures, Objective } from "../objectives/objective.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { withSecondOffsets } from "./classification-batch.ts";
import type { TaggingWindow } from "./tagging-data.ts";
import type { LabelledText, TextTask, TextTaskData } from "./text-task.ts";
import type { TokenClassification } from "./token-classification.ts";

/** A task that gives a text scores, whatever they mean. */
export type AnyTextTask = TextTask<TextTaskData, { readonly loss: number }>;

/** An example of one of several tasks: a text, or a window of a sentence whose words have tags. */
export interface TaskExample {
  readonly task: string;
  readonly example: FramedText;
}

/** A task among several. */
export interface MergedPart {
  readonly name: string;
  /** What is learnt. */
  readonly examples: readonly FramedText[];
  /** A batch of some of these. */
  collate(drawn: readonly Drawn<TaskExample>[], seed: number, layout: PlannedBatch | undefined): Batch;
  loss(model: MultiTaskModel, context: ForwardContext, batch: Readonly<Record<string, Tensor>>): LossFigures;
}

/** Examples of one task out of those of all. */
function ownOf<E extends FramedText>(drawn: readonly Drawn<TaskExample>[]): Drawn<E>[] {
  return drawn.map(({ example, ...place }) => ({ ...place, example: example.example as E }));
}

/**
 * A task of texts among several.
 * @param options `readsPairs`: whether its head reads pairs of texts token by token
 */
export function textPart(
  name: string,
  task: AnyTextTask,
  { examples, readsPairs = false }: { readonly examples: readonly LabelledText[]; readonly readsPairs?: boolean },
): MergedPart {
  return {
    name,
    examples,
    collate: (drawn, seed, layout) => {
      const own = ownOf<LabelledText>(drawn);
      const batch = task.collate(own, seed, layout);
      if (!readsPairs) return batch;
      return withSecondOffsets(
        batch,
        own.map(({ example }) => example),
      );
    },
    loss: (model, context, batch) => task.loss(model.task(name), context, batch),
  };
}

/** A task that tags words among several. */
export function taggingPart(name: string, task: TokenClassification, examples: readonly TaggingWindow[]): MergedPart {
  return {
    name,
    examples,
    collate: (drawn, seed, layout) => task.collate(ownOf<TaggingWindow>(drawn), seed, layout),
    loss: (model, context, batch) => task.loss(model.tagger(name), context, batch),
  };
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
      const part = partOf(drawn[0]?.example.task);
      if (drawn.some(({ example }) => example.task !== part.name)) throw internalError("a batch of several tasks");
      return { ...part.collate(drawn, seed, layout), kind: part.name };
    },
    loss: (model, context, batch, kind) => {
      const part = partOf(kind);
      const { terms, metrics } = part.loss(model, context, batch);
      const named = <T>(figures: Readonly<Record<string, T>>): Record<string, T> =>
        Object.fromEntries(Object.entries(figures).map(([figure, value]) => [`${part.name}.${figure}`, value]));
      return { terms: named(terms), metrics: named(metrics) };
    },
  };
}
