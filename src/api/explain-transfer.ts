/** @file What trains when in a fine-tuning run, told without making it. */
import { internalError } from "../base/errors.ts";
import type { Batch } from "../data/batch.ts";
import { sizeOf } from "../ir/shape.ts";
import { type Module, namedParameters } from "../nn/module.ts";
import type { Objective } from "../objectives/objective.ts";
import { batchMaker, type Examples } from "../train/batch-maker.ts";
import type { RunPlan, TrainOptions } from "../train/options.ts";
import { lossUse } from "../train/used-parameter.ts";
import { type ExplainedStage, explainStages, explanationText, type TransferExplanation } from "../transfer/explain.ts";
import type { ResolvedStrategy } from "../transfer/resolve-strategy.ts";
import { explaining, type FinetuneOptions } from "./finetune-option.ts";
import {
  planStrategy,
  planTuning,
  type StrategyPlan,
  type StrategyTask,
  type TrainedParts,
  withTrainedParts,
} from "./transfer-run.ts";

const count = (number: number, unit: string): string => `${number} ${unit}${number === 1 ? "" : "s"}`;

/** How the rate goes, in words. */
export function scheduleText(
  schedule: ResolvedStrategy["schedule"],
  { learningRate, decay }: TrainOptions,
  { maxSteps, warmupSteps }: RunPlan,
): string {
  if (schedule === null) {
    const fall = decay === "constant" ? "then constant" : `${decay} decay to 0 after step ${maxSteps}`;
    return `${learningRate} at its peak, ${count(warmupSteps, "step")} of warm-up, ${fall}`;
  }
  const { cut, ratio } = schedule;
  return `${learningRate} at its peak, slanted triangular: ${cut * 100} % of the steps up from 1/${ratio} of it, then down`;
}

/** Steps that are looked through for batches of different kinds. */
const LOOKED_THROUGH = 100;

/** The first batch of each kind that comes soon. */
function firstOfKinds(make: (stepsDone: number) => readonly Batch[], maxSteps: number): Batch[] {
  const found = new Map<string | undefined, Batch>();
  for (let step = 0; step < Math.min(maxSteps, LOOKED_THROUGH); step++) {
    const [batch] = make(step);
    if (!found.has(batch!.kind)) found.set(batch!.kind, batch!);
  }
  return [...found.values()];
}

/** Stages with what the losses of their first batches use. */
function explained<E, N extends Module>(
  { model, objective, plan }: { readonly model: N; readonly objective: Objective<E, N>; readonly plan: StrategyPlan },
  examples: Examples<E>,
  options: TrainOptions,
  name: { readonly name: string; readonly isNumbered: boolean },
): { readonly stages: ExplainedStage[]; readonly sizes: ReadonlyMap<string, number> } {
  const parameters = namedParameters(model);
  const make = batchMaker(objective, examples, options);
  const batches = examples.order === undefined ? make(0).slice(0, 1) : firstOfKinds(make, plan.run.maxSteps);
  const uses = batches.map((batch) => ({ batch, ...lossUse(batch, { model, parameters, loss: objective.loss }) }));
  const used = new Set(uses.flatMap((use) => [...use.parameters]));
  const sizes = new Map([...parameters].flatMap(([key, { shape }]) => (used.has(key) ? [[key, sizeOf(shape)]] : [])));
  const { stages, stepsPerEpoch, rateAt } = plan;
  const losses = uses.flatMap(({ batch: { kind }, terms }) =>
    terms.map(({ name: term, weight, factor }) => ({
      ...{ name: term, kind },
      weightAt: (made: number) => weight * (factor === undefined ? 1 : (objective.factorsAt?.(made + 1)[factor] ?? 1)),
    })),
  );
  return { stages: explainStages({ ...name, stages, sizes, stepsPerEpoch, rateAt, losses }), sizes };
}

/** A task, and how many of its examples, at the end, are texts without labels. */
type ExplainedTask<E, M extends Module> = StrategyTask<E, M> & { readonly numUnlabelled?: number | undefined };

/** What trains when, for a task that is about to be learned. */
export function explainStrategy<E, M extends Module>(task: ExplainedTask<E, M>): TransferExplanation {
  const { state, examples, resolved, numUnlabelled = 0 } = task;
  const { strategy, train: options } = resolved;
  const tuning = planTuning(task);
  const before =
    tuning === undefined
      ? []
      : explained(
          { model: tuning.model, objective: tuning.learning.objective, plan: tuning },
          tuning.examples,
          tuning.options,
          { name: "language tuning", isNumbered: false },
        ).stages;
  const all = [...namedParameters(state.module).values()];
  const numParameters = all.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const given = { weights: state.weights, language: undefined };
  return withTrainedParts(task, given, <N extends Module>({ model, objective }: TrainedParts<E, N>) => {
    const plan = planStrategy(task, model);
    const { stages, sizes } = explained({ model, objective, plan }, examples, options, {
      name: "stage",
      isNumbered: true,
    });
    const moved = new Set(plan.stages.flatMap(({ groups }) => groups.flatMap((group) => group.parameters)));
    const own = namedParameters(state.module);
    const still = [...own].filter(([name]) => !(moved.has(name) && sizes.has(name)));
    const explanation = {
      ...{ family: state.family.name, numParameters, batchSize: options.batchSize },
      ...{ numExamples: examples.numExamples - numUnlabelled, numUnlabelled },
      numStill: still.reduce((sum, [, { shape }]) => sum + sizeOf(shape), 0),
      maxSteps: plan.run.maxSteps,
      fromScratch: strategy.fromScratch,
      schedule: scheduleText(strategy.schedule, options, plan.run),
      stages: [...before, ...stages],
    };
    return { ...explanation, text: explanationText(explanation) };
  });
}

/** Ends a run that is to be explained only. */
class ExplainedRun extends Error {
  readonly explanation: TransferExplanation;

  constructor(explanation: TransferExplanation) {
    super("a run that was explained");
    this.explanation = explanation;
  }
}

/** Before a run takes an engine: where it is to be explained only, it ends here. */
export function explainIfAsked<E, M extends Module>(task: ExplainedTask<E, M>, options: FinetuneOptions): void {
  options[explaining]?.(() => explainStrategy(task));
}

/**
 * Tells what trains when in a fine-tuning run: stages, groups of layers, numbers of parameters, rates, losses. The data are
 * read and checked as for the run, but nothing is trained and no engine is opened.
 * @param run starts the run with the options that it is given: `(options) => finetune(model, task, tables, options)`
 * @throws {ConfigError}, {DataError} what the run would throw before its first step
 */
export async function explainTransfer<O extends FinetuneOptions>(
  run: (options: O) => Promise<unknown>,
  options: O,
): Promise<TransferExplanation> {
  try {
    await run({
      ...options,
      [explaining]: (explain: () => TransferExplanation): never => {
        throw new ExplainedRun(explain());
      },
    });
  } catch (error) {
    if (error instanceof ExplainedRun) return error.explanation;
    throw error;
  }
  throw internalError("a run was made that was to be explained only");
}
