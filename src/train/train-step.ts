/** @file One optimizer step: gradients of a batch, clipping, update. Knows neither BERT nor masked words. */

import type { Backend, SweepRange } from "../backend/backend.ts";
import { FirthError, internalError } from "../base/errors.ts";
import { residentBytes } from "../base/machine-memory.ts";
import { foldSeed } from "../base/random.ts";
import { type Batch, batchSignature } from "../data/batch.ts";
import { sizeOf } from "../ir/shape.ts";
import type { Module, Parameter } from "../nn/module.ts";
import type { Weights } from "../nn/weights.ts";
import type { Objective } from "../objectives/objective.ts";
import { clipFactor, sectionsOf, type UpdateFacts, type UpdateRule } from "../optim/update-rule.ts";
import { compileUpdater, type UpdateRange, type Updater } from "../optim/updater.ts";
import { divideBatch } from "./divide-batch.ts";
import { FigureTotals, totalCounts } from "./figures.ts";
import type { DTypePolicy } from "./forward-graph.ts";
import { GradientSections, LANE_SECTION } from "./gradient-sections.ts";
import { requireLanes } from "./lane-choice.ts";
import { LossProgram } from "./loss-program.ts";
import { estimateMemory, type MemoryEstimate } from "./memory-estimate.ts";
import { ModelStore } from "./model-store.ts";
import type { StepWork } from "./useful-work.ts";

/** How one parameter is trained. */
export interface ParameterTreatment {
  /** Multiplies the learning rate; 0 freezes the parameter: no gradient is computed for it. */
  readonly learningRateScale: number;
  readonly weightDecay: number;
  /**
   * The first step of the run, from 1, that trains it: until then it stands still, no gradient is computed for it, and its
   * optimizer state is 0. 1 when left out.
   */
  readonly firstStep?: number | undefined;
  /**
   * Which of its own steps a step of the run is, from 1, for parameters that not every step moves: an optimizer's corrections
   * for its first steps go by it. When left out, those from its `firstStep` on count.
   */
  readonly ownStep?: ((step: number) => number) | undefined;
}

const UNMOVED: ParameterTreatment = { learningRateScale: 0, weightDecay: 0 };

const firstStepOf = ({ firstStep = 1 }: ParameterTreatment): number => firstStep;

export interface TrainStepOptions<M extends Module> {
  readonly backend: Backend;
  readonly model: M;
  readonly weights: Weights;
  readonly loss: Objective<never, M>["loss"];
  readonly factorsAt?: Objective<never, M>["factorsAt"];
  readonly optimizer: UpdateRule;
  readonly treatment: (name: string, parameter: Parameter) => ParameterTreatment;
  /** Gradients are scaled down to this global norm; Infinity for no clipping. */
  readonly maxGradNorm: number;
  readonly policy: DTypePolicy;
  /** Whether a step may consist of several batches. */
  readonly accumulates: boolean;
  /** Compute what is inside layers again in the backward pass, to save memory. */
  readonly recomputeLayers?: boolean | undefined;
  /** Steps from the first that have dropout; those after them are computed without any. All when left out. */
  readonly dropoutSteps?: number | undefined;
  /** Most lanes, which are parts of a batch that run at the same time; 1 when left out. */
  readonly lanes?: number | undefined;
  readonly seed: number;
}

export interface StepFigures {
  /** Σ weight · mean over the loss terms, in nats. */
  readonly loss: number;
  /** Mean of each loss term and metric. */
  readonly means: Readonly<Record<string, number>>;
  /** Global norm of the gradient before clipping. */
  readonly gradientNorm: number;
  readonly work: StepWork;
  /** Parts of a batch that ran at the same time; of the batch with the fewest. */
  readonly lanes: number;
  /** Where the time went: loss and gradients, their norm, the update; in milliseconds. */
  readonly milliseconds: { readonly gradient: number; readonly norm: number; readonly update: number };
}

type Differentiated = Omit<StepFigures, "work" | "milliseconds"> & {
  readonly milliseconds: Omit<StepFigures["milliseconds"], "update">;
};

