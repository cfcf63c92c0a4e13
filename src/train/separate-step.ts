/** @file A step by programs that run one after the other: gradients of its parts, their norm, the update. */
import type { Backend, ParameterStore, SweepRange } from "../backend/backend.ts";
import type { Batch } from "../data/batch.ts";
import type { HostData } from "../ir/dtype.ts";
import type { Module } from "../nn/module.ts";
import { clipFactor, sectionsOf, type UpdateRule } from "../optim/update-rule.ts";
import { compileUpdater, type UpdateRange, type Updater } from "../optim/updater.ts";
import { FigureTotals } from "./figures.ts";
import { GradientSections } from "./gradient-sections.ts";
import type { LossProgram } from "./loss-program.ts";
import type { StepFigures } from "./step-figures.ts";
import { type ParameterTreatment, updateFacts } from "./treatment.ts";

/** What of a step is the same however it is made. */
export interface StepInputs {
  readonly batches: readonly Batch[];
  /** Of each batch what runs at the same time. */
  readonly parts: readonly (readonly Batch[])[];
  /** Inputs of loss graphs by name. */
  readonly scalars: Readonly<Record<string, number>>;
  /** Factors of loss terms that have one beside their weight. */
  readonly factors: Readonly<Record<string, number>>;
  readonly randomKey: (part: number) => Uint32Array;
}

/** Neighbouring parameters that are trained alike. */
export interface TreatedRange extends Pick<SweepRange, "first" | "last"> {
  readonly treatment: ParameterTreatment;
}

type Differentiated = Omit<StepFigures, "work" | "milliseconds"> & {
  readonly milliseconds: Omit<StepFigures["milliseconds"], "update">;
};

const whole = (ranges: readonly TreatedRange[]): SweepRange[] =>
  ranges.map(({ first, last }) => ({ first, last, scalars: {} }));

/** The sweeps of a step. */
export class SeparateStep {
  /** Sections of the store. */
  readonly sections: readonly string[];
  private readonly gradients: GradientSections;
  private readonly updater: Updater;

  private constructor(sections: readonly string[], gradients: GradientSections, updater: Updater) {
    this.sections = sections;
    this.gradients = gradients;
    this.updater = updater;
  }

  /** @param facts.decays whether weight decay applies to a parameter of the store, by its index */
  static async open(
    backend: Backend,
    rule: UpdateRule,
    facts: { readonly accumulates: boolean; readonly lanes: number; readonly decays: (index: number) => boolean },
  ): Promise<SeparateStep> {
    const gradients = await GradientSections.open(backend, facts);
    const updater = await compileUpdater(backend, rule, facts.decays);
    return new SeparateStep([...sectionsOf(rule), ...gradients.names], gradients, updater);
  }

  /** Whether loss graphs add their gradients to what is in a section. */
  get areAddedTo(): boolean {
    return this.gradients.areAddedTo;
  }

  /** Puts the gradient of batches into the section "gradient"; nothing else changes. */
  async differentiate<M extends Module>(
    { batches, parts, scalars, factors, randomKey }: StepInputs,
    program: LossProgram<M>,
    store: ParameterStore,
    treated: readonly TreatedRange[],
  ): Promise<Differentiated> {
    const began = performance.now();
    const { gradients } = this;
    const ranges = whole(treated);
    const given: Record<string, HostData> = {};
    for (const [name, value] of Object.entries(scalars)) given[name] = Float32Array.of(value);
    const sums = new FigureTotals();
    await gradients.begin(
      store,
      ranges,
      parts.some(({ length }) => length > 1),
    );
    for (const [i, lanes] of parts.entries()) {
      const key = randomKey(i);
      const running = lanes.map((batch, lane) =>
        program.run(batch, { ...given, randomKey: key }, gradients.sectionOf(i, lane)),
      );
      const figures = await allEnded(running);
      figures.forEach((outputs, lane) => {
        sums.add(outputs, lane === 0 ? batches[i]!.counts : {});
      });
      await gradients.endPart(store, ranges, i, lanes.length);
    }
    const { loss, means } = sums.means(program.factsOf(parts[0]![0]!), factors);
    const differentiated = performance.now();
    const gradientNorm = await gradients.norm(store, ranges);
    return {
      ...{ loss, means, gradientNorm },
      lanes: Math.min(...parts.map(({ length }) => length)),
      ...{ devices: 1, isWhole: false },
      milliseconds: { gradient: differentiated - began, norm: performance.now() - differentiated },
    };
  }

  /** Moves the weights by the gradient. @returns milliseconds */
  async update(
    store: ParameterStore,
    treated: readonly TreatedRange[],
    facts: {
      readonly step: number;
      readonly learningRate: number;
      readonly gradientNorm: number;
      readonly maxGradNorm: number;
    },
  ): Promise<number> {
    const began = performance.now();
    const { step, learningRate } = facts;
    const gradientScale = clipFactor(facts.gradientNorm, facts.maxGradNorm);
    const ranges = treated.map(
      ({ first, last, treatment }): UpdateRange => ({
        ...{ first, last },
        facts: { ...updateFacts(treatment, step, learningRate), gradientScale },
      }),
    );
    await this.updater.run(store, ranges);
    return performance.now() - began;
  }

  async dispose(): Promise<void> {
    await this.gradients.dispose();
    await this.updater.dispose();
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
