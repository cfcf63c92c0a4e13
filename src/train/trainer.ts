/** @file The loop: batches, steps, evaluations, checkpoints, and how a run ends. */

import type { Backend } from "../backend/backend.ts";
import { DataError, internalError } from "../base/errors.ts";
import { checkpointFolder } from "../formats/checkpoint.ts";
import type { Module } from "../nn/module.ts";
import type { Weights } from "../nn/weights.ts";
import type { Objective } from "../objectives/objective.ts";
import { adamW } from "../optim/adamw.ts";
import { lamb } from "../optim/lamb.ts";
import { learningRateAt } from "../optim/schedule.ts";
import { batchMaker, type Examples, type Made, makeBehind, takeMade } from "./batch-maker.ts";
import type { EndReason, EvaluationEvent, TrainListener } from "./event.ts";
import type { DTypePolicy } from "./forward-graph.ts";
import { chooseLanes, type Lanes, mostLanes } from "./lane-choice.ts";
import { memoryText, requireMemory } from "./memory-estimate.ts";
import type { ModelStore } from "./model-store.ts";
import { planRun, type TrainOptions } from "./options.ts";
import { Pace } from "./pace.ts";
import { findResume, RunFolder, type RunState, restore } from "./run-folder.ts";
import { type ParameterTreatment, type StartedStep, type StepFigures, TrainStep } from "./train-step.ts";

/** Figures on held-out data. */
export interface Evaluation {
  readonly loss: number;
  readonly means: Readonly<Record<string, number>>;
}

/** Opens what evaluates the weights of a store. */
export type OpenEvaluation = (store: ModelStore) => {
  readonly run: () => Promise<Evaluation>;
  readonly dispose: () => Promise<void>;
};

/** Which figure of an evaluation decides what is best. */
export interface Selection {
  /** "loss", or a name among the means. */
  readonly figure: string;
  readonly higherIsBetter: boolean;
}

export interface TrainSpec<E, M extends Module> {
  readonly backend: Backend;
  readonly model: M;
  readonly weights: Weights;
  readonly objective: Objective<E, M>;
  readonly examples: Examples<E>;
  readonly options: TrainOptions;
  readonly policy?: DTypePolicy;
  /** How each parameter is trained; everything alike, without decay where a parameter says so, when left out. */
  readonly treatment?: (name: string) => Partial<ParameterTreatment>;
  /** The learning rate by the steps made; by the options' warm-up and decay when left out. */
  readonly rate?: (stepsMade: number) => number;
  readonly evaluation?: OpenEvaluation | undefined;
  readonly selection?: Selection;
  /** Folder for metrics, events and checkpoints; nothing is written without it. */
  readonly outputDir?: string | undefined;
  /** Names the run (model, data, options), so that a resume cannot mix two runs. */
  readonly fingerprint?: string;
  readonly listener?: TrainListener | undefined;
  /** Ends the run after the step in progress, with a checkpoint. */
  readonly signal?: AbortSignal | undefined;
}

export interface TrainResult {
  readonly weights: Weights;
  readonly steps: number;
  readonly reason: EndReason;
  readonly evaluations: readonly EvaluationEvent[];
  /** The step whose weights these are. */
  readonly selectedStep: number;
}

/**
 * Trains until the planned number of steps, early stopping or an interruption.
 *
 * A run with an `outputDir` that holds a checkpoint of the same run goes on from there, and ends with the same
 * weights, bit for bit, as a run that was never interrupted.
 * @throws {DivergenceError} NOT_FINITE; the last checkpoint stays
 * @throws {DataError} DATA_EMPTY
 * @throws {ConfigError} MEMORY_EXCEEDED before anything is written
 * @throws {BackendError} LANES_UNSUPPORTED, {CheckpointError} LANES_MISMATCH; see `options.lanes`
 */
