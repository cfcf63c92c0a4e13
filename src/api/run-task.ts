/** @file One run of fine-tuning, whatever the task: training with held-out figures, then those of the final weights. */
import type { Backend } from "../backend/backend.ts";
import type { ModelState } from "../models/family.ts";
import type { Module } from "../nn/module.ts";
import type { Weights } from "../nn/weights.ts";
import type { Objective } from "../objectives/objective.ts";
import { withEngine } from "../runtime.ts";
import { lowerIsBetter } from "../selection/trial.ts";
import type { Examples, StepOrder } from "../train/batch-maker.ts";
import type { EvaluationEvent } from "../train/event.ts";
import { ModelStore } from "../train/model-store.ts";
import type { TrainOptions } from "../train/options.ts";
import type { ParameterTreatment } from "../train/train-step.ts";
import type { Evaluation, TrainResult } from "../train/trainer.ts";
import { explainIfAsked } from "./explain-transfer.ts";
import type { FinetuneOptions, ResolvedFinetune } from "./finetune-option.ts";
import { decidingOptions, fingerprintOf, weightsHash } from "./fingerprint.ts";
import { type LanguageSource, strategyFacts, trainByStrategy } from "./transfer-run.ts";

/** Where a measurement finds the weights. */
export interface MeasuredPlace {
  readonly backend: Backend;
  readonly store: ModelStore;
}

/** What measures held-out data, in an engine. */
export interface Measurement<R> {
  /** @param part `some`: no more than a run looks at in between (maxEvalExamples) */
  run(part: "some" | "all"): Promise<R>;
  dispose(): Promise<void>;
}

/** Held-out data of a task. */
export interface HeldOut<R> {
  readonly open: (place: MeasuredPlace) => Measurement<R>;
  /** Whether a run looks at all of it. */
  readonly isWhole: boolean;
  /** The figures of a result that a run logs. */
  readonly figures: (result: R) => Evaluation;
}

/** What a run learns, from what, and where it begins. */
export interface TaskRun<E, M extends Module, R> {
  readonly objective: Objective<E, M>;
  readonly state: ModelState<M>;
  readonly examples: readonly E[];
  /** How many of them, at the end, are texts without labels; none when left out. */
  readonly numUnlabelled?: number | undefined;
  /** Which of them a step takes; the next ones of a shuffled order over all when left out. */
  readonly order?: StepOrder | undefined;
  /** How its texts are learned as language; left out where strategies cannot do that. */
  readonly source?: LanguageSource<E> | undefined;
  /** Multiplies the rate of a parameter, by its name. */
  readonly rateOf?: ((name: string) => number) | undefined;
  /** For parameters that not every step moves; see `ParameterTreatment.ownStep`. */
  readonly ownStepOf?: ((name: string) => ParameterTreatment["ownStep"]) | undefined;
  /** Whether a parameter stands still whatever the strategy says, by its name. */
  readonly isStill?: ((name: string) => boolean) | undefined;
  readonly held: HeldOut<R> | undefined;
  /** What names the run, beside its weights and options. */
  readonly identity: { readonly settings: object; readonly tokenizer: string; readonly data: string };
  readonly resolved: ResolvedFinetune & { readonly train: TrainOptions };
}

/** What comes of a run. */
export interface TaskOutcome<R> {
  readonly weights: Weights;
  readonly run: Omit<TrainResult, "weights">;
  readonly evaluations: readonly EvaluationEvent[];
  /** Of these weights on all held-out data; undefined without any, or when the run was interrupted. */
  readonly evaluation: R | undefined;
}

/** Measures with weights that no run holds. */
export async function measureFinal<R>(
  backend: Backend,
  module: Module,
  weights: Weights,
  open: HeldOut<R>["open"],
): Promise<R> {
  const store = new ModelStore(backend, module, ["value"]);
  try {
    store.write("value", weights);
    const measurement = open({ backend, store });
    try {
      return await measurement.run("all");
    } finally {
      await measurement.dispose();
    }
  } finally {
    store.dispose();
  }
}

/**
 * Trains a network for a task in an engine of its own, or in the one given.
 * @throws {DivergenceError} NOT_FINITE; the last checkpoint stays
 */
export function runTask<E, M extends Module, R>(
  taskRun: TaskRun<E, M, R>,
  options: FinetuneOptions,
): Promise<TaskOutcome<R>> {
  const {
    objective,
    state,
    examples: given,
    numUnlabelled,
    order,
    held,
    identity,
    resolved,
    source,
    rateOf,
    isStill,
    ownStepOf,
  } = taskRun;
  const { outputDir, engine, dtype = "f32", listener, signal } = options;
  const { train: trainOptions, strategy, selectionFigure } = resolved;
  const examples: Examples<E> = { numExamples: given.length, example: (_seed, _epoch, index) => given[index]!, order };
  const task = { state, objective, examples, numUnlabelled, source, rateOf, isStill, ownStepOf, resolved };
  explainIfAsked(task, options);
  return withEngine(
    engine,
    async (backend) => {
      const results: R[] = [];
      const { weights, ...run } = await trainByStrategy(task, {
        backend,
        policy: { compute: dtype },
        evaluation:
          held &&
          ((store) => {
            const measurement = held.open({ backend, store });
            return {
              run: async () => {
                const result = await measurement.run("some");
                results.push(result);
                return held.figures(result);
              },
              dispose: () => measurement.dispose(),
            };
          }),
        selection: { figure: selectionFigure, higherIsBetter: !lowerIsBetter.includes(selectionFigure) },
        outputDir,
        fingerprint: fingerprintOf({
          config: state.config,
          weights: weightsHash(state.weights),
          ...identity,
          ...strategyFacts(strategy),
          adapter: state.adapter?.options,
          selectionFigure,
          options: decidingOptions(trainOptions),
        }),
        listener,
        signal,
      });
      const { evaluations } = run;
      // A run that went on from a checkpoint has earlier evaluations as figures only.
      const isKnown = held?.isWhole === true && results.length === evaluations.length;
      const known = isKnown ? results[evaluations.findIndex(({ step }) => step === run.selectedStep)] : undefined;
      const isMeasured = known === undefined && held !== undefined && run.reason !== "interrupted";
      const evaluation = isMeasured ? await measureFinal(backend, state.module, weights, held.open) : known;
      return { weights, run, evaluations, evaluation };
    },
    dtype,
  );
}
