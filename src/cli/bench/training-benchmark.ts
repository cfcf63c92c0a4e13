/** @file Times whole training steps of a model on random ids, and the engine's own matrix product between them. */
import type { Backend } from "../../backend/backend.ts";
import type { Batch } from "../../data/batch.ts";
import type { ComputeDType } from "../../ir/dtype.ts";
import type { PretrainingModel } from "../../models/model.ts";
import { adamW } from "../../optim/adamw.ts";
import { type MemoryEstimate, requireMemory } from "../../train/memory-estimate.ts";
import { TrainStep } from "../../train/train-step.ts";
import type { StepWork } from "../../train/useful-work.ts";
import { peakRssBytes } from "../steps.ts";
import { EngineClock, timedBackend } from "./timed-backend.ts";
import { type TrainingTaskOptions, trainingTask } from "./training-task.ts";

export interface BenchmarkOptions extends Omit<TrainingTaskOptions, "seed"> {
  /** Layers are computed again in the backward pass. */
  readonly recompute?: boolean;
  /** Parts of the batch that run at the same time; 1 when left out. */
  readonly lanes?: number;
  readonly backend: Backend;
  readonly dtype: ComputeDType;
}

/** Figures of the steps made so far; times are medians. */
export interface BenchmarkFigures {
  readonly tokensPerSecond: number;
  readonly stepMs: number;
  readonly allStepMs: readonly number[];
  /** Rate of the matrix products in the step's graph, over the whole step; 10⁹ operations a second. */
  readonly matmulGflops: number;
  /** Rate of one large product alone in the same engine, measured between the steps. */
  readonly engineGemmGflops: number;
  readonly fractionOfGemm: number;
  /** The update sweep, clipping factor included. */
  readonly optimizerNsPerParameter: number;
  /** The sweep that measures the gradient's norm. */
  readonly normNsPerParameter: number;
  /** Share of the step in which the engine runs neither graph nor sweep: batches, buffers, calls. */
  readonly outsideEngine: number;
  readonly parameters: number;
  readonly peakRssBytes: number;
  /** The peak that was foretold, by what it is for; undefined when the engine cannot tell. */
  readonly memory: MemoryEstimate | undefined;
  /** Operations that the tokens need and that are computed, one step. */
  readonly work: StepWork;
  readonly losses: readonly number[];
}

const SEED = 1;

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** A model, its batch and its optimizer, ready to make steps. */
export class TrainingBenchmark {
  readonly parameters: number;
  /** Entries of the vocabulary. */
  readonly vocab: number;
  private readonly options: BenchmarkOptions;
  private readonly step: TrainStep<PretrainingModel>;
  private readonly batch: Batch;
  /** See `BenchmarkFigures`. */
  readonly memory: MemoryEstimate | undefined;
  private readonly work: StepWork;
  private readonly clock: EngineClock;
  private made = 0;
  private readonly times: number[] = [];
  private readonly rates: number[] = [];
  private readonly updateMs: number[] = [];
  private readonly normMs: number[] = [];
  private readonly outside: number[] = [];
  private readonly losses: number[] = [];

  private constructor(
    options: BenchmarkOptions & { readonly vocab: number },
    step: TrainStep<PretrainingModel>,
    batch: Batch,
    memory: MemoryEstimate | undefined,
    clock: EngineClock,
  ) {
    this.options = options;
    this.vocab = options.vocab;
    this.step = step;
    this.batch = batch;
    this.memory = memory;
    this.work = step.work([batch]);
    this.clock = clock;
    this.parameters = [...step.store.parameters.values()].reduce(
      (sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1),
      0,
    );
  }

  static async open(options: BenchmarkOptions): Promise<TrainingBenchmark> {
    const clock = new EngineClock();
    const backend = timedBackend(options.backend, clock);
    const { state, objective, batch, vocab } = trainingTask({ ...options, seed: SEED });
    const policy = { compute: options.dtype };
    const step = await TrainStep.create({
      backend,
      model: state.module,
      weights: state.weights,
      loss: objective.loss,
      optimizer: adamW({ beta1: 0.9, beta2: 0.999, epsilon: 1e-6 }),
      treatment: (_, parameter) => ({ learningRateScale: 1, weightDecay: parameter.decays ? 0.01 : 0 }),
      maxGradNorm: 1,
      policy,
      accumulates: false,
      recomputeLayers: options.recompute,
      lanes: options.lanes,
      seed: SEED,
    });
    const memory = step.estimateMemory([batch]);
    if (memory !== undefined) requireMemory(memory, { recomputeLayers: options.recompute ?? false });
    return new TrainingBenchmark({ ...options, vocab }, step, batch, memory, clock);
  }

  /** Makes one step, and before it measures the engine's own rate; steps of the warm-up are not counted. */
  async make(isCounted: boolean): Promise<number> {
    const { gemmGflops } = await this.options.backend.probe(this.options.dtype);
    const worked = this.clock.milliseconds;
    const started = performance.now();
    const { loss, milliseconds } = await this.step.run([this.batch], ++this.made, 1e-4);
    const stepMs = performance.now() - started;
    if (isCounted) {
      this.times.push(stepMs);
      this.rates.push(gemmGflops);
      this.updateMs.push(milliseconds.update);
      this.normMs.push(milliseconds.norm);
      this.outside.push(1 - (this.clock.milliseconds - worked) / stepMs);
      this.losses.push(loss);
    }
    return stepMs;
  }

  figures(): BenchmarkFigures {
    const stepMs = median(this.times);
    const matmulGflops = this.work.usefulFlops / (stepMs * 1e6);
    const engineGemmGflops = median(this.rates);
    return {
      tokensPerSecond: (this.batch.numTokens * 1000) / stepMs,
      stepMs,
      allStepMs: this.times,
      matmulGflops,
      engineGemmGflops,
      fractionOfGemm: matmulGflops / engineGemmGflops,
      optimizerNsPerParameter: (median(this.updateMs) * 1e6) / this.parameters,
      normNsPerParameter: (median(this.normMs) * 1e6) / this.parameters,
      outsideEngine: median(this.outside),
      parameters: this.parameters,
      peakRssBytes: peakRssBytes(),
      memory: this.memory,
      work: this.work,
      losses: this.losses,
    };
  }

  async dispose(): Promise<void> {
    await this.step.dispose();
  }
}
