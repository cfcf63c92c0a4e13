/** @file A loss and its gradients as one graph. */
import { gradients } from "../autodiff/grad.ts";
import type { Batch } from "../data/batch.ts";
import type { TensorType } from "../ir/dtype.ts";
import type { Graph } from "../ir/graph.ts";
import { tensorType } from "../ir/shape.ts";
import type { Module, Parameter } from "../nn/module.ts";
import type { LossFigures, Objective } from "../objectives/objective.ts";
import { add, convert, mul } from "../tensor/elementwise.ts";
import { Tensor } from "../tensor/tensor.ts";
import { currentBuilder, type Tensors, trace } from "../tensor/trace.ts";
import { batchSymbols, type DTypePolicy, forwardContext, inputTypes } from "./forward-graph.ts";

/** What a summed output of a graph means. */
export interface FigureFacts {
  readonly name: string;
  /** The count that turns the sum into a mean. */
  readonly count: string;
  /** Factor in the loss; undefined for metrics. */
  readonly weight: number | undefined;
  /** Name of a factor beside the weight that changes from step to step. */
  readonly factor?: string | undefined;
}

/** The summed figures of a loss as f32 outputs, and what they mean. */
export function figureOutputs({ terms, metrics }: LossFigures): {
  readonly outputs: Tensors;
  readonly facts: FigureFacts[];
} {
  const all = [
    ...Object.entries(terms).map(([name, { sum, count, weight, factor }]) => ({ name, sum, count, weight, factor })),
    ...Object.entries(metrics).map(([name, { sum, count }]) => ({
      ...{ name, sum, count, weight: undefined, factor: undefined },
    })),
  ];
  return {
    outputs: Object.fromEntries(all.map(({ name, sum }) => [`figure.${name}`, convert(sum, "f32")])),
    facts: all.map(({ name, count, weight, factor }) => ({ name, count, weight, factor })),
  };
}

export interface LossGraphOptions<M extends Module> {
  readonly model: M;
  readonly parameters: ReadonlyMap<string, Parameter>;
  readonly loss: Objective<never, M>["loss"];
  readonly policy: DTypePolicy;
  /** Parameters to differentiate, by name; those that the loss does not use are left out. */
  readonly trainable: readonly string[];
  /** See `ForwardContext.layer`. */
  readonly recomputeLayers?: boolean | undefined;
  /** Gradients are added to inputs called `previous.<parameter>`. */
  readonly addsToGradients?: boolean | undefined;
  /** Names of the factors of loss terms that change from step to step. */
  readonly factors?: readonly string[] | undefined;
  /** Whether there is a `randomKey`, and so dropout and whatever else is drawn from it; true when left out. */
  readonly dropout?: boolean | undefined;
}

export interface LossGraph {
  readonly graph: Graph;
  readonly facts: readonly FigureFacts[];
  /** Parameters that have a gradient. */
  readonly differentiated: readonly string[];
}

function previousTypes(
  parameters: ReadonlyMap<string, Parameter>,
  names: readonly string[],
): Record<string, TensorType> {
  return Object.fromEntries(
    names.map((name) => [`previous.${name}`, tensorType("f32", parameters.get(name)!.shape)] as const),
  );
}

/**
 * The sum with what was there before, put where an engine's matrix product can take it upon itself: of a sum of a product
 * and something else (a table that is decoder and embedding), with the product.
 */
function addTo(previous: Tensor, gradient: Tensor): Tensor {
  const builder = currentBuilder();
  const node = builder.producer(gradient.value);
  if (node?.op !== "add") return add(previous, gradient);
  const [one, other] = node.inputs.map((value) => new Tensor(value)) as [Tensor, Tensor];
  const isProduct = builder.producer(other.value)?.op === "dot";
  return isProduct ? add(add(previous, other), one) : add(add(previous, one), other);
}

/**
 * Traces loss and gradients for batches of one shape. Inputs: parameters, batch tensors, `scale.<count>` (the
 * reciprocal of each count of the whole optimizer step), `factor.<name>` and, with dropout, `randomKey`; outputs:
 * `gradient.<parameter>` and `figure.<name>` (sums).
 */
export function traceLoss<M extends Module>(batch: Batch, options: LossGraphOptions<M>): LossGraph {
  const { parameters, model, loss, policy, trainable, recomputeLayers } = options;
  const { addsToGradients = false, dropout = true, factors = [] } = options;
  const inputs = {
    ...inputTypes(parameters, batch),
    ...(addsToGradients ? previousTypes(parameters, trainable) : {}),
    ...Object.fromEntries(Object.keys(batch.counts).map((count) => [`scale.${count}`, tensorType("f32", [])])),
    ...Object.fromEntries(factors.map((name) => [`factor.${name}`, tensorType("f32", [])])),
    ...(dropout ? { randomKey: tensorType("u32", [2]) } : {}),
  };
  let facts: readonly FigureFacts[] = [];
  let differentiated: readonly string[] = [];
  const graph = trace("train", inputs, (symbols: Tensors) => {
    const used = new Set<string>();
    const figures = loss(
      model,
      forwardContext(symbols, parameters, policy, { used, recomputeLayers }),
      batchSymbols(symbols, batch),
      batch.kind,
    );
    differentiated = trainable.filter((name) => used.has(name));
    const total = Object.values(figures.terms)
      .map(({ sum, count, weight, factor }) => {
        const scale = mul(symbols[`scale.${count}`]!, weight);
        return mul(convert(sum, "f32"), factor === undefined ? scale : mul(scale, symbols[`factor.${factor}`]!));
      })
      .reduce((left: Tensor, right: Tensor) => add(left, right));
    const slopes = gradients(
      total,
      differentiated.map((name) => symbols[`parameter.${name}`]!),
    );
    const described = figureOutputs(figures);
    facts = described.facts;
    return {
      ...Object.fromEntries(
        slopes.map((gradient, i) => {
          const previous = symbols[`previous.${differentiated[i]}`];
          return [`gradient.${differentiated[i]}`, previous === undefined ? gradient : addTo(previous, gradient)];
        }),
      ),
      ...described.outputs,
    };
  });
  return { graph, facts, differentiated };
}
