/** @file One optimizer step: gradients of a batch, clipping, update. Knows neither BERT nor masked words. */

import type { Backend, Partitioning } from "../backend/backend.ts";
import { FirthError, internalError } from "../base/errors.ts";
import { residentBytes } from "../base/machine-memory.ts";
import { foldSeed } from "../base/random.ts";
import type { Batch } from "../data/batch.ts";
import { sizeOf } from "../ir/shape.ts";
import { type Module, namedParameters, type Parameter } from "../nn/module.ts";
import type { Weights } from "../nn/weights.ts";
import type { Objective } from "../objectives/objective.ts";
import type { UpdateRule } from "../optim/update-rule.ts";
import { divideBatch } from "./divide-batch.ts";
import { FigureTotals, totalCounts } from "./figures.ts";
import type { DTypePolicy } from "./forward-graph.ts";
import { LANE_SECTION } from "./gradient-sections.ts";
import { requireLanes } from "./lane-choice.ts";
import { LossProgram } from "./loss-program.ts";
import { estimateMemory, type MemoryEstimate } from "./memory-estimate.ts";
import { ModelStore } from "./model-store.ts";
import { padRows } from "./pad-rows.ts";
import { SeparateStep, type StepInputs, type TreatedRange } from "./separate-step.ts";
import { diverged, type StartedStep, type StepFigures } from "./step-figures.ts";
import { isCut, type StepDivision, sectionSharding, stepPartitioning } from "./step-partitioning.ts";
import { StepPrograms } from "./step-programs.ts";
import { firstStepOf, type ParameterTreatment, trainedAlike, treatmentGroups, UNMOVED } from "./treatment.ts";
import type { StepWork } from "./useful-work.ts";
import { makesWholeSteps, roleOf, type StepRole, WholeStep } from "./whole-step.ts";
import { tracePart, traceWholeStep } from "./whole-step-graph.ts";

export { DivergenceError, type StartedStep, type StepFigures } from "./step-figures.ts";
export type { ParameterTreatment } from "./treatment.ts";

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
  /** Whether several devices divide the optimizer's state among them; true when left out. */
  readonly dividesState?: boolean | undefined;
  readonly seed: number;
}

/** How steps are made, and what they are made on. */
interface StepParts {
  readonly store: ModelStore;
  /** Where the engine makes steps as one graph. */
  readonly whole: WholeStep | undefined;
  /** Where it does not. */
  readonly separate: SeparateStep | undefined;
  /** Where several devices share a step. */
  readonly division: StepDivision | undefined;
  /** Resident before there was a store. */
  readonly processBytes: number;
}

/** Holds weights and optimizer state in the engine and moves them step by step. */
export class TrainStep<M extends Module> {
  /** In how many lanes a batch runs: 1, or as many as the options say. */
  lanes: number;
  private readonly options: TrainStepOptions<M>;
  private readonly parts: StepParts;
  private readonly programs: StepPrograms<M>;
  private readonly treatments: readonly ParameterTreatment[];
  /** Of each parameter, by name: whose treatment it shares. */
  private readonly groups: ReadonlyMap<string, number>;
  /** What batches are divided into, where there are lanes, or padded to, where there are devices. */
  private readonly divided = new WeakMap<Batch, readonly Batch[]>();

  private constructor(options: TrainStepOptions<M>, parts: StepParts) {
    this.options = options;
    this.parts = parts;
    this.lanes = options.lanes ?? 1;
    this.treatments = [...this.store.parameters].map(([name, parameter]) =>
      parameter.isFixed ? UNMOVED : options.treatment(name, parameter),
    );
    const groups = treatmentGroups(this.treatments);
    this.groups = new Map(this.store.names.map((name, i) => [name, groups[i]!]));
    this.programs = new StepPrograms({
      treatments: this.treatments,
      dropoutSteps: options.dropoutSteps ?? Number.POSITIVE_INFINITY,
      mainRole: parts.whole === undefined ? "gradient" : options.accumulates ? "last" : "whole",
      open: (step, role) => this.openProgram(step, role),
    });
  }

  /** @throws {BackendError} LANES_UNSUPPORTED when the engine cannot run so many graphs at the same time */
  static async create<M extends Module>(options: TrainStepOptions<M>): Promise<TrainStep<M>> {
    const { backend, model, optimizer, accumulates, lanes = 1, dividesState: cutsState = true } = options;
    requireLanes(backend, lanes);
    const processBytes = residentBytes();
    const { devices = 1 } = backend;
    const isWhole = makesWholeSteps(backend, optimizer, lanes);
    const decays = [...namedParameters(model).values()].map((parameter) => parameter.decays);
    const facts = { accumulates, lanes, decays: (index: number) => decays[index]! };
    const whole = isWhole ? new WholeStep(backend, optimizer) : undefined;
    const separate = isWhole ? undefined : await SeparateStep.open(backend, optimizer, facts);
    const division = isWhole && devices > 1 ? { devices, cutsState } : undefined;
    const store = new ModelStore(
      backend,
      model,
      whole?.sections(accumulates) ?? separate!.sections,
      division && ((section, { shape }) => sectionSharding(section, shape, division)),
    );
    store.write("value", options.weights);
    return new TrainStep(options, { store, whole, separate, division, processBytes });
  }

