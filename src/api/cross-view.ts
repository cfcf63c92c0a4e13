/** @file Fine-tuning with unlabelled texts, on which views of a network are to predict what the whole of it does. */
import { createHash } from "node:crypto";
import { DataError } from "../base/errors.ts";
import type { Framing } from "../models/framing.ts";
import { type ClassificationModel, isCarried, type TokenModel } from "../models/model.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";
import { labelledOrder } from "../train/batch-maker.ts";
import type { TrainListener } from "../train/event.ts";
import { CrossViewModel, type EncodingModel, VIEWS_PREFIX, ViewHead } from "../transfer/cross-view/model.ts";
import {
  type CrossViewExample,
  type CrossViewLearning,
  taskViews,
  type ViewedTask,
  viewHeadName,
  viewSize,
  withCrossViews,
} from "../transfer/cross-view/objective.ts";
import type { CrossViewSettings } from "../transfer/cross-view/option.ts";
import { alternatingOrder } from "../transfer/cross-view/order.ts";
import type { UnlabelledText } from "../transfer/cross-view/unlabelled-batch.ts";
import { encodeForTexts, encodeForWords, readPlainTexts } from "../transfer/cross-view/unlabelled-text.ts";
import { type SeeingNetwork, usualViews } from "../transfer/cross-view/view.ts";
import { textOfFramed } from "../transfer/language-text.ts";
import type { ResolvedCrossView } from "./cross-view-option.ts";
import type { FinetuneOptions } from "./finetune-option.ts";
import { runTask, type TaskOutcome, type TaskRun } from "./run-task.ts";

/** A task that views may learn from, and how many texts it reads at once. */
export interface ViewableTask<M> extends ViewedTask<M> {
  readonly numTexts: number;
}

/** Classes or numbers of texts, where views learn from them. @param of the task's network in the model that is trained */
export function viewableText<M>(
  name: string,
  of: (model: M) => ClassificationModel,
  numOutputs: number,
  numTexts: number,
): ViewableTask<M> {
  return {
    ...{ name, kind: "texts", numOutputs, isOfClasses: numOutputs > 1, numTexts },
    outputs: (model, context, hidden) => {
      const network = of(model);
      return network.classificationLogits(context, network.encoder.pool(context, hidden));
    },
  };
}

/**
 * Tags of words, where views learn from them. Of a tagger with scores of neighbouring tags, views match each word's own scores.
 * @param of the tagger in the model that is trained
 */
export function viewableWords<M>(name: string, of: (model: M) => TokenModel, numOutputs: number): ViewableTask<M> {
  return {
    ...{ name, kind: "words", numOutputs, isOfClasses: true, numTexts: 1 },
    outputs: (model, context, hidden) => of(model).tokenLogits(context, hidden),
  };
}

/** What is to be learnt from unlabelled texts, in memory. */
export interface OpenCrossView<M> {
  readonly learning: CrossViewLearning<M>;
  readonly examples: readonly UnlabelledText[];
  readonly settings: CrossViewSettings;
  readonly tokenizer: Tokenizer;
}

export interface CrossViewPlace<M> {
  readonly tasks: readonly ViewableTask<M>[];
  readonly network: SeeingNetwork;
  readonly tokenizer: Tokenizer;
  readonly framing: Framing;
  readonly maxSeqLength: number;
  /** Where words are read. */
  readonly overlap?: number | undefined;
  readonly packed: boolean;
  readonly listener: TrainListener | undefined;
}

/**
 * Reads the unlabelled texts.
 * @throws {DataError} DATA_EMPTY, TEXTS_MIXED, TEXTS_UNUSED where no task reads such texts
 */
