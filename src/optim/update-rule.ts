import type { SweepProgram } from "../backend/backend.ts";
import type { Graph } from "../ir/graph.ts";
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

/**
 * What gradients of a norm are multiplied with so that it is at most `maxNorm`.
 * @source PyTorch's clip_grad_norm_, its small constant included
 */
export function clipFactor(norm: number, maxNorm: number): number {
  return Math.min(1, maxNorm / (norm + 1e-6));
}

type Scalars = Readonly<Record<string, Tensor>>;

interface Rule {
  readonly name: string;
  /** Sections of optimizer state, zero at the start. */
  readonly state: readonly string[];
  /**
   * What the rule needs to know at a step; worked out in double precision on the host. `gradientScale` goes through under its
   * own name, and nothing else depends on it: in a step that is one graph it is known in the graph only.
   */
  readonly scalars: (facts: UpdateFacts) => Readonly<Record<string, number>>;
}

/** How one weight moves: a pure function of scalars, which engines map over all parameters in one sweep. */
export interface PointwiseRule extends Rule {
  /** @param x `value`, `gradient` and the state; @returns new `value` and state */
  readonly update: (x: Scalars, scalars: Scalars) => Scalars;
}

/**
 * How one weight would move, and how far its whole parameter goes that way: the length of a step depends on norms over the
 * parameter, so engines make two sweeps.
 */
export interface LayerwiseRule extends Rule {
  /** @param x `value`, `gradient` and the state; @returns `direction`, against which the weight moves, and new state */
  readonly direction: (x: Scalars, scalars: Scalars) => Scalars;
  /** What the learning rate is multiplied with for one parameter. */
  readonly trustRatio: (norms: ParameterNorms) => number;
  /** The same inside a graph; without it no step with this rule is one graph. */
  readonly trustRatioTensor?: (norms: ParameterNorms<Tensor>) => Tensor;
}

/** Euclidean norms over one parameter. */
export interface ParameterNorms<T = number> {
  readonly value: T;
  readonly direction: T;
  /** Whether weight decay applies to parameters of this kind: not to biases and normalisation gains. */
  readonly decays: boolean;
}

export type UpdateRule = PointwiseRule | LayerwiseRule;

const scalar = tensorType("f32", []);

/** The sections a store needs for a rule. */
export function sectionsOf(rule: UpdateRule): string[] {
  return ["value", "gradient", ...rule.state];
}

function traceRule(
  rule: UpdateRule,
  outputs: (x: Scalars, scalars: Scalars) => Scalars,
): { readonly graph: Graph; readonly inputs: SweepProgram["inputs"] } {
  const sections = sectionsOf(rule);
  const names = Object.keys(rule.scalars({ learningRate: 1, weightDecay: 0, gradientScale: 1, step: 1 }));
  const pick = (all: Scalars, keys: readonly string[]): Scalars => Object.fromEntries(keys.map((k) => [k, all[k]!]));
  const graph = trace(rule.name, Object.fromEntries([...sections, ...names].map((key) => [key, scalar])), (all) =>
    outputs(pick(all, sections), pick(all, names)),
  );
  return { graph, inputs: [...sections.map((section) => ({ section })), ...names.map((name) => ({ scalar: name }))] };
}

/** The sweep of an update rule over the sections of `sectionsOf`. */
export function updateProgram(rule: PointwiseRule): SweepProgram {
  const written = ["value", ...rule.state];
  const { graph, inputs } = traceRule(rule, (x, scalars) => {
    const next = rule.update(x, scalars);
    return Object.fromEntries(written.map((key) => [`new.${key}`, next[key]!]));
  });
  return { graph, inputs, outputs: written.map((section) => ({ section })) };
}

/**
 * The first sweep of a layerwise rule: new state, the direction in place of the gradient, which is not needed any more, and
 * the sums `values` and `directions` of squares.
 */
export function directionProgram(rule: LayerwiseRule): SweepProgram {
  const { graph, inputs } = traceRule(rule, (x, scalars) => {
    const { direction, ...next } = rule.direction(x, scalars);
    return {
      "new.gradient": direction!,
      ...Object.fromEntries(rule.state.map((key) => [`new.${key}`, next[key]!])),
      values: mul(x.value!, x.value!),
      directions: mul(direction!, direction!),
    };
  });
  const written = ["gradient", ...rule.state];
  return {
    graph,
    inputs,
    outputs: [...written.map((section) => ({ section })), { sum: "values" }, { sum: "directions" }],
  };
}

/** The second sweep of a layerwise rule: `value − stepSize · direction`. */
export function applyProgram(): SweepProgram {
  const given = { value: scalar, gradient: scalar, stepSize: scalar };
  const graph = trace("apply", given, ({ value, gradient, stepSize }) => ({
    "new.value": add(value, mul(gradient, mul(stepSize, -1))),
  }));
  return {
    graph,
    inputs: [{ section: "value" }, { section: "gradient" }, { scalar: "stepSize" }],
    outputs: [{ section: "value" }],
  };
}

/** Σ gradient² over all parameters, as the sum named `squares`. */
export function squaredNormProgram(): SweepProgram {
  const graph = trace("squaredNorm", { gradient: scalar }, ({ gradient }) => ({ squares: mul(gradient, gradient) }));
  return { graph, inputs: [{ section: "gradient" }], outputs: [{ sum: "squares" }] };
}

/** Sets a section of gradients to zero, for graphs that add to it. */
export function clearProgram(section = "gradient"): SweepProgram {
  const graph = trace("clear", {}, () => ({ "new.gradient": constant(0) }));
  return { graph, inputs: [], outputs: [{ section }] };
}

/** Adds a section to the section `gradient` (gradient accumulation). */
export function accumulateProgram(section = "part"): SweepProgram {
  const graph = trace("accumulate", { gradient: scalar, part: scalar }, ({ gradient, part }) => ({
    "new.gradient": add(gradient, part),
  }));
  return {
    graph,
    inputs: [{ section: "gradient" }, { section }],
    outputs: [{ section: "gradient" }],
  };
}

/** Adds a section to the section `gradient`, and gives Σ gradient² over all parameters as the sum named `squares`. */
export function summedNormProgram(section: string): SweepProgram {
  const graph = trace("summedNorm", { gradient: scalar, part: scalar }, ({ gradient, part }) => {
    const sum = add(gradient, part);
    return { "new.gradient": sum, squares: mul(sum, sum) };
  });
  return {
    graph,
    inputs: [{ section: "gradient" }, { section }],
    outputs: [{ section: "gradient" }, { sum: "squares" }],
  };
}
