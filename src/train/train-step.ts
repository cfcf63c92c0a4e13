/** @file One optimizer step: gradients of a batch, clipping, update. Knows neither BERT nor masked words. */

import type { Backend, Sweep, SweepRange } from "../backend/backend.ts";
import { FirthError, internalError } from "../base/errors.ts";
import { residentBytes } from "../base/machine-memory.ts";
import { foldSeed } from "../base/random.ts";
import { type Batch, batchSignature } from "../data/batch.ts";
import { type FlopsByGrowth, flopsByGrowth } from "../ir/flops.ts";
import { sizeOf } from "../ir/shape.ts";
import type { Module, Parameter } from "../nn/module.ts";
import type { Weights } from "../nn/weights.ts";
import type { Objective } from "../objectives/objective.ts";
import {
  accumulateProgram,
  clearProgram,
  sectionsOf,
  squaredNormProgram,
  type UpdateFacts,
  type UpdateRule,
} from "../optim/update-rule.ts";
import { compileUpdater, type UpdateRange, type Updater } from "../optim/updater.ts";
import { BatchProgram } from "./batch-program.ts";
import { FigureTotals, totalCounts } from "./figures.ts";
import type { DTypePolicy } from "./forward-graph.ts";
import { type FigureFacts, traceLoss } from "./loss-graph.ts";
import { estimateMemory, type MemoryEstimate } from "./memory-estimate.ts";
import { ModelStore } from "./model-store.ts";
import { type StepWork, workOf } from "./useful-work.ts";

/** How one parameter is trained. */
export interface ParameterTreatment {
  /** Multiplies the learning rate; 0 freezes the parameter: no gradient is computed for it. */
  readonly learningRateScale: number;
  readonly weightDecay: number;
}

export interface TrainStepOptions<M extends Module> {
  readonly backend: Backend;
  readonly model: M;
  readonly weights: Weights;
  readonly loss: Objective<never, M>["loss"];
  readonly optimizer: UpdateRule;
  readonly treatment: (name: string, parameter: Parameter) => ParameterTreatment;
  /** Gradients are scaled down to this global norm; Infinity for no clipping. */
  readonly maxGradNorm: number;
  readonly policy: DTypePolicy;
  /** Whether a step may consist of several batches. */
  readonly accumulates: boolean;
  /** Compute what is inside layers again in the backward pass, to save memory. */
  readonly recomputeLayers?: boolean | undefined;
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
  /** Where the time went: loss and gradients, their norm, the update; in milliseconds. */
  readonly milliseconds: { readonly gradient: number; readonly norm: number; readonly update: number };
}

/** A run that met a loss or gradient that is not a number; the weights are those before the step. */
export class DivergenceError extends FirthError {}

/** Holds weights and optimizer state in the engine and moves them step by step. */
export class TrainStep<M extends Module> {
  readonly store: ModelStore;
  private readonly options: TrainStepOptions<M>;
  private readonly program: BatchProgram;
  /** Resident before there was a store. */
  private readonly processBytes: number;
  /** Work of the graphs for batches of every shape, with and without recomputation. */
  private readonly flops = new Map<string, { readonly executed: FlopsByGrowth; readonly once: FlopsByGrowth }>();
  private facts: readonly FigureFacts[] = [];
  /** Parameters that the loss depends on and that are not frozen; no others change, not even by weight decay. */
  private moved: ReadonlySet<string> = new Set();
  private readonly sweeps: {
    readonly update: Updater;
    readonly norm: Sweep;
    /** Before the first part, where the engine adds to gradients in place. */
    readonly clear: Sweep | undefined;
    /** After every further part, where it does not. */
    readonly accumulate: Sweep | undefined;
  };
  private readonly treatments: readonly ParameterTreatment[];

  private constructor(
    options: TrainStepOptions<M>,
    store: ModelStore,
    processBytes: number,
    sweeps: TrainStep<M>["sweeps"],
  ) {
    this.options = options;
    this.store = store;
    this.processBytes = processBytes;
    this.sweeps = sweeps;
    this.treatments = [...store.parameters].map(([name, parameter]) => options.treatment(name, parameter));
    const trainable = store.names.filter((_, i) => this.treatments[i]!.learningRateScale > 0);
    this.program = new BatchProgram({
      backend: options.backend,
      store,
      trace: (batch) => {
        const addsToGradients = sweeps.clear !== undefined;
        const lossOptions = { ...options, parameters: store.parameters, trainable, addsToGradients };
        const { graph, facts, differentiated } = traceLoss(batch, lossOptions);
        const executed = flopsByGrowth(graph);
        const once = options.recomputeLayers
          ? flopsByGrowth(traceLoss(batch, { ...lossOptions, recomputeLayers: false }).graph)
          : executed;
        this.flops.set(batchSignature(batch), { executed, once });
        this.facts = facts;
        this.moved = new Set(differentiated);
        return graph;
      },
    });
  }

  static async create<M extends Module>(options: TrainStepOptions<M>): Promise<TrainStep<M>> {
    const { backend, optimizer, accumulates } = options;
    const processBytes = residentBytes();
    const addsInPlace = accumulates && backend.addsInPlace === true;
    const addsParts = accumulates && !addsInPlace;
    const sections = [...sectionsOf(optimizer), ...(addsParts ? ["part"] : [])];
    const store = new ModelStore(backend, options.model, sections);
    store.write("value", options.weights);
    const decays = [...store.parameters.values()].map((parameter) => parameter.decays);
    return new TrainStep(options, store, processBytes, {
      update: await compileUpdater(backend, optimizer, (index) => decays[index]!),
      norm: await backend.compileSweep(squaredNormProgram()),
      clear: addsInPlace ? await backend.compileSweep(clearProgram()) : undefined,
      accumulate: addsParts ? await backend.compileSweep(accumulateProgram()) : undefined,
    });
  }