  get store(): ModelStore {
    return this.parts.store;
  }

  /** Whether the engine makes a step as one graph. */
  get isWhole(): boolean {
    return this.parts.whole !== undefined;
  }

  /** The program of a step, from 1. */
  private openProgram(step: number, role: StepRole): LossProgram<M> {
    const { options, treatments } = this;
    const { store, whole, separate, division } = this.parts;
    const { backend, dropoutSteps = Number.POSITIVE_INFINITY, factorsAt, optimizer: rule, maxGradNorm } = options;
    const isTrained = (treatment: ParameterTreatment): boolean =>
      treatment.learningRateScale > 0 && firstStepOf(treatment) <= step;
    const hasEarlierParts = role === "middle" || role === "last";
    const addsToGradients = separate?.areAddedTo ?? hasEarlierParts;
    const { parameters } = store;
    const groupOf = (name: string): number => this.groups.get(name)!;
    const facts = { rule, parameters, groupOf, maxGradNorm, hasEarlierParts };
    const makesStep = role === "whole" || role === "last";
    return new LossProgram(
      {
        ...{ backend, store },
        held: (name, type) => whole!.held(name, type),
        partitioning: (graph): Partitioning | undefined => division && stepPartitioning(graph, division),
      },
      {
        ...{ ...options, dropout: step <= dropoutSteps, parameters, addsToGradients },
        trainable: store.names.filter((_, i) => isTrained(treatments[i]!)),
        factors: Object.keys(factorsAt?.(1) ?? {}),
      },
      role === "gradient"
        ? undefined
        : (loss) => (makesStep ? traceWholeStep(loss, facts) : tracePart(loss, hasEarlierParts)),
    );
  }

  /**
   * What of a batch runs at the same time: parts of it, or itself, with empty rows where devices cut it.
   * @throws {BackendError} LANES_UNSUPPORTED
   */
  private lanesOf(batch: Batch): readonly Batch[] {
    const { division } = this.parts;
    if (this.lanes === 1 && division === undefined) return [batch];
    const make = (): readonly Batch[] =>
      division === undefined ? divideBatch(batch, this.lanes) : [padded(batch, division.devices)];
    const parts = this.divided.get(batch) ?? make();
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
    if (this.options.backend.memoryOf === undefined) return undefined;
    const parts = batches.map((batch) => this.lanesOf(batch));
    const { names, parameters, store } = this.store;
    const program = this.programs.largest;
    const memory = new Map(parts.flat().map((batch) => [batch, program.memoryFor(batch)]));
    // What belongs to parameters that do not move is never touched, so it takes no memory; nor does an unused lane.
    const moved = this.movedBy(batches, program);
    const used = store.sections.filter((section) => section !== LANE_SECTION || this.lanes > 1).length;
    const parameterBytes = names.reduce((sum, name) => {
      return sum + 4 * (moved.has(name) ? used : 1) * sizeOf(parameters.get(name)!.shape);
    }, 0);
    const all = names.reduce((sum, name) => sum + 4 * sizeOf(parameters.get(name)!.shape), 0);
    return estimateMemory(parts, (batch) => memory.get(batch), {
      processBytes: this.parts.processBytes,
      parameterBytes,
      copiedBytes: options.givesWeights === true ? all : 0,
    });
  }

  /** The work of a step of these batches. */
  work(batches: readonly Batch[]): StepWork {
    const program = this.programs.of();
    let [executedFlops, usefulFlops] = [0, 0];
    for (const batch of batches.flatMap((whole) => this.lanesOf(whole))) {
      const work = program.work(batch);
      executedFlops += work.executedFlops;
      usefulFlops += work.usefulFlops;
    }
    return { executedFlops, usefulFlops };
  }

  /** Parameters that a step of these batches moves; the batches are of one kind. */
  private movedBy(batches: readonly Batch[], program = this.programs.of()): ReadonlySet<string> {
    if (batches.some(({ kind }) => kind !== batches[0]!.kind))
      throw internalError("a step of batches of several kinds");
    return program.movedBy(this.lanesOf(batches[0]!)[0]!);
  }

  /** Ranges of neighbouring parameters that these batches move and that are trained alike. */
  private ranges(batches: readonly Batch[]): TreatedRange[] {
    const moved = this.movedBy(batches);
    const ranges: TreatedRange[] = [];
    this.treatments.forEach((treatment, i) => {
      const last = ranges.at(-1);
      if (!moved.has(this.store.names[i]!)) return;
      const alike = i > 0 && trainedAlike(this.treatments[i - 1]!, treatment);
      if (alike && last?.last === i) ranges[ranges.length - 1] = { ...last, last: i + 1 };
      else ranges.push({ first: i, last: i + 1, treatment });
    });
    return ranges;
  }

