/**
 * @file A training step as one graph: loss, gradients, their norm, clipping, new weights and optimizer state.
 *
 * It is put together of what the separate programs are made of: the loss graph (`loss-graph.ts`) and the scalar graphs of
 * the update rule (`optim/update-rule.ts`). Numbers that the host gives come as one vector, and those that it is told go as
 * one: on a device that is far away every transfer costs as much as many numbers.
 */
import type { TensorType } from "../ir/dtype.ts";
import type { Graph } from "../ir/graph.ts";
import { tensorType } from "../ir/shape.ts";
import type { Parameter } from "../nn/module.ts";
import {
  applyProgram,
  directionProgram,
  type LayerwiseRule,
  type PointwiseRule,
  type UpdateRule,
  updateProgram,
} from "../optim/update-rule.ts";
import { abs, add, and, compare, constant, convert, div, minimum, mul, select, sqrt } from "../tensor/elementwise.ts";
import { inline } from "../tensor/inline.ts";
import { mapScalars } from "../tensor/map-scalars.ts";
import { concatenate, reshape, sliceAxis } from "../tensor/movement.ts";
import { square, sum } from "../tensor/reduction.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Tensors, trace } from "../tensor/trace.ts";
import type { LossGraph } from "./loss-graph.ts";

/** What an entry of the input `scalars` is: an input of the loss graph, or a scalar of the rule for a group of parameters. */
export type StepScalar = { readonly loss: string } | { readonly group: number; readonly name: string };

/** A graph that a step is made by, and what the host gives it. */
export interface CompletedGraph {
  readonly graph: Graph;
  readonly scalars: readonly StepScalar[];
}

/** Makes a loss graph into what is run. */
export type Completion = (loss: LossGraph) => CompletedGraph;

export interface WholeStepOptions {
  readonly rule: UpdateRule;
  readonly parameters: ReadonlyMap<string, Parameter>;
  /** Parameters of one number share the scalars of the rule. */
  readonly groupOf: (name: string) => number;
  /** Gradients are scaled down to this global norm; Infinity for no clipping. */
  readonly maxGradNorm: number;
  /** Whether earlier parts of the step left sums of figures, and gradients in the loss graph's inputs `previous.<name>`. */
  readonly hasEarlierParts: boolean;
}

/** Largest finite f32. */
const LARGEST = 3.4028234663852886e38;

/** Whether a rule can be made part of a graph. */
export function isExpressible(rule: UpdateRule): boolean {
  return !("direction" in rule) || rule.trustRatioTensor !== undefined;
}

/** What a rule wants to know for each group of parameters: the factor of clipping is found in the graph. */
export function ruleScalars(
  rule: UpdateRule,
  facts: { readonly learningRate: number; readonly weightDecay: number; readonly step: number },
): Readonly<Record<string, number>> {
  const { gradientScale: _, ...scalars } = rule.scalars({ ...facts, gradientScale: 1 });
  // The length of a layerwise rule's step is worked out beside the rule.
  return "direction" in rule ? { ...scalars, learningRate: facts.learningRate } : scalars;
}

const isPacked = (name: string): boolean => /^(scale|factor)\./.test(name);

/** The loss graph inside another one, its scalars taken from the vector. */
class InnerLoss {
  readonly inputs: Readonly<Record<string, TensorType>>;
  readonly scalars: readonly StepScalar[];
  private readonly loss: LossGraph;

  constructor(loss: LossGraph) {
    const { inputs } = loss.graph;
    this.loss = loss;
    this.inputs = Object.fromEntries(
      inputs
        .filter(({ name }) => !isPacked(name))
        .map(({ name, value }) => [name, tensorType(value.dtype, value.shape)]),
    );
    this.scalars = inputs.filter(({ name }) => isPacked(name)).map(({ name }) => ({ loss: name }));
  }

  get numFigures(): number {
    return this.loss.facts.length;
  }