  /**
   * The peak of a run whose steps are like this one; undefined when the engine cannot tell.
   * @param options.givesWeights whether the run ends with a copy of the weights for its caller
   */
  estimateMemory(
    batches: readonly Batch[],
    options: { readonly givesWeights?: boolean } = {},
  ): MemoryEstimate | undefined {
    const memory = new Map(batches.map((batch) => [batch, this.program.memoryFor(batch)]));
    const { names, parameters, store } = this.store;
    // What belongs to parameters that do not move is never touched, so it takes no memory.
    const parameterBytes = names.reduce((sum, name) => {
      const sections = this.moved.has(name) ? store.sections.length : 1;
      return sum + 4 * sections * sizeOf(parameters.get(name)!.shape);
    }, 0);
    const all = names.reduce((sum, name) => sum + 4 * sizeOf(parameters.get(name)!.shape), 0);
    return estimateMemory(batches, (batch) => memory.get(batch), {
      processBytes: this.processBytes,
      parameterBytes,
      copiedBytes: options.givesWeights === true ? all : 0,
    });
  }

  /** The work of a step of these batches. */
  work(batches: readonly Batch[]): StepWork {
    let [executedFlops, usefulFlops] = [0, 0];
    for (const batch of batches) {
      this.program.graphFor(batch);
      const { executed, once } = this.flops.get(batchSignature(batch))!;
      const work = workOf(batch, executed, once);
      executedFlops += work.executedFlops;
      usefulFlops += work.usefulFlops;
    }
    return { executedFlops, usefulFlops };
  }

  /** Ranges of neighbouring parameters that are trained alike. */
  private ranges(): (Pick<SweepRange, "first" | "last"> & { readonly treatment: ParameterTreatment })[] {
    const ranges: ReturnType<TrainStep<M>["ranges"]> = [];
    this.treatments.forEach((treatment, i) => {
      const last = ranges.at(-1);
      const previous = this.treatments[i - 1];
      if (!this.moved.has(this.store.names[i]!)) return;
      const alike =
        previous?.learningRateScale === treatment.learningRateScale && previous.weightDecay === treatment.weightDecay;
      if (alike && last?.last === i) ranges[ranges.length - 1] = { ...last, last: i + 1 };
      else ranges.push({ first: i, last: i + 1, treatment });
    });
    return ranges;
  }

  /**
   * Makes one step over one or several batches. The loss is normalised by the counts of all of them together,
   * so accumulation gives the gradient of the large batch.
   * @param step the step being made, from 1
   * @throws {DivergenceError} NOT_FINITE before anything is changed
   */
  async run(batches: readonly Batch[], step: number, learningRate: number): Promise<StepFigures> {
    const { store } = this.store;
    const { maxGradNorm, seed } = this.options;
    const began = performance.now();
    const totals = totalCounts(batches);
    const scales = Object.fromEntries(
      Object.entries(totals).map(([name, total]) => [`scale.${name}`, new Float32Array([total === 0 ? 0 : 1 / total])]),
    );
    const sums = new FigureTotals();
    const all = (): SweepRange[] => this.ranges().map(({ first, last }) => ({ first, last, scalars: {} }));
    if (this.sweeps.clear !== undefined) {
      // Which parameters move is known once the graph is there.
      this.program.graphFor(batches[0]!);
      await this.sweeps.clear.run(store, all());
    }
    for (const [i, batch] of batches.entries()) {
      const randomKey = new Uint32Array([foldSeed(seed, `dropout.${step}`), foldSeed(i, `dropout.${step}`)]);
      const section = i > 0 && this.sweeps.clear === undefined ? "part" : "gradient";
      sums.add(await this.program.run(batch, { ...scales, randomKey }, section), batch.counts);
      if (section === "part") await this.requireAccumulation().run(store, all());
    }
    const { loss, means } = sums.means(this.facts);
    const differentiated = performance.now();
    const { squares } = await this.sweeps.norm.run(store, all());
    const gradientNorm = Math.sqrt(squares!);
    const measured = performance.now();
    if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm)) {
      throw new DivergenceError(
        `the loss is ${loss} and the gradient norm ${gradientNorm}. The weights are those before this step; lower learningRate or raise warmupSteps.`,
        { code: "NOT_FINITE", path: `step ${step}`, details: { step, loss, gradientNorm } },
      );
    }
    // The same small constant as PyTorch's clip_grad_norm_.
    const gradientScale = Math.min(1, maxGradNorm / (gradientNorm + 1e-6));
    const updated = this.ranges().map(({ first, last, treatment }): UpdateRange => {
      const { learningRateScale, weightDecay } = treatment;
      const facts: UpdateFacts = { learningRate: learningRate * learningRateScale, weightDecay, gradientScale, step };
      return { first, last, facts };
    });
    await this.sweeps.update.run(store, updated);
    const milliseconds = {
      gradient: differentiated - began,
      norm: measured - differentiated,
      update: performance.now() - measured,
    };
    return { loss, means, gradientNorm, work: this.work(batches), milliseconds };
  }

  private requireAccumulation(): Sweep {
    if (this.sweeps.accumulate === undefined) throw internalError("several batches in a step that does not accumulate");
    return this.sweeps.accumulate;
  }

  async dispose(): Promise<void> {
    await this.program.dispose();
    for (const sweep of Object.values(this.sweeps)) await sweep?.dispose();
    this.store.dispose();
  }
}