  private inputsOf(batches: readonly Batch[], step: number): StepInputs {
    const { seed, factorsAt } = this.options;
    const factors = factorsAt?.(step) ?? {};
    const scalars: Record<string, number> = {};
    for (const [name, total] of Object.entries(totalCounts(batches))) {
      scalars[`scale.${name}`] = total === 0 ? 0 : 1 / total;
    }
    for (const [name, factor] of Object.entries(factors)) scalars[`factor.${name}`] = factor;
    return {
      ...{ batches, scalars, factors },
      parts: batches.map((batch) => this.lanesOf(batch)),
      randomKey: (part) => new Uint32Array([foldSeed(seed, `dropout.${step}`), foldSeed(part, `dropout.${step}`)]),
    };
  }

  /** A step by separate programs. */
  private async runSeparate(
    batches: readonly Batch[],
    step: number,
    learningRate: number,
    separate: SeparateStep,
  ): Promise<StepFigures> {
    const { store } = this.store;
    const inputs = this.inputsOf(batches, step);
    await this.programs.enter(step);
    // Which parameters move is known once the graph is there.
    const ranges = this.ranges(batches);
    const figures = await separate.differentiate(inputs, this.programs.of(), store, ranges);
    const { loss, gradientNorm } = figures;
    if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm)) throw diverged(step, loss, gradientNorm);
    const { maxGradNorm } = this.options;
    const update = await separate.update(store, ranges, { step, learningRate, gradientNorm, maxGradNorm });
    return { ...figures, work: this.work(batches), milliseconds: { ...figures.milliseconds, update } };
  }

  /** Gives the engine a step that is one graph, or one for each part: figures come when it has made it. */
  private async startWhole(
    batches: readonly Batch[],
    step: number,
    learningRate: number,
    whole: WholeStep,
  ): Promise<StartedStep> {
    const began = performance.now();
    if (batches.length > 1 && !this.options.accumulates) {
      throw internalError("several batches in a step that does not accumulate");
    }
    const { division } = this.parts;
    const { scalars, factors, randomKey, parts: lanes } = this.inputsOf(batches, step);
    const parts = lanes.map(([batch]) => batch!);
    await this.programs.enter(step);
    whole.begin(step);
    const facts = { step, learningRate, treatmentOf: (group: number) => this.treatments[group]! };
    let results: Awaited<ReturnType<LossProgram<M>["start"]>>["results"] | undefined;
    let program = this.programs.of();
    for (const [i, batch] of parts.entries()) {
      program = this.programs.of(step, roleOf(i, parts.length));
      const vector = whole.scalars(program.scalarsOf(batch), scalars, facts);
      ({ results } = await program.start(batch, { scalars: vector, randomKey: randomKey(i) }));
    }
    const described = program.factsOf(parts.at(-1)!);
    const devices = parts.every((batch) => isCut(batch, division)) ? (division?.devices ?? 1) : 1;
    const work = this.work(batches);
    const finish = async (): Promise<StepFigures> => {
      const { figures: vector } = await results!;
      const { sums, gradientNorm, isMade } = whole.figures(
        vector!,
        described.map(({ name }) => name),
        step,
      );
      const totals = new FigureTotals();
      for (const [i, { counts }] of batches.entries()) totals.add(i === 0 ? sums : {}, counts);
      const { loss, means } = totals.means(described, factors);
      if (!isMade || !Number.isFinite(loss) || !Number.isFinite(gradientNorm)) throw diverged(step, loss, gradientNorm);
      return {
        ...{ loss, means, gradientNorm, work, lanes: 1, devices, isWhole: true },
        milliseconds: { gradient: performance.now() - began, norm: 0, update: 0 },
      };
    };
    const figures = finish();
    // Whoever asks for them is told; a step that was started behind one that failed may be asked by nobody.
    figures.catch(() => undefined);
    return { isAhead: true, figures };
  }

  /**
   * Starts one step over one or several batches. The loss is normalised by the counts of all of them together, so
   * accumulation gives the gradient of the large batch. On engines that make steps as one graph the figures come later.
   * @param step the step being made, from 1
   */
  async start(batches: readonly Batch[], step: number, learningRate: number): Promise<StartedStep> {
    const { whole, separate } = this.parts;
    if (whole !== undefined) return this.startWhole(batches, step, learningRate, whole);
    const figures = await this.runSeparate(batches, step, learningRate, separate!);
    return { isAhead: false, figures: Promise.resolve(figures) };
  }

  /**
   * Makes one step and waits for its figures, see `start`.
   * @throws {DivergenceError} NOT_FINITE before anything is changed
   */
  async run(batches: readonly Batch[], step: number, learningRate: number): Promise<StepFigures> {
    const { figures } = await this.start(batches, step, learningRate);
    return figures;
  }

  async dispose(): Promise<void> {
    await this.programs.dispose();
    await this.parts.separate?.dispose();
    this.parts.whole?.dispose();
    this.store.dispose();
  }
}

/** A batch with rows that divide; as it is where its tensors are of unknown meaning. */
function padded(batch: Batch, devices: number): Batch {
  try {
    return padRows(batch, devices);
  } catch (error) {
    if (error instanceof FirthError && error.code === "LANES_UNSUPPORTED") return batch;
    throw error;
  }
}