export async function openCrossView<M>(
  { source, settings }: ResolvedCrossView,
  { tasks: all, network, tokenizer, framing, maxSeqLength, overlap = 0, packed, listener }: CrossViewPlace<M>,
): Promise<OpenCrossView<M>> {
  const { maxTexts, maskProbability, weight } = settings;
  const { texts, arePairs } = await readPlainTexts(source, maxTexts);
  const tasks = all.filter(({ numTexts }) => numTexts === (arePairs ? 2 : 1));
  const kinds = new Set(tasks.map(({ kind }) => kind));
  const names = settings.views ?? usualViews(network, kinds);
  const views = names.filter((name) => taskViews({ tasks, views: [name] }).length > 0);
  if (views.length === 0) {
    const message = `holds ${arePairs ? "pairs of texts" : "single texts"}, which no task with views (${names.join(", ")}) reads.`;
    throw new DataError(message, { code: "TEXTS_UNUSED", path: source.name });
  }
  const reading = { tokenizer, framing, maxSeqLength, overlap, maxTexts };
  const examples = await (kinds.has("words") ? encodeForWords : encodeForTexts)(texts, reading);
  if (examples.length === 0) {
    throw new DataError("has no text with a word.", { code: "DATA_EMPTY", path: source.name });
  }
  const cut = examples.length > texts.length ? ` in ${examples.length} windows` : "";
  listener?.({
    kind: "notice",
    message: `${source.name}: ${texts.length} unlabelled texts${cut}; views: ${views.join(", ")}`,
  });
  const batch = { special: tokenizer.special, maxSeqLength, packed, maskProbability };
  return { learning: { tasks, views, weight, batch }, examples, settings, tokenizer };
}

function hashOf(texts: readonly UnlabelledText[]): string {
  const hash = createHash("sha256");
  for (const { tokens, words } of texts) hash.update(Int32Array.of(tokens.length)).update(tokens).update(words);
  return hash.digest("hex");
}

/** Heads have no gradient from unlabelled texts, and views none from labelled ones. */
const isOfLabels = (name: string): boolean => !isCarried(name) || /^encoder\.pooler\./.test(name);

/** A run with unlabelled batches between its own. */
function crossed<E, M extends EncodingModel, R>(
  run: TaskRun<E, M, R>,
  { learning, examples, settings, tokenizer }: OpenCrossView<M>,
): { readonly run: TaskRun<CrossViewExample<E>, CrossViewModel<M>, R>; readonly model: CrossViewModel<M> } {
  const { state, objective, resolved, source, ownStepOf, identity, order: given, ...others } = run;
  const heads = taskViews(learning).map(({ task, name }): [string, ViewHead] => {
    const { encoder } = state.module;
    return [viewHeadName(task.name, name), new ViewHead(viewSize(encoder, name), encoder.hiddenSize, task.numOutputs)];
  });
  const model = new CrossViewModel(state.module, new Map(heads));
  const { batchSize, seed } = resolved.train;
  const order = alternatingOrder(given ?? labelledOrder(run.examples.length, resolved.train), {
    ...{ numLabelled: run.examples.length, numUnlabelled: examples.length, seed },
    ...{ batchSize: settings.batchSize ?? batchSize, unlabelledSteps: settings.unlabelledSteps },
  });
  const clock = (name: string): ReturnType<NonNullable<typeof ownStepOf>> => {
    if (name.startsWith(VIEWS_PREFIX)) return (step) => step - order.labelledSteps(step);
    const own = ownStepOf?.(name);
    if (own !== undefined) return (step) => own(order.labelledSteps(step));
    return isOfLabels(name) ? (step) => order.labelledSteps(step) : undefined;
  };
  const crossedRun: TaskRun<CrossViewExample<E>, CrossViewModel<M>, R> = {
    ...others,
    resolved,
    state: { ...state, module: model, weights: model.weights(state.weights, seed) },
    objective: withCrossViews(objective, learning),
    examples: [...run.examples.map((labelled) => ({ labelled })), ...examples.map((unlabelled) => ({ unlabelled }))],
    numUnlabelled: examples.length,
    order,
    ownStepOf: clock,
    source: source && {
      ...source,
      textsOf: (example) =>
        "labelled" in example ? source.textsOf(example.labelled) : [textOfFramed(example.unlabelled, tokenizer)],
    },
    identity: {
      ...identity,
      settings: { ...identity.settings, crossView: { ...settings, views: learning.views, texts: hashOf(examples) } },
    },
  };
  return { run: crossedRun, model };
}

/** {@link runTask}, with unlabelled batches between those of the task where there are unlabelled texts. */
export async function runWithViews<E, M extends EncodingModel, R>(
  run: TaskRun<E, M, R>,
  crossView: OpenCrossView<M> | undefined,
  options: FinetuneOptions,
): Promise<TaskOutcome<R>> {
  if (crossView === undefined) return runTask(run, options);
  const { run: both, model } = crossed(run, crossView);
  const outcome = await runTask(both, options);
  return { ...outcome, weights: model.taskWeights(outcome.weights) };
}