/** A run that met a loss or gradient that is not a number; the weights are those before the step. */
export class DivergenceError extends FirthError {}

/** Holds weights and optimizer state in the engine and moves them step by step. */
export class TrainStep<M extends Module> {
  readonly store: ModelStore;
  /** In how many lanes a batch runs: 1, or as many as the options say. */
  lanes: number;
  private readonly options: TrainStepOptions<M>;
  /** By how many of `joins` have come, and whether there is dropout. */
  private readonly programs = new Map<string, LossProgram<M>>();
  /** Steps from which more parameters are trained, rising. */
  private readonly joins: readonly number[];
  /** That of the step made last. */
  private program: LossProgram<M>;
  private readonly gradients: GradientSections;
  private readonly updater: Updater;
  /** Resident before there was a store. */
  private readonly processBytes: number;
  private readonly treatments: readonly ParameterTreatment[];
  /** What batches are divided into, where there are lanes. */
  private readonly divided = new WeakMap<Batch, readonly Batch[]>();

  private constructor(
    options: TrainStepOptions<M>,
    parts: Pick<TrainStep<M>, "store"> & {
      readonly gradients: GradientSections;
      readonly updater: Updater;
      readonly processBytes: number;
    },
  ) {
    const { store } = parts;
    this.options = options;
    this.lanes = options.lanes ?? 1;
    this.store = store;
    this.processBytes = parts.processBytes;
    this.gradients = parts.gradients;
    this.updater = parts.updater;
    this.treatments = [...store.parameters].map(([name, parameter]) =>
      parameter.isFixed ? UNMOVED : options.treatment(name, parameter),
    );
    const joins = this.treatments.filter(({ learningRateScale }) => learningRateScale > 0).map(firstStepOf);
    this.joins = [...new Set(joins)].sort((a, b) => a - b);
    this.program = this.programOf(1);
  }

  /** The program of a step, from 1. */
  private programOf(step: number): LossProgram<M> {
    const { options, store, treatments, gradients } = this;
    const { backend, dropoutSteps = Number.POSITIVE_INFINITY, factorsAt } = options;
    const dropout = step <= dropoutSteps;
    const key = `${this.joins.filter((first) => first <= step).length} ${dropout}`;
    const known = this.programs.get(key);
    if (known !== undefined) return known;
    const isTrained = (treatment: ParameterTreatment): boolean =>
      treatment.learningRateScale > 0 && firstStepOf(treatment) <= step;
    const program = new LossProgram(
      { backend, store },
      {
        ...{ ...options, dropout, parameters: store.parameters, addsToGradients: gradients.areAddedTo },
        trainable: store.names.filter((_, i) => isTrained(treatments[i]!)),
        factors: Object.keys(factorsAt?.(1) ?? {}),
      },
    );
    this.programs.set(key, program);
    return program;
  }

  /** Takes the program of a step. Graphs of the one before are freed: a run does not go back. */
  private async enter(step: number): Promise<void> {
    const program = this.programOf(step);
    if (program === this.program) return;
    await this.program.release();
    this.program = program;
  }

  /** @throws {BackendError} LANES_UNSUPPORTED when the engine cannot run so many graphs at the same time */
  static async create<M extends Module>(options: TrainStepOptions<M>): Promise<TrainStep<M>> {
    const { backend, optimizer, accumulates, lanes = 1 } = options;
    requireLanes(backend, lanes);
    const processBytes = residentBytes();
    const gradients = await GradientSections.open(backend, { accumulates, lanes });
    const store = new ModelStore(backend, options.model, [...sectionsOf(optimizer), ...gradients.names]);
    store.write("value", options.weights);
    const decays = [...store.parameters.values()].map((parameter) => parameter.decays);
    const updater = await compileUpdater(backend, optimizer, (index) => decays[index]!);
    return new TrainStep(options, { store, gradients, updater, processBytes });
  }

  /**
   * What of a batch runs at the same time: parts of it, or itself.
   * @throws {BackendError} LANES_UNSUPPORTED
   */
  private lanesOf(batch: Batch): readonly Batch[] {
    if (this.lanes === 1) return [batch];
    const parts = this.divided.get(batch) ?? divideBatch(batch, this.lanes);
    this.divided.set(batch, parts);
    return parts;
  }