  /** Repeats it in the current trace. */
  run(
    symbols: Tensors,
    scalarAt: (index: number) => Tensor,
  ): { readonly gradients: Tensors; readonly figures: Tensor } {
    const { graph, facts, differentiated } = this.loss;
    let at = 0;
    const given = graph.inputs.map(({ name }) => (isPacked(name) ? scalarAt(at++) : symbols[name]!));
    const results = inline(graph, given);
    const byName = new Map(graph.outputs.map(({ name }, i) => [name, results[i]!]));
    const sums = facts.map(({ name }) => reshape(byName.get(`figure.${name}`)!, [1]));
    return {
      gradients: Object.fromEntries(differentiated.map((name) => [name, byName.get(`gradient.${name}`)!])),
      figures: concatenate(sums, 0),
    };
  }
}

const scalarOf = (vector: Tensor, index: number): Tensor => reshape(sliceAxis(vector, 0, index, index + 1), []);

/**
 * A part of a step that is not its last. Inputs: those of the loss graph, `scalars` and, behind other parts,
 * `carried.figures`, to which the figures are added; outputs: `gradient.<name>`, `carried.figures`.
 */
export function tracePart(loss: LossGraph, hasEarlierParts: boolean): CompletedGraph {
  const inner = new InnerLoss(loss);
  const inputs = {
    ...inner.inputs,
    scalars: tensorType("f32", [inner.scalars.length]),
    ...(hasEarlierParts ? { "carried.figures": tensorType("f32", [inner.numFigures]) } : {}),
  };
  const graph = trace("stepPart", inputs, (symbols: Tensors) => {
    const { gradients, figures } = inner.run(symbols, (index) => scalarOf(symbols.scalars!, index));
    const earlier = symbols["carried.figures"];
    return {
      ...Object.fromEntries(Object.entries(gradients).map(([name, x]) => [`gradient.${name}`, x])),
      "carried.figures": earlier === undefined ? figures : add(earlier, figures),
    };
  });
  return { graph, scalars: inner.scalars };
}

/** The root of a sum over all elements, in f64 as sums of sweeps are. */
function normOf(squares: readonly Tensor[]): Tensor {
  const sums = squares.map((x) => sum(convert(x, "f64")));
  return sums.length === 0 ? constant(0) : convert(sqrt(sums.reduce((left, right) => add(left, right))), "f32");
}

/** Sections of a parameter, old or new, by name. */
type Sections = Readonly<Record<string, Tensor>>;

/** New sections of one parameter. */
type Update = (sections: Sections, scalars: Tensors, decays: boolean) => Sections;

/** A pointwise rule over whole tensors. */
function pointwiseUpdate(rule: PointwiseRule): Update {
  const { graph, inputs, outputs } = updateProgram(rule);
  return (sections, scalars) => {
    const given = inputs.map((input) => ("section" in input ? sections[input.section]! : scalars[input.scalar]!));
    const results = mapScalars(graph, given, sections.value!.shape);
    return Object.fromEntries(
      outputs.flatMap((output, i) => ("section" in output ? [[output.section, results[i]!]] : [])),
    );
  };
}

/** A layerwise rule over whole tensors: directions, their norms, and steps as long as the norms say. */
function layerwiseUpdate(rule: LayerwiseRule): Update {
  const { graph, inputs, outputs } = directionProgram(rule);
  const apply = applyProgram();
  return (sections, scalars, decays) => {
    const { shape } = sections.value!;
    const given = inputs.map((input) => ("section" in input ? sections[input.section]! : scalars[input.scalar]!));
    const written: Record<string, Tensor> = {};
    const norms: Record<string, Tensor> = {};
    mapScalars(graph, given, shape).forEach((result, i) => {
      const output = outputs[i]!;
      if ("section" in output) written[output.section] = result;
      else norms[output.sum] = normOf([result]);
    });
    const { gradient: direction, ...state } = written;
    const ratio = rule.trustRatioTensor!({ value: norms.values!, direction: norms.directions!, decays });
    const stepSize = mul(scalars.learningRate!, ratio);
    const known: Tensors = { value: sections.value!, gradient: direction!, stepSize };
    const operands = apply.inputs.map((input) => known["section" in input ? input.section : input.scalar]!);
    return { value: mapScalars(apply.graph, operands, shape)[0]!, ...state };
  };
}

