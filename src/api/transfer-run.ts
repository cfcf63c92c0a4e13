/** @file Fine-tuning by a strategy: language tuning first, then stages with their rates and losses. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { ConfigError, type ConfigIssue } from "../base/errors.ts";
import type { PretrainingExample } from "../data/segment.ts";
import { movesWithAdapter } from "../models/adapter/attach.ts";
import type { ModelFamily, ModelState } from "../models/family.ts";
import type { PretrainingModel } from "../models/model.ts";
import type { Module } from "../nn/module.ts";
import { adoptWeights, initialWeights, type Weights } from "../nn/weights.ts";
import type { Objective } from "../objectives/objective.ts";
import { learningRateAt, slantedTriangularAt } from "../optim/schedule.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";
import type { Examples } from "../train/batch-maker.ts";
import { planRun, type RunPlan, type TrainOptions, trainOptionsTable } from "../train/options.ts";
import type { ParameterTreatment } from "../train/train-step.ts";
import { type TrainResult, type TrainSpec, train } from "../train/trainer.ts";
import { auxiliaryWeight, withAuxiliaryLoss } from "../transfer/auxiliary-loss.ts";
import { joinedNames } from "../transfer/explain.ts";
import { frozenParameters } from "../transfer/frozen.ts";
import { JointModel } from "../transfer/joint-model.ts";
import {
  isLanguageModel,
  type LanguageLearning,
  type LanguageText,
  languageLearning,
} from "../transfer/language-text.ts";
import { type LayerGroup, layerGroups, usedGroups } from "../transfer/layer-group.ts";
import { isPlain, type ResolvedStrategy, type ResolvedTuning } from "../transfer/resolve-strategy.ts";
import { planStages, type Stage, trainedGroups, unfreezingIssues } from "../transfer/stage.ts";
import type { ResolvedFinetune } from "./finetune-option.ts";
import { decidingOptions, fingerprintOf, weightsHash } from "./fingerprint.ts";

/** Weights of a model with the heads of its pre-training. */
export interface LanguageWeights {
  readonly weights: Weights;
  /** Parameters that the model's folder lacks. */
  readonly newParameters: readonly string[];
}

/** What strategies need to know of a task and of where it starts. */
export interface LanguageSource<E> {
  readonly tokenizer: Tokenizer;
  /** Longest text in tokens, special tokens included. */
  readonly maxSeqLength: number;
  readonly packed: boolean;
  /** The texts of an example; an auxiliary loss reads the first. */
  readonly textsOf: (example: E) => readonly LanguageText[];
  /** What the run starts from is called. */
  readonly name: string;
  /** The start's weights with its pre-training heads; undefined where it has none. */
  readonly language: LanguageWeights | undefined;
}

/** A task that is learned by a strategy. */
export interface StrategyTask<E, M extends Module> {
  readonly state: ModelState<M>;
  readonly objective: Objective<E, M>;
  readonly examples: Examples<E>;
  /** Undefined for tasks whose texts are not learned as language. */
  readonly source: LanguageSource<E> | undefined;
  /** Multiplies the rate of a parameter, by its name: for parts of a head that learn faster. */
  readonly rateOf?: ((name: string) => number) | undefined;
  /** For parameters that not every step moves; see `ParameterTreatment.ownStep`. */
  readonly ownStepOf?: ((name: string) => ParameterTreatment["ownStep"]) | undefined;
  /** Whether a parameter stands still whatever the strategy says, by its name: what an adapter leaves as it is. */
  readonly isStill?: ((name: string) => boolean) | undefined;
  readonly resolved: Pick<ResolvedFinetune, "strategy" | "treatment"> & { readonly train: TrainOptions };
}

/** What a trainer needs beside. */
export type StrategyPlace<E, M extends Module> = Pick<
  TrainSpec<E, M>,
  "backend" | "policy" | "evaluation" | "selection" | "outputDir" | "fingerprint" | "listener" | "signal"