  /**
   * The peak of a run whose steps are like this one; undefined when the engine cannot tell.
   * @param options.givesWeights whether the run ends with a copy of the weights for its caller
   */
  estimateMemory(
    batches: readonly Batch[],
    options: { readonly givesWeights?: boolean } = {},
  ): MemoryEstimate | undefined {
    const parts = batches.map((batch) => this.lanesOf(batch));
    const { names, parameters, store } = this.store;
    // The step that trains most, which is the last where parameters join later.
    const program = this.joins.length < 2 ? this.program : this.programOf(this.joins.at(-1)!);
    const memory = new Map(parts.flat().map((batch) => [batch, program.memoryFor(batch)]));
    // What belongs to parameters that do not move is never touched, so it takes no memory; nor does an unused lane.
    const moved = this.movedBy(batches, program);
    const used = store.sections.filter((section) => section !== LANE_SECTION || this.lanes > 1).length;
    const parameterBytes = names.reduce((sum, name) => {
      return sum + 4 * (moved.has(name) ? used : 1) * sizeOf(parameters.get(name)!.shape);
    }, 0);
    const all = names.reduce((sum, name) => sum + 4 * sizeOf(parameters.get(name)!.shape), 0);
    return estimateMemory(parts, (batch) => memory.get(batch), {
      processBytes: this.processBytes,
      parameterBytes,
      copiedBytes: options.givesWeights === true ? all : 0,
    });
  }

  /** The work of a step of these batches. */
  work(batches: readonly Batch[]): StepWork {
    let [executedFlops, usefulFlops] = [0, 0];
    for (const batch of batches.flatMap((whole) => this.lanesOf(whole))) {
      const work = this.program.work(batch);
      executedFlops += work.executedFlops;
      usefulFlops += work.usefulFlops;
    }
    return { executedFlops, usefulFlops };
  }

  /** Parameters that a step of these batches moves; the batches are of one kind. */
  private movedBy(batches: readonly Batch[], program = this.program): ReadonlySet<string> {
    if (batches.some(({ kind }) => kind !== batches[0]!.kind))
      throw internalError("a step of batches of several kinds");
    return program.movedBy(this.lanesOf(batches[0]!)[0]!);
  }

  /** Ranges of neighbouring parameters that these batches move and that are trained alike. */
  private ranges(
    batches: readonly Batch[],
  ): (Pick<SweepRange, "first" | "last"> & { readonly treatment: ParameterTreatment })[] {
    const moved = this.movedBy(batches);
    const ranges: ReturnType<TrainStep<M>["ranges"]> = [];
    this.treatments.forEach((treatment, i) => {
      const last = ranges.at(-1);
      const previous = this.treatments[i - 1];
      if (!moved.has(this.store.names[i]!)) return;
      const alike =
        previous?.learningRateScale === treatment.learningRateScale &&
        previous.weightDecay === treatment.weightDecay &&
        previous.firstStep === treatment.firstStep &&
        previous.ownStep === treatment.ownStep;
      if (alike && last?.last === i) ranges[ranges.length - 1] = { ...last, last: i + 1 };
      else ranges.push({ first: i, last: i + 1, treatment });
    });
    return ranges;
  }

  private allRanges(batches: readonly Batch[]): SweepRange[] {
    return this.ranges(batches).map(({ first, last }) => ({ first, last, scalars: {} }));
  }

