/** @file A task's objective with unlabelled batches, on which views are to predict what the whole network does. */
import { internalError } from "../../base/errors.ts";
import { statisticDtype } from "../../ir/dtype.ts";
import type { Encoder, EncoderInputs } from "../../models/model.ts";
import type { ForwardContext } from "../../nn/module.ts";
import type { Drawn, LossTerm, Objective } from "../../objectives/objective.ts";
import { compare, convert, exp, log, mul, select, stopGradient, sub } from "../../tensor/elementwise.ts";
import { gather, reshape } from "../../tensor/movement.ts";
import { max, square, sum } from "../../tensor/reduction.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { CrossViewModel, EncodingModel } from "./model.ts";
import { UNLABELLED, type UnlabelledBatchOptions, type UnlabelledText, unlabelledBatch } from "./unlabelled-batch.ts";
import { type Sight, seen, type ViewedKind, type ViewName, views, viewsOf } from "./view.ts";

/** A task whose predictions the views are to match. */
export interface ViewedTask<M> {
  /** Empty where there is one task only. */
  readonly name: string;
  readonly kind: ViewedKind;
  readonly numOutputs: number;
  /** Whether its outputs are scores of classes; else they are numbers, whose squared difference is the loss. */
  readonly isOfClasses: boolean;
  /** Its outputs `[P, numOutputs]` from hidden states `[P, H]`: at words' first pieces, or where texts are summed up. */
  outputs(model: M, context: ForwardContext, hidden: Tensor): Tensor;
}

/** An example of a task, or an unlabelled text. */
export type CrossViewExample<E> = { readonly labelled: E } | { readonly unlabelled: UnlabelledText };

export interface CrossViewLearning<M> {
  readonly tasks: readonly ViewedTask<M>[];
  readonly views: readonly ViewName[];
  /** Factor of each view's term. */
  readonly weight: number;
  readonly batch: Omit<UnlabelledBatchOptions, "sights" | "readsWords" | "readsTexts">;
}

type Tensors = Readonly<Record<string, Tensor>>;

/** What the module of a task's view is called. */
export const viewHeadName = (task: string, view: ViewName): string => `${task}.${view}`;

/** Every task with its views. */
export function taskViews<M>({ tasks, views: names }: Pick<CrossViewLearning<M>, "tasks" | "views">) {
  return tasks.flatMap((task) => viewsOf(names, task.kind).map((name) => ({ task, name, view: views[name] })));
}

/** log softmax over the last axis of `[P, L]`. */
function logSoftmax(scores: Tensor): Tensor {
  const shifted = sub(scores, stopGradient(max(scores, 1, { keepDims: true })));
  return sub(shifted, log(sum(exp(shifted), 1, { keepDims: true })));
}

/** How far a view's outputs are from the whole network's, place by place: KL(p ‖ q) in nats, or the square. */
function distance(whole: Tensor, view: Tensor, isOfClasses: boolean): Tensor {
  const [target, own] = [whole, view].map((x) => convert(x, statisticDtype(x.dtype))) as [Tensor, Tensor];
  if (!isOfClasses) return sum(square(sub(own, stopGradient(target))), 1);
  const logTarget = stopGradient(logSoftmax(target));
  return sum(mul(exp(logTarget), sub(logTarget, logSoftmax(own))), 1);
}

/** Hidden states at places: of one list as the last layer has them there only, of several as gathered from all. */
function hiddenAt(
  encoder: Encoder,
  context: ForwardContext,
  inputs: EncoderInputs,
  lists: ReadonlyMap<string, Tensor>,
): ReadonlyMap<string, Tensor> {
  const [only] = lists;
  if (lists.size === 1) return new Map([[only![0], encoder.encodeAt(context, inputs, only![1])]]);
  return gathered(encoder.encode(context, inputs).lastHiddenState, lists);
}

/** Vectors `[R, W, H]` at places. */
function gathered(states: Tensor, lists: ReadonlyMap<string, Tensor>): ReadonlyMap<string, Tensor> {
  const all = reshape(states, [-1, states.dim(-1)]);
  return new Map([...lists].map(([name, places]) => [name, gather(all, places)]));
}

const isSide = (sight: Sight): sight is "left" | "right" => sight === "left" || sight === "right";

/** Width of the states that a view reads. */
export function viewSize({ hiddenSize, oneSided }: Encoder, name: ViewName): number {
  return oneSided !== undefined && isSide(views[name].sight) ? oneSided.size : hiddenSize;
}

/** Which of a list's entries there are: 1 or 0, by the name of the list. */
const masks: Readonly<Record<string, string>> = {
  wordPlaces: "isWord",
  placesBefore: "hasBefore",
  placesBehind: "hasBehind",
  firstTokens: "isText",
  lastTokens: "isText",
};