>;

/** The same of a model in memory. */
export function languageInMemory({ module, weights }: ModelState): LanguageWeights | undefined {
  return isLanguageModel(module) ? { weights, newParameters: [] } : undefined;
}

/** Where language tuning keeps its files. */
const TUNING_FOLDER = "language-tuning";

/** What stands still whatever the strategy says: with an adapter the model's own weights, and what the task names. */
function stillIn<E, M extends Module>({ state, isStill }: StrategyTask<E, M>): StrategyTask<E, M>["isStill"] {
  if (state.adapter === undefined) return isStill;
  const moves = movesWithAdapter(state.module);
  return (name) => !moves(name) || (isStill?.(name) ?? false);
}

/** What a run trains, whichever network that is: the task's, or one with the heads of pre-training beside it. */
export interface TrainedParts<E, N extends Module> {
  readonly model: N;
  readonly objective: Objective<E, N>;
  readonly weights: Weights;
  /** The task's part of the weights. */
  readonly taskWeights: (weights: Weights) => Weights;
}

/** When what is trained, and how fast. */
export interface StrategyPlan {
  readonly run: RunPlan;
  /** May have a fraction. */
  readonly stepsPerEpoch: number;
  readonly stages: readonly Stage[];
  /** The rate by the steps made. */
  readonly rateAt: (stepsMade: number) => number;
}

/** The rate by the steps made, by a schedule or else by warm-up and decay. */
function scheduleOf(
  schedule: ResolvedStrategy["schedule"],
  { learningRate, decay }: TrainOptions,
  { maxSteps, warmupSteps }: RunPlan,
): StrategyPlan["rateAt"] {
  if (schedule === null) return (made) => learningRateAt(made, { learningRate, decay, maxSteps, warmupSteps });
  const { cut, ratio } = schedule;
  return (made) => slantedTriangularAt(made, { learningRate, maxSteps, cut, ratio });
}

/** How long a run is, with the steps of an epoch, which may have a fraction. */
function lengthOf(
  options: TrainOptions,
  { numExamples, order }: Examples<unknown>,
): Pick<StrategyPlan, "run" | "stepsPerEpoch"> {
  const stepsOf = order && ((numEpochs: number) => order.stepsOf(numEpochs));
  return {
    run: planRun(options, numExamples, stepsOf),
    stepsPerEpoch: stepsOf === undefined ? numExamples / options.batchSize : stepsOf(1),
  };
}

/** A layer's group under the name of what is trained in it: with an adapter that alone. */
function inLayers(group: LayerGroup, adapter: ModelState["adapter"]): LayerGroup {
  if (adapter === undefined || group.kind !== "layer") return group;
  return { ...group, name: `${adapter.options.kind} in ${group.name}` };
}

/**
 * Plans the stages of a run over some network.
 * @throws {ConfigError} UNFREEZING_TOO_LONG where only the data tell
 */
export function planStrategy<E, M extends Module>(task: StrategyTask<E, M>, whole: Module): StrategyPlan {
  const { state, examples, resolved, rateOf } = task;
  const isStill = stillIn(task) ?? (() => false);
  const { strategy, train: options } = resolved;
  const { unfreezing, layerRateFactor, freeze, schedule } = strategy;
  const { run, stepsPerEpoch } = lengthOf(options, examples);
  const groups = usedGroups(layerGroups(state.module, whole), task.isStill).map((group) =>
    inLayers(group, state.adapter),
  );
  const issues: ConfigIssue[] = [];
  const { treatment } = resolved;
  const scaleOf = (name: string): number => (rateOf?.(name) ?? 1) * (treatment?.(name).learningRateScale ?? 1);
  const still = groups.flatMap(({ parameters }) => parameters.filter((name) => scaleOf(name) === 0 || isStill(name)));
  const frozen = new Set([...still, ...(treatment === undefined ? frozenParameters(freeze, groups, issues) : [])]);
  const length = { maxSteps: run.maxSteps, numEpochs: options.numEpochs, stepsPerEpoch };
  issues.push(...unfreezingIssues(unfreezing, trainedGroups(groups, frozen), length));
  if (issues.length > 0) throw new ConfigError("finetune", issues);
  const { maxSteps } = run;
  const stages = planStages({ unfreezing, layerRateFactor, groups, frozen, maxSteps, stepsPerEpoch, rateOf: scaleOf });
  return { run, stepsPerEpoch, stages, rateAt: scheduleOf(schedule, options, run) };
}