  /** Puts the gradient of batches into the section "gradient"; nothing else changes. */
  private async differentiate(batches: readonly Batch[], step: number): Promise<Differentiated> {
    const { store } = this.store;
    const { seed } = this.options;
    const began = performance.now();
    const totals = totalCounts(batches);
    const scales = Object.fromEntries(
      Object.entries(totals).map(([name, total]) => [`scale.${name}`, new Float32Array([total === 0 ? 0 : 1 / total])]),
    );
    const factors = this.options.factorsAt?.(step) ?? {};
    for (const [name, factor] of Object.entries(factors)) scales[`factor.${name}`] = Float32Array.of(factor);
    const sums = new FigureTotals();
    const parts = batches.map((batch) => this.lanesOf(batch));
    await this.enter(step);
    // Which parameters move is known once the graph is there.
    const ranges = this.allRanges(batches);
    await this.gradients.begin(
      store,
      ranges,
      parts.some(({ length }) => length > 1),
    );
    for (const [i, lanes] of parts.entries()) {
      const randomKey = new Uint32Array([foldSeed(seed, `dropout.${step}`), foldSeed(i, `dropout.${step}`)]);
      const running = lanes.map((batch, lane) =>
        this.program.run(batch, { ...scales, randomKey }, this.gradients.sectionOf(i, lane)),
      );
      const figures = await allEnded(running);
      figures.forEach((outputs, lane) => {
        sums.add(outputs, lane === 0 ? batches[i]!.counts : {});
      });
      await this.gradients.endPart(store, ranges, i, lanes.length);
    }
    const { loss, means } = sums.means(this.program.factsOf(parts[0]![0]!), factors);
    const differentiated = performance.now();
    const gradientNorm = await this.gradients.norm(store, ranges);
    return {
      loss,
      means,
      gradientNorm,
      lanes: Math.min(...parts.map(({ length }) => length)),
      milliseconds: { gradient: differentiated - began, norm: performance.now() - differentiated },
    };
  }

  /** Milliseconds that the gradient of a step takes in so many lanes; weights and optimizer state stay as they are. */
  async timeGradient(batches: readonly Batch[], lanes: number): Promise<number> {
    const before = this.lanes;
    this.lanes = lanes;
    const began = performance.now();
    try {
      await this.differentiate(batches, 1);
    } finally {
      this.lanes = before;
    }
    return performance.now() - began;
  }

  /**
   * Makes one step over one or several batches. The loss is normalised by the counts of all of them together,
   * so accumulation gives the gradient of the large batch.
   * @param step the step being made, from 1
   * @throws {DivergenceError} NOT_FINITE before anything is changed
   */
  async run(batches: readonly Batch[], step: number, learningRate: number): Promise<StepFigures> {
    const figures = await this.differentiate(batches, step);
    const measured = performance.now();
    const { loss, gradientNorm } = figures;
    if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm)) {
      throw new DivergenceError(
        `the loss is ${loss} and the gradient norm ${gradientNorm}. The weights are those before this step; lower learningRate or raise warmupSteps.`,
        { code: "NOT_FINITE", path: `step ${step}`, details: { step, loss, gradientNorm } },
      );
    }
    const gradientScale = clipFactor(gradientNorm, this.options.maxGradNorm);
    const updated = this.ranges(batches).map(({ first, last, treatment }): UpdateRange => {
      const { learningRateScale, weightDecay, ownStep } = treatment;
      // Moments begin at 0 in the first step that trains a parameter: corrections for that count from there.
      const own = step - firstStepOf(treatment) + 1;
      const facts: UpdateFacts = {
        learningRate: learningRate * learningRateScale,
        ...{ weightDecay, gradientScale },
        step: ownStep?.(step) ?? own,
      };
      return { first, last, facts };
    });
    await this.updater.run(this.store.store, updated);
    const update = performance.now() - measured;
    return { ...figures, work: this.work(batches), milliseconds: { ...figures.milliseconds, update } };
  }

  /** Frees the graphs that are not those of these batches in the present number of lanes. */
  async releaseOthers(batches: readonly Batch[]): Promise<void> {
    const kept = new Set(batches.flatMap((batch) => this.lanesOf(batch)).map(batchSignature));
    await this.program.release((signature) => kept.has(signature));
  }

  async dispose(): Promise<void> {
    for (const program of this.programs.values()) await program.dispose();
    await this.gradients.dispose();
    await this.updater.dispose();
    this.store.dispose();
  }
}

/** Waits for all to end, then gives all results or throws the first failure: nothing may run on when a step has failed. */
async function allEnded<T>(running: readonly Promise<T>[]): Promise<T[]> {
  const ended = await Promise.allSettled(running);
  return ended.map((result) => {
    if (result.status === "rejected") throw result.reason;
    return result.value;
  });
}
