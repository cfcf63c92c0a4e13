/** @file What a training step needs that is one graph: what is carried from run to run, and figures out of one vector. */
import type { Backend, Buffer } from "../backend/backend.ts";
import { internalError } from "../base/errors.ts";
import type { HostData, TensorType } from "../ir/dtype.ts";
import { formatType, tensorType } from "../ir/shape.ts";
import type { UpdateRule } from "../optim/update-rule.ts";
import { type ParameterTreatment, updateFacts } from "./treatment.ts";
import { isExpressible, ruleScalars, type StepScalar } from "./whole-step-graph.ts";

/**
 * What of a step a program makes: the gradient alone; the whole; or, of a step of several parts, the first, a middle one,
 * or the last, which makes the step.
 */
export type StepRole = "gradient" | "whole" | "first" | "middle" | "last";

/** Figures of a step as the graph gives them. */
export interface WholeFigures {
  /** Sums, called `figure.<name>`. */
  readonly sums: Readonly<Record<string, HostData>>;
  readonly gradientNorm: number;
  /** Whether weights and state were moved. */
  readonly isMade: boolean;
}

/** Whether an engine is to make steps of a rule as one graph; otherwise it runs gradients, norm and update by themselves. */
export function makesWholeSteps(backend: Backend, rule: UpdateRule, lanes: number): boolean {
  return backend.wholeSteps === true && backend.donates === true && lanes === 1 && isExpressible(rule);
}

/** Which program makes a part of a step. */
export function roleOf(part: number, parts: number): StepRole {
  if (parts === 1) return "whole";
  if (part === 0) return "first";
  return part === parts - 1 ? "last" : "middle";
}

const SOUND = "carried.sound";

/** The parts of a step that are neither parameters nor of a batch. */
export class WholeStep {
  private readonly backend: Backend;
  private readonly rule: UpdateRule;
  /** By name and type: steps of other kinds of batches have other figures. */
  private readonly carried = new Map<string, Buffer>();
  /** The first step that was not made, where there is one: the engine makes none behind it until it is asked for again. */
  private failedStep: number | undefined;

  constructor(backend: Backend, rule: UpdateRule) {
    this.backend = backend;
    this.rule = rule;
  }

  /**
   * Sections of the store: gradients need memory only where parts are added up.
   * @param accumulates whether a step may have several parts
   */
  sections(accumulates: boolean): string[] {
    return ["value", ...(accumulates ? ["gradient"] : []), ...this.rule.state];
  }

  /** The buffer of a graph's input or output that goes from one run to the next. */
  held(name: string, type: TensorType): Buffer {
    const key = `${name} ${formatType(type)}`;
    const known = this.carried.get(key);
    if (known !== undefined) return known;
    const buffer = this.backend.allocate(tensorType(type.dtype, type.shape));
    if (name === SOUND) buffer.write(Float32Array.of(1));
    this.carried.set(key, buffer);
    return buffer;
  }

  /** Before a step: one that was not made may be tried again, and those behind it. */
  begin(step: number): void {
    if (this.failedStep === undefined || step > this.failedStep) return;
    for (const [key, buffer] of this.carried) if (key.startsWith(SOUND)) buffer.write(Float32Array.of(1));
    this.failedStep = undefined;
  }

  /**
   * The vector of a graph's scalars.
   * @param given the loss graph's own
   * @param facts.treatmentOf how the parameters of a group are trained
   */
  scalars(
    layout: readonly StepScalar[],
    given: Readonly<Record<string, number>>,
    facts: {
      readonly step: number;
      readonly learningRate: number;
      readonly treatmentOf: (group: number) => ParameterTreatment;
    },
  ): Float32Array {
    const { step, learningRate, treatmentOf } = facts;
    const groups = new Map<number, Readonly<Record<string, number>>>();
    const ofGroup = (group: number): Readonly<Record<string, number>> => {
      const known = groups.get(group) ?? ruleScalars(this.rule, updateFacts(treatmentOf(group), step, learningRate));
      groups.set(group, known);
      return known;
    };
    return Float32Array.from(layout, (entry) => {
      const value = "loss" in entry ? given[entry.loss] : ofGroup(entry.group)[entry.name];
      if (value === undefined) throw internalError(`a step lacks the scalar ${JSON.stringify(entry)}`);
      return value;
    });
  }

  /** Takes the figures of a step apart. @param names of the sums, in the graph's order */
  figures(figures: HostData, names: readonly string[], step: number): WholeFigures {
    const sums = names.map((name, i) => [`figure.${name}`, figures.slice(i, i + 1)] as const);
    const isMade = figures[names.length + 1] === 1;
    if (!isMade) this.failedStep = Math.min(this.failedStep ?? step, step);
    return { sums: Object.fromEntries(sums), gradientNorm: figures[names.length]!, isMade };
  }

  dispose(): void {
    for (const buffer of this.carried.values()) buffer.dispose();
  }
}