/** How stages treat parameters, for a trainer. */
function treatmentOf(stages: readonly Stage[]): NonNullable<TrainSpec<never, Module>["treatment"]> {
  const found = new Map<string, { readonly learningRateScale: number; readonly firstStep: number }>();
  for (const { firstStep, groups } of stages) {
    for (const { parameters, learningRateScale } of groups) {
      for (const name of parameters) if (!found.has(name)) found.set(name, { learningRateScale, firstStep });
    }
  }
  return (name) => found.get(name) ?? { learningRateScale: 0 };
}

/** The treatment that the caller gives, with the task's own rates. */
function givenTreatment<E, M extends Module>(task: StrategyTask<E, M>): TrainSpec<E, M>["treatment"] {
  const { resolved, rateOf = () => 1 } = task;
  const isStill = stillIn(task) ?? (() => false);
  const { treatment } = resolved;
  if (treatment === undefined) return undefined;
  return (name: string) => {
    const own = treatment(name);
    return { ...own, learningRateScale: isStill(name) ? 0 : rateOf(name) * (own.learningRateScale ?? 1) };
  };
}

/** The treatment with the parameters' own steps in it. */
function withClocks(
  treatment: TrainSpec<never, Module>["treatment"],
  { ownStepOf }: { readonly ownStepOf?: StrategyTask<never, Module>["ownStepOf"] },
): TrainSpec<never, Module>["treatment"] {
  if (ownStepOf === undefined) return treatment;
  return (name) => ({ ...treatment?.(name), ownStep: ownStepOf(name) });
}

/** What is said when a stage begins. */
function stageText(stages: readonly Stage[], index: number): string {
  const { groups, firstStep } = stages[index]!;
  const names = joinedNames(groups.map(({ name }) => name));
  return `stage ${index + 1} of ${stages.length} from step ${firstStep}: ${names}`;
}

/** A listener that is also told when stages begin. */
function tellingStages(stages: readonly Stage[], listener: TrainSpec<never, Module>["listener"]): typeof listener {
  if (listener === undefined || stages.length < 2) return listener;
  return (event) => {
    listener(event);
    const made = event.kind === "start" || event.kind === "step" ? event.step : undefined;
    if (made === undefined) return;
    const index = stages.findLastIndex(({ firstStep }) => firstStep <= made + 1);
    const isBegun = event.kind === "start" || stages[index]!.firstStep === made + 1;
    if (isBegun) listener({ kind: "notice", message: stageText(stages, index) });
  };
}

/** A network of the start's family that models language, with the weights to begin with. */
export function languageState<E, M extends Module>({
  state,
  source,
  resolved,
}: StrategyTask<E, M>): { readonly module: PretrainingModel; readonly weights: Weights } {
  const { family, config, module, weights } = state;
  if (isLanguageModel(module)) return { module, weights };
  const language = family.pretraining(config);
  const fresh = initialWeights(language, resolved.train.seed);
  const given = resolved.strategy.fromScratch ? undefined : source?.language;
  return { module: language, weights: given === undefined ? fresh : adoptWeights(fresh, given.weights).weights };
}

/** How texts of a task are learned as language. */
function learningOf<E>(source: LanguageSource<E>, model: PretrainingModel, maskProbability: number): LanguageLearning {
  const { tokenizer, maxSeqLength, packed } = source;
  return languageLearning(model, { tokenizer, maxSeqLength, packed, maskProbability });
}

