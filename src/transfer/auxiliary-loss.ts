/** @file The loss of pre-training beside that of a task. */
import type { Batch } from "../data/batch.ts";
import type { PretrainingExample } from "../data/segment.ts";
import type { Module } from "../nn/module.ts";
import type { LossTerm, Objective, PretrainingObjective, SummedFigure } from "../objectives/objective.ts";
import type { JointModel } from "./joint-model.ts";

/** Marks what belongs to the language's part of a batch. */
const PREFIX = "language.";
/** The factor of its terms that changes from step to step. */
const FACTOR = "auxiliary";

function prefixed<T>(record: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [`${PREFIX}${name}`, value]));
}

/** A task's batch with the language's beside it. */
function joined(task: Batch, language: Batch): Batch {
  const lists = Object.entries(language.lists ?? {}).map(
    ([name, list]) => [name, { ...list, beside: prefixed(list.beside) }] as const,
  );
  return {
    ...task,
    tensors: { ...task.tensors, ...prefixed(language.tensors) },
    lists: { ...task.lists, ...prefixed(Object.fromEntries(lists)) },
    counts: { ...task.counts, ...prefixed(language.counts) },
    numTokens: task.numTokens + language.numTokens,
    numPlaces: task.numPlaces + language.numPlaces,
  };
}

/**
 * The factor of an auxiliary loss: it goes from one weight to another exponentially over a run.
 * @param stepsMade from 0
 */
export function auxiliaryWeight(
  stepsMade: number,
  {
    weight,
    finalWeight,
    maxSteps,
  }: { readonly weight: number; readonly finalWeight: number | null; readonly maxSteps: number },
): number {
  if (finalWeight === null) return weight;
  return weight * (finalWeight / weight) ** Math.min(1, stepsMade / Math.max(1, maxSteps - 1));
}

export interface AuxiliaryLoss<E> {
  readonly objective: PretrainingObjective;
  /** An example of the task as one of the language. */
  example(example: E): PretrainingExample;
  /** Its factor by the steps made. */
  weightAt(stepsMade: number): number;
}

/**
 * A task's objective with the loss of language modelling on the same texts: L_task + γ·L_language, each term with its own
 * count. The texts are read twice, once as the task reads them and once under the language's masks or order.
 * @source Radford et al. 2018 §3.2; Chronopoulou et al. 2019 §3.2, arXiv:1902.10547
 */
export function withAuxiliaryLoss<E, M extends Module>(
  task: Objective<E, M>,
  { objective, example, weightAt }: AuxiliaryLoss<E>,
): Objective<E, JointModel<M>> {
  return {
    name: `${task.name} with ${objective.name}`,
    collate: (drawn, seed, layout) => {
      const texts = drawn.map((item) => ({ ...item, example: example(item.example) }));
      return joined(task.collate(drawn, seed, layout), objective.collate(texts, seed));
    },
    loss: (model, context, batch, kind) => {
      const own = task.loss(model.task, context, batch, kind);
      const names = Object.keys(batch).filter((name) => name.startsWith(PREFIX));
      const texts = Object.fromEntries(names.map((name) => [name.slice(PREFIX.length), batch[name]!]));
      const language = objective.loss(model.language, model.languageContext(context), texts);
      const counted = <T extends SummedFigure>(figures: Readonly<Record<string, T>>): Record<string, T> =>
        Object.fromEntries(
          Object.entries(figures).map(([name, figure]) => [name, { ...figure, count: `${PREFIX}${figure.count}` }]),
        );
      const terms = Object.entries(counted(language.terms)).map(([name, term]): [string, LossTerm] => [
        name,
        { ...term, factor: FACTOR },
      ]);
      return {
        terms: { ...own.terms, ...Object.fromEntries(terms) },
        metrics: { ...own.metrics, ...counted(language.metrics) },
      };
    },
    factorsAt: (step) => ({ ...task.factorsAt?.(step), [FACTOR]: weightAt(step - 1) }),
  };
}
