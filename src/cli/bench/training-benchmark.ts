/** @file Times whole training steps of BERT on random ids, and the engine's own matrix product between them. */
import type { Backend } from "../../backend/backend.ts";
import { Random } from "../../base/random.ts";
import type { Batch } from "../../data/batch.ts";
import type { ComputeDType, HostTensor } from "../../ir/dtype.ts";
import { bertConfig } from "../../models/bert/config.ts";
import { bert } from "../../models/bert/family.ts";
import { maskedLanguageModeling } from "../../objectives/masked-language-modeling.ts";
import { adamW } from "../../optim/adamw.ts";
import { WordPiece } from "../../tokenizers/wordpiece.ts";
import { type MemoryEstimate, requireMemory } from "../../train/memory-estimate.ts";
import { TrainStep } from "../../train/train-step.ts";
import type { StepWork } from "../../train/useful-work.ts";
import { peakRssBytes } from "../steps.ts";
import { EngineClock, timedBackend } from "./timed-backend.ts";

export interface BenchmarkOptions {
  /** A size of BERT: `base`, `mini`, … */
  readonly preset: string;
  /** Transformer layers, instead of the size's own. */
  readonly layers?: number | undefined;
  readonly vocab: number;
  readonly batch: number;
  readonly seq: number;
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
/** Ignored by crossEntropy. */
const UNSCORED = -100;

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The objective's batch tensors with random ids: no padding, a loss at 15 % of every row's places. */
function randomBatch(vocab: number, batch: number, seq: number): Batch {
  const random = new Random(SEED, "benchmark");
  const places = batch * seq;
  const scoredPerRow = Math.floor(0.15 * seq);
  const tensor = (shape: number[], fill: (i: number) => number): HostTensor => ({
    dtype: "i32",
    shape,
    data: Int32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => fill(i)),
  });
  const scored = Array.from({ length: batch }, (_, row) => {
    const order = Array.from({ length: seq }, (_, place) => ({ place, rank: random.next() }));
    const chosen = order.sort((a, b) => a.rank - b.rank).slice(0, scoredPerRow);
    return chosen.map(({ place }) => row * seq + place).sort((a, b) => a - b);
  }).flat();
  const scoredPlaces = [scored.length];
  return {
    tensors: {
      inputIds: tensor([batch, seq], () => random.nextInt(vocab)),
      sequenceIds: tensor([batch, seq], () => 1),
      positionIds: tensor([batch, seq], (i) => i % seq),
      tokenTypeIds: tensor([batch, seq], (i) => Number(i % seq >= seq / 2)),
      maskedPositions: tensor(scoredPlaces, (i) => scored[i]!),
      maskedLabels: tensor(scoredPlaces, () => random.nextInt(vocab)),
    },
    lists: { maskedPositions: { count: scored.length, beside: { maskedLabels: UNSCORED } } },
    counts: { maskedTokens: scored.length },
    numSequences: batch,
    numTokens: places,
    numPlaces: places,
  };
}

/** A vocabulary of the right size: the objective asks its tokenizer for nothing else here. */
function placeholderTokenizer(vocab: number): WordPiece {
  const special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
  return WordPiece.fromVocabulary([...special, ...Array.from({ length: vocab - special.length }, (_, i) => `t${i}`)]);
}

/** A model, its batch and its optimizer, ready to make steps. */
export class TrainingBenchmark {
  readonly parameters: number;
  private readonly options: BenchmarkOptions;
  private readonly step: TrainStep<ReturnType<typeof bert>["module"]>;
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
    options: BenchmarkOptions,
    step: TrainStep<ReturnType<typeof bert>["module"]>,
    batch: Batch,
    memory: MemoryEstimate | undefined,
    clock: EngineClock,
  ) {
    this.options = options;
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
    const { preset, layers, vocab, seq } = options;
    const clock = new EngineClock();
    const backend = timedBackend(options.backend, clock);
    const config = bertConfig({
      preset,
      ...(layers === undefined ? {} : { numHiddenLayers: layers }),
      vocabSize: vocab,
      maxPositionEmbeddings: Math.max(512, seq),
    });
    const { module, weights } = bert(config, { seed: SEED });
    const { loss } = maskedLanguageModeling({ tokenizer: placeholderTokenizer(vocab), maxSeqLength: seq });
    const batch = randomBatch(vocab, options.batch, seq);
    const policy = { compute: options.dtype };
    const step = await TrainStep.create({
      backend,
      model: module,
      weights,
      loss,
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
    return new TrainingBenchmark(options, step, batch, memory, clock);
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