/**
 * What a run trains.
 * @param language its network and weights, where it has a part in the loss
 */
export function withTrainedParts<E, M extends Module, T>(
  task: StrategyTask<E, M>,
  { weights, language }: { readonly weights: Weights; readonly language: Weights | undefined },
  use: <N extends Module>(parts: TrainedParts<E, N>) => T,
): T {
  const { state, objective, source, resolved, examples } = task;
  const { auxiliary } = resolved.strategy;
  if (auxiliary === null || source === undefined)
    return use({ model: state.module, objective, weights, taskWeights: (all) => all });
  const { module, weights: own } = languageState(task);
  const { weight, finalWeight, maskProbability } = auxiliary;
  const { maxSteps } = lengthOf(resolved.train, examples).run;
  const learning = learningOf(source, module, maskProbability);
  const model = new JointModel(state.module, module);
  return use({
    model,
    objective: withAuxiliaryLoss(objective, {
      objective: learning.objective,
      example: (example) => learning.example(source.textsOf(example)[0]!),
      weightAt: (made) => auxiliaryWeight(made, { weight, finalWeight, maxSteps }),
    }),
    weights: model.weights(weights, language ?? own),
    taskWeights: (all) => model.taskWeights(all),
  });
}

/** Language tuning: what is learned from what, and for how long. */
export interface TuningPlan extends StrategyPlan {
  readonly model: PretrainingModel;
  readonly weights: Weights;
  readonly learning: LanguageLearning;
  readonly examples: Examples<PretrainingExample>;
  readonly options: TrainOptions;
}

/** The task's training options with those of language tuning. */
function tuningOptions({ maskProbability: _, ...own }: ResolvedTuning, options: TrainOptions): TrainOptions {
  const batchSize = own.batchSize ?? options.batchSize;
  const { maxSteps, numEpochs } = own;
  return trainOptionsTable.resolve({
    ...options,
    ...{ maxSteps, numEpochs, batchSize, learningRate: own.learningRate ?? options.learningRate },
    gradientAccumulationSteps: Math.min(batchSize, options.gradientAccumulationSteps),
    ...{ warmupSteps: null, evalSteps: null, checkpointSteps: null, selectBest: false, earlyStoppingPatience: null },
  });
}

/** Plans language tuning; undefined for strategies without it. */
export function planTuning<E, M extends Module>(task: StrategyTask<E, M>): TuningPlan | undefined {
  const { examples, source, resolved } = task;
  const { languageTuning, layerRateFactor, schedule } = resolved.strategy;
  if (languageTuning === null || source === undefined) return undefined;
  const { module, weights } = languageState(task);
  const learning = learningOf(source, module, languageTuning.maskProbability);
  const all = Array.from({ length: examples.numExamples }, (_, i) => examples.example(resolved.train.seed, 0, i));
  // A text that belongs to several examples is learned once an epoch.
  const texts = [...new Set(all.flatMap((example) => source.textsOf(example)))]
    .filter(([tokens]) => tokens.length > 0)
    .map((text) => learning.example(text));
  const options = tuningOptions(languageTuning, resolved.train);
  const run = planRun(options, texts.length);
  const stepsPerEpoch = texts.length / options.batchSize;
  const plan = { unfreezing: null, layerRateFactor, groups: layerGroups(module), frozen: new Set<string>() };
  return {
    ...{ run, stepsPerEpoch, model: module, weights, learning, options },
    examples: { numExamples: texts.length, example: (_seed, _epoch, index) => texts[index]! },
    stages: planStages({ ...plan, maxSteps: run.maxSteps, stepsPerEpoch }),
    rateAt: scheduleOf(schedule, options, run),
  };
}