export async function train<E, M extends Module>(spec: TrainSpec<E, M>): Promise<TrainResult> {
  const { backend, model, objective, examples, options, outputDir, signal, fingerprint = "" } = spec;
  const { listener = () => undefined, selection = { figure: "loss", higherIsBetter: false } } = spec;
  const policy = spec.policy ?? { compute: "f32" };
  if (examples.numExamples === 0) {
    throw new DataError("there are no training examples. Check the source and its filters.", {
      code: "DATA_EMPTY",
      path: "train",
    });
  }
  const { order } = examples;
  const plan = planRun(options, examples.numExamples, order && ((numEpochs) => order.stepsOf(numEpochs)));
  const { beta1, beta2, epsilon, learningRate: peak, decay } = options;
  const { maxSteps, warmupSteps } = plan;
  const {
    rate: rateAt = (made: number) => learningRateAt(made, { learningRate: peak, warmupSteps, maxSteps, decay }),
  } = spec;
  const optimizer = { adamw: adamW, lamb }[options.optimizer]({ beta1, beta2, epsilon });
  const found = outputDir === undefined ? undefined : await findResume(outputDir);
  for (const message of found?.notices ?? []) listener({ kind: "notice", message });

  const step = await TrainStep.create({
    backend,
    model,
    weights: spec.weights,
    loss: objective.loss,
    factorsAt: objective.factorsAt,
    optimizer,
    treatment: (name, parameter) => ({
      learningRateScale: 1,
      weightDecay: parameter.decays ? options.weightDecay : 0,
      ...spec.treatment?.(name),
    }),
    maxGradNorm: options.maxGradNorm ?? Number.POSITIVE_INFINITY,
    policy,
    accumulates: options.gradientAccumulationSteps > 1,
    recomputeLayers: options.recomputeLayers,
    lanes: mostLanes(options.lanes, backend),
    dividesState: options.dividesState,
    dropoutSteps: plan.dropoutSteps,
    seed: options.seed,
  });
  const { store } = step;
  const evaluations: EvaluationEvent[] = [];
  let evaluation: ReturnType<OpenEvaluation> | undefined;
  let files: RunFolder | undefined;
  let bestWeights: Weights | undefined;
  try {
    evaluation = spec.evaluation?.(store);
    const batchesOf = batchMaker(objective, examples, options);
    const first = batchesOf(0);
    const checked = new Set<number>();
    const checkMemory = (lanes: Lanes): void => {
      step.lanes = lanes;
      checked.add(lanes);
      const memory = step.estimateMemory(first, { givesWeights: true });
      if (memory === undefined) return;
      listener({ kind: "notice", message: `memory: ${memoryText(memory)}` });
      requireMemory(memory, options);
    };
    checkMemory(options.lanes === "auto" ? 1 : options.lanes);
    let state: RunState = { step: 0, fingerprint, best: null, evaluationsSinceBest: 0, metricsPosition: 0 };
    if (found?.checkpoint !== undefined) {
      state = await restore(found.checkpoint, store, optimizer.state, fingerprint);
      listener({ kind: "notice", message: `going on from ${found.checkpoint}` });
    }
    const chosen = chooseLanes({
      asked: options.lanes,
      backend,
      recorded: found?.checkpoint === undefined ? undefined : { checkpoint: found.checkpoint, lanes: state.lanes ?? 1 },
      numWeights: store.numWeights,
      requireTwo: () => checkMemory(2),
    });
    const { lanes } = chosen;
    if (!checked.has(lanes)) checkMemory(lanes);
    step.lanes = lanes;
    if (chosen.reason !== undefined) listener({ kind: "notice", message: `lanes: ${chosen.reason}` });
    if (backend.wholeSteps === true && !step.isWhole) {
      const message = `steps: gradients, their norm and the update run one after the other, as ${optimizer.name} in ${lanes} lane${lanes === 1 ? "" : "s"} cannot be one graph`;
      listener({ kind: "notice", message });
    }
    if (outputDir !== undefined) {
      const resume = found?.checkpoint === undefined ? undefined : state;
      files = await RunFolder.open(outputDir, { keepLast: options.keepCheckpoints, resume });
    }
    const pace = new Pace(plan.maxSteps);
    listener({ kind: "start", step: state.step, maxSteps: plan.maxSteps, description: objective.name });

    let { best, evaluationsSinceBest } = state;
    let done = state.step;
    const toldOnce = new Set<string>();
    const tellOnce = (what: string, message: string): void => {
      if (!toldOnce.has(what)) listener({ kind: "notice", message });
      toldOnce.add(what);
    };
    let savedAt = found?.checkpoint === undefined ? -1 : done;
    let reason: EndReason = "finished";
    const save = async (): Promise<void> => {
      if (files === undefined || savedAt === done) return;
      const saved = await files.save(store, optimizer.state, {
        step: done,
        fingerprint,
        lanes,
        best,
        evaluationsSinceBest,
      });
      savedAt = done;
      listener({ kind: "checkpoint", step: done, folder: saved.folder, bytes: saved.bytes });
    };

    let lastTold = 0;
    /** Tells of a step when its figures are there. */
    const tellStep = async (facts: {
      readonly number: number;
      readonly batches: Parameters<Pace["stepEvent"]>[1];
      readonly learningRate: number;
      readonly started: number;
      readonly figures: Promise<StepFigures>;
    }): Promise<void> => {
      const { number, batches, learningRate, started } = facts;
      const figures = await facts.figures;
      const ended = performance.now();
      if (figures.lanes < lanes) tellOnce("lanes", `step ${number}: a batch of one row runs in one lane`);
      if (figures.isWhole && figures.devices < (backend.devices ?? 1)) {
        tellOnce("devices", `step ${number}: its batch does not divide, so every device computes all of it`);
      }
      const seconds = (ended - Math.max(started, lastTold)) / 1000;
      lastTold = ended;
      const event = pace.stepEvent(number, batches, figures, learningRate, seconds);
      listener(event);
      await files?.log(event);
    };
    /** The step that the engine was given last, where it was not waited for. */
    let untold: (() => Promise<void>) | undefined;
    const catchUp = async (): Promise<void> => {
      const tell = untold;
      untold = undefined;
      await tell?.();
    };

    const patience = options.earlyStoppingPatience ?? Number.POSITIVE_INFINITY;
    const evaluate = async (): Promise<EvaluationEvent | undefined> => {
      if (evaluation === undefined) return undefined;
      const began = performance.now();
      const result = await evaluation.run();
      const score = selection.figure === "loss" ? result.loss : result.means[selection.figure];
      if (score === undefined) {
        const known = ["loss", ...Object.keys(result.means)].join(", ");
        throw internalError(`selection by "${selection.figure}", but the evaluation has ${known}`);
      }
      const isBetter = best === null || (selection.higherIsBetter ? score > best.score : score < best.score);
      // A score that is no number is never the best: nothing could beat it, and no checkpoint could hold it.
      const isBest = Number.isFinite(score) && isBetter;
      if (isBest) best = { step: done, score };
      evaluationsSinceBest = isBest ? 0 : evaluationsSinceBest + 1;
      const seconds = (performance.now() - began) / 1000;
      const told: EvaluationEvent = { kind: "evaluation", step: done, ...result, seconds, best: isBest };
      evaluations.push(told);
      listener(told);
      return told;
    };

    // A run that had ended already is only measured again.
    const hadEnded = done === plan.maxSteps || evaluationsSinceBest >= patience;
    if (evaluationsSinceBest >= patience) reason = "early stopping";
    if (hadEnded) await evaluate();
    let coming: Made = { batches: done === 0 || hadEnded ? first : batchesOf(done) };
    while (!hadEnded && done < plan.maxSteps) {
      const learningRate = rateAt(done);
      // What could not be made ends the run only here, so that the steps before it are whole.
      const batches = takeMade(coming);
      const next = done + 1;
      if (done > 0 && done === plan.dropoutSteps) {
        listener({ kind: "notice", message: `step ${next}: from here on without dropout` });
      }
      const started = performance.now();
      const starting = step.start(batches, next, learningRate);
      const making = makeBehind(() => (next < plan.maxSteps ? batchesOf(next) : []));
      let begun: StartedStep;
      try {
        begun = await starting;
      } finally {
        // Nothing may still read the examples when the run has ended.
        coming = await making;
      }
      // The figures of the step before are asked for while the engine makes this one.
      await catchUp();
      done++;
      const { figures } = begun;
      untold = () => tellStep({ number: next, batches, learningRate, started, figures });

      const last = done === plan.maxSteps;
      const isEvaluated = done % plan.evalSteps === 0 || last;
      const isSaved = done % plan.checkpointSteps === 0 || last;
      if (!begun.isAhead || isEvaluated || isSaved) await catchUp();
      if (isEvaluated) {
        const told = await evaluate();
        if (told !== undefined) await files?.log(told);
        if (told?.best === true && options.selectBest) {
          if (files === undefined) bestWeights = await store.read("value");
          else await save();
        }
        if (evaluationsSinceBest >= patience) reason = "early stopping";
      }
      if (signal?.aborted === true && !last) {
        await catchUp();
        reason = "interrupted";
      }
      if (isSaved || reason !== "finished") await save();
      if (reason !== "finished") break;
    }

    let selectedStep = done;
    if (options.selectBest && best !== null && best.step !== done && reason !== "interrupted") {
      selectedStep = best.step;
      if (bestWeights !== undefined) store.write("value", bestWeights);
      else if (outputDir !== undefined) await restore(checkpointFolder(outputDir, best.step), store, [], fingerprint);
    }
    listener({ kind: "end", step: done, reason, seconds: pace.seconds });
    return { weights: await store.read("value"), steps: done, reason, evaluations, selectedStep };
  } finally {
    files?.close();
    await evaluation?.dispose();
    await step.dispose();
  }
}
