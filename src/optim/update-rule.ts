import type { SweepProgram } from "../backend/backend.ts";
import { tensorType } from "../ir/shape.ts";
import { add, constant, mul } from "../tensor/elementwise.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { trace } from "../tensor/trace.ts";

export interface UpdateFacts {
  readonly learningRate: number;
  readonly weightDecay: number;
  /** What gradients are multiplied with before anything else: the clipping factor. */
  readonly gradientScale: number;
  /** The step being made, from 1. */
  readonly step: number;
}

type Scalars = Readonly<Record<string, Tensor>>;

/** How one weight moves: a pure function of scalars, which engines map over all parameters in one sweep. */
export interface UpdateRule {
  readonly name: string;
  /** Sections of optimizer state, zero at the start. */
  readonly state: readonly string[];
  /** What the rule needs to know at a step; worked out in double precision on the host. */
  readonly scalars: (facts: UpdateFacts) => Readonly<Record<string, number>>;
  /** @param x `value`, `gradient` and the state; @returns new `value` and state */
  readonly update: (x: Scalars, scalars: Scalars) => Scalars;
}

const scalar = tensorType("f32", []);

/** The sections a store needs for a rule. */
export function sectionsOf(rule: UpdateRule): string[] {
  return ["value", "gradient", ...rule.state];
}

/** The sweep of an update rule over the sections of `sectionsOf`. */
export function updateProgram(rule: UpdateRule): SweepProgram {
  const sections = sectionsOf(rule);
  const names = Object.keys(rule.scalars({ learningRate: 1, weightDecay: 0, gradientScale: 1, step: 1 }));
  const pick = (all: Scalars, keys: readonly string[]): Scalars => Object.fromEntries(keys.map((k) => [k, all[k]!]));
  const written = ["value", ...rule.state];
  const graph = trace(rule.name, Object.fromEntries([...sections, ...names].map((key) => [key, scalar])), (all) => {
    const next = rule.update(pick(all, sections), pick(all, names));
    return Object.fromEntries(written.map((key) => [`new.${key}`, next[key]!]));
  });
  return {
    graph,
    inputs: [...sections.map((section) => ({ section })), ...names.map((name) => ({ scalar: name }))],
    outputs: written.map((section) => ({ section })),
  };
}

/** Σ gradient² over all parameters, as the sum named `squares`. */
export function squaredNormProgram(): SweepProgram {
  const graph = trace("squaredNorm", { gradient: scalar }, ({ gradient }) => ({ squares: mul(gradient, gradient) }));
  return { graph, inputs: [{ section: "gradient" }], outputs: [{ sum: "squares" }] };
}

/** Sets the section `gradient` to zero, for graphs that add to it. */
export function clearProgram(): SweepProgram {
  const graph = trace("clear", {}, () => ({ "new.gradient": constant(0) }));
  return { graph, inputs: [], outputs: [{ section: "gradient" }] };
}

/** Adds the section `part` to the section `gradient` (gradient accumulation). */
export function accumulateProgram(): SweepProgram {
  const graph = trace("accumulate", { gradient: scalar, part: scalar }, ({ gradient, part }) => ({
    "new.gradient": add(gradient, part),
  }));
  return {
    graph,
    inputs: [{ section: "gradient" }, { section: "part" }],
    outputs: [{ section: "gradient" }],
  };
}