/** Names texts by what is in them. */
function textsHash({ numExamples, example }: Examples<PretrainingExample>): string {
  const hash = createHash("sha256");
  for (let i = 0; i < numExamples; i++) {
    const { a, b } = example(0, 0, i);
    for (const part of b === undefined ? [a] : [a, b])
      hash.update(Int32Array.of(part.tokens.length)).update(part.tokens);
  }
  return hash.digest("hex");
}

type TuningPlace = Pick<StrategyPlace<never, Module>, "backend" | "policy" | "outputDir" | "listener" | "signal">;

/** Tunes the language model on the task's texts. */
async function tuneLanguage(
  { model, weights, learning, examples, options, stages, rateAt }: TuningPlan,
  { family, config }: { readonly family: ModelFamily; readonly config: unknown },
  { backend, policy, outputDir, listener, signal }: TuningPlace,
): Promise<TrainResult> {
  const { objective } = learning;
  listener?.({
    kind: "notice",
    message: `language tuning: ${objective.name} on ${examples.numExamples} texts of the task`,
  });
  return train({
    ...{ backend, model, weights, objective, examples, options, signal },
    ...(policy === undefined ? {} : { policy }),
    treatment: treatmentOf(stages),
    rate: rateAt,
    listener,
    outputDir: outputDir === undefined ? undefined : join(outputDir, TUNING_FOLDER),
    fingerprint: fingerprintOf({
      ...{ family: family.name, config, options: decidingOptions(options), objective: objective.settings },
      ...{ weights: weightsHash(weights), texts: textsHash(examples), stages },
    }),
  });
}

/**
 * Trains a task's network by a strategy.
 * @returns the weights of the task's network; a run that was interrupted in language tuning has made no step
 * @throws {ConfigError} UNFREEZING_TOO_LONG where only the data tell, {DivergenceError} NOT_FINITE
 */
export async function trainByStrategy<E, M extends Module>(
  task: StrategyTask<E, M>,
  place: StrategyPlace<E, M>,
): Promise<TrainResult> {
  const { state, examples, resolved } = task;
  const { strategy, train: options } = resolved;
  const { listener, ...others } = place;
  const plain = { examples, options, ...others };
  const treatment = givenTreatment(task);
  const isUsual =
    isPlain(strategy) && strategy.freeze === "none" && task.rateOf === undefined && stillIn(task) === undefined;
  if (isPlain(strategy) && (isUsual || treatment !== undefined)) {
    const { module: model, weights } = state;
    const clocked = withClocks(treatment, task);
    const treated = clocked === undefined ? {} : { treatment: clocked };
    return train({ ...plain, ...treated, listener, model, weights, objective: task.objective });
  }
  const tuning = planTuning(task);
  const tuned = tuning && (await tuneLanguage(tuning, state, place));
  if (tuned?.reason === "interrupted") {
    return { ...tuned, weights: state.weights, steps: 0, evaluations: [], selectedStep: 0 };
  }
  const weights = tuned === undefined ? state.weights : adoptWeights(state.weights, tuned.weights).weights;
  return withTrainedParts(task, { weights, language: tuned?.weights }, async (parts) => {
    const { model, objective, taskWeights } = parts;
    const plan = treatment === undefined ? planStrategy(task, model) : undefined;
    const rate = scheduleOf(strategy.schedule, options, lengthOf(options, examples).run);
    const result = await train({
      ...{ ...plain, rate, model, objective, weights: parts.weights },
      treatment: withClocks(plan === undefined ? treatment : treatmentOf(plan.stages), task)!,
      listener: plan === undefined ? listener : tellingStages(plan.stages, listener),
    });
    return { ...result, weights: taskWeights(result.weights) };
  });
}

/** The facts of a strategy that a run's fingerprint names; only freezing where nothing else is asked for. */
export function strategyFacts({ fromScratch: _, ...strategy }: ResolvedStrategy): object {
  const isOld = isPlain({ fromScratch: false, ...strategy }) && typeof strategy.freeze === "string";
  return isOld ? { freeze: strategy.freeze } : { freeze: strategy.freeze, transfer: strategy };
}