/** The loss of an unlabelled batch. */
function viewLoss<M extends EncodingModel>(
  model: CrossViewModel<M>,
  context: ForwardContext,
  batch: Tensors,
  learning: CrossViewLearning<M>,
): Record<string, LossTerm> {
  const still = context.constant?.();
  if (still === undefined) throw internalError("unlabelled texts are learnt from where weights cannot be constants");
  const { encoder } = model;
  const textPlaces = encoder.pooledToken === "first" ? "firstTokens" : "lastTokens";
  const pairs = taskViews(learning);
  const placesOf = (kind: ViewedKind, places: string): string => (kind === "words" ? places : textPlaces);
  const listsOf = (names: Iterable<string>) => new Map([...new Set(names)].map((name) => [name, batch[name]!]));
  const inputs = batch as unknown as EncoderInputs;
  const { tasks } = learning;
  const wholeStates = hiddenAt(encoder, still, inputs, listsOf(tasks.map(({ kind }) => placesOf(kind, "wordPlaces"))));
  const whole = new Map(
    tasks.map((task) => {
      const hidden = wholeStates.get(placesOf(task.kind, "wordPlaces"))!;
      return [task.name, task.outputs(model.task, still, hidden)] as const;
    }),
  );
  const sights = [...new Set(pairs.map(({ view }) => view.sight))];
  const { oneSided } = encoder;
  const sides = oneSided !== undefined && sights.some(isSide) ? oneSided.states(context, inputs) : undefined;
  const states = new Map(
    sights.map((sight): [Sight, ReadonlyMap<string, Tensor>] => {
      const own = pairs.filter(({ view }) => view.sight === sight);
      const lists = listsOf(own.map(({ task, view }) => placesOf(task.kind, view.places)));
      if (sides !== undefined && isSide(sight)) return [sight, gathered(sides[sight], lists)];
      return [sight, hiddenAt(encoder, context, seen(sight, batch), lists)];
    }),
  );
  const terms = pairs.map(({ task, name, view }): [string, LossTerm] => {
    const places = placesOf(task.kind, view.places);
    const own = model.head(viewHeadName(task.name, name)).apply(context, states.get(view.sight)!.get(places)!);
    const each = distance(whole.get(task.name)!, own, task.isOfClasses);
    const isThere = compare("eq", batch[masks[places]!]!, 1);
    const count = task.kind === "words" ? "unlabelledWords" : "unlabelledTexts";
    const prefix = task.name === "" ? "" : `${task.name}.`;
    return [`${prefix}crossView.${name}`, { sum: sum(select(isThere, each, 0)), count, weight: learning.weight }];
  });
  return Object.fromEntries(terms);
}

function areUnlabelled<E>(
  drawn: readonly Drawn<CrossViewExample<E>>[],
): drawn is readonly Drawn<{ readonly unlabelled: UnlabelledText }>[] {
  return drawn.every(({ example }) => "unlabelled" in example);
}

/**
 * A task's objective, and the matching of views on unlabelled batches, which are a kind of their own: the network predicts
 * without dropout and as a constant, and for each view a module beside it predicts the same from what the view sees. That
 * moves the encoder and the views' modules; the task's own head learns from labels alone.
 *
 * Terms are called `crossView.<view>`, among several tasks `<task>.crossView.<view>`: nats a word or a text.
 * @source Clark, Luong, Manning & Le 2018 §2, arXiv:1809.08370; that the predictions to be matched are made without dropout
 * is as in the authors' code
 */
export function withCrossViews<E, M extends EncodingModel>(
  task: Objective<E, M>,
  learning: CrossViewLearning<M>,
): Objective<CrossViewExample<E>, CrossViewModel<M>> {
  const { tasks } = learning;
  const options: UnlabelledBatchOptions = {
    ...learning.batch,
    sights: new Set(taskViews(learning).map(({ view }) => view.sight)),
    readsWords: tasks.some(({ kind }) => kind === "words"),
    readsTexts: tasks.some(({ kind }) => kind === "texts"),
  };
  return {
    name: `${task.name} with views`,
    collate: (drawn, seed, layout) => {
      if (areUnlabelled(drawn)) {
        const texts = drawn.map(({ example, ...place }) => ({ ...place, example: example.unlabelled }));
        return unlabelledBatch(texts, seed, options);
      }
      const own = drawn.map(({ example, ...place }): Drawn<E> => {
        if ("unlabelled" in example) throw internalError("a batch of labelled and unlabelled texts");
        return { ...place, example: example.labelled };
      });
      return task.collate(own, seed, layout);
    },
    loss: (model, context, batch, kind) =>
      kind === UNLABELLED
        ? { terms: viewLoss(model, context, batch, learning), metrics: {} }
        : task.loss(model.task, context, batch, kind),
    ...(task.factorsAt === undefined ? {} : { factorsAt: task.factorsAt }),
  };
}