/**
 * A whole step, or its last part. Inputs: those of the loss graph, `state.<section>.<name>`, `scalars`, `carried.sound`
 * (f32 `[1]`: 0 once a step met a loss that is no number, 1 before) and, with earlier parts, `carried.figures`; outputs:
 * `next.<section>.<name>`, `carried.sound` and `figures` (the sums of the loss graph's figures, the norm of the gradient
 * before clipping, and whether the step was made). Where loss or norm is not finite, or a step before was not made, weights
 * and state stay as they are.
 */
export function traceWholeStep(loss: LossGraph, options: WholeStepOptions): CompletedGraph {
  const { rule, parameters, groupOf, maxGradNorm, hasEarlierParts } = options;
  const { differentiated } = loss;
  const inner = new InnerLoss(loss);
  const names = Object.keys(ruleScalars(rule, { learningRate: 1, weightDecay: 0, step: 1 }));
  const groups = [...new Set(differentiated.map(groupOf))];
  const scalars: StepScalar[] = [
    ...inner.scalars,
    ...groups.flatMap((group) => names.map((name) => ({ group, name }))),
  ];
  const stateTypes = differentiated.flatMap((name) =>
    rule.state.map((section): [string, TensorType] => [
      `state.${section}.${name}`,
      tensorType("f32", parameters.get(name)!.shape),
    ]),
  );
  const inputs = {
    ...inner.inputs,
    ...Object.fromEntries(stateTypes),
    scalars: tensorType("f32", [scalars.length]),
    "carried.sound": tensorType("f32", [1]),
    ...(hasEarlierParts ? { "carried.figures": tensorType("f32", [inner.numFigures]) } : {}),
  };
  const update = "direction" in rule ? layerwiseUpdate(rule) : pointwiseUpdate(rule);

  const graph = trace("step", inputs, (symbols: Tensors) => {
    const scalarAt = (index: number): Tensor => scalarOf(symbols.scalars!, index);
    const own = inner.run(symbols, scalarAt);
    const earlier = symbols["carried.figures"];
    const figures = earlier === undefined ? own.figures : add(earlier, own.figures);
    const norm = normOf(differentiated.map((name) => square(own.gradients[name]!)));
    // What is not finite makes this sum so, and a comparison with NaN fails.
    const isNumber = compare("le", add(sum(abs(figures)), norm), LARGEST);
    const isSound = and(isNumber, compare("gt", scalarOf(symbols["carried.sound"]!, 0), 0.5));
    const gradientScale =
      maxGradNorm === Number.POSITIVE_INFINITY ? constant(1) : minimum(div(constant(maxGradNorm), add(norm, 1e-6)), 1);
    const groupScalars = new Map(
      groups.map((group, at): [number, Tensors] => [
        group,
        {
          gradientScale,
          ...Object.fromEntries(names.map((name, i) => [name, scalarAt(inner.scalars.length + at * names.length + i)])),
        },
      ]),
    );
    const next: Record<string, Tensor> = {};
    for (const name of differentiated) {
      const old: Sections = {
        value: symbols[`parameter.${name}`]!,
        gradient: own.gradients[name]!,
        ...Object.fromEntries(rule.state.map((section) => [section, symbols[`state.${section}.${name}`]!])),
      };
      const updated = update(old, groupScalars.get(groupOf(name))!, parameters.get(name)!.decays);
      for (const section of ["value", ...rule.state]) {
        next[`next.${section}.${name}`] = select(isSound, updated[section]!, old[section]!);
      }
    }
    const sound = reshape(convert(isSound, "f32"), [1]);
    return { ...next, "carried.sound": sound, figures: concatenate([figures, reshape(norm, [1]), sound], 0) };
  });
  return { graph, scalars };
}
