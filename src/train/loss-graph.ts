import { gradients } from "../autodiff/grad.ts";
import { internalError } from "../base/errors.ts";
import type { DType, TensorType } from "../ir/dtype.ts";
import type { Graph } from "../ir/graph.ts";
import { tensorType } from "../ir/shape.ts";
import type { ForwardContext, Module, Parameter } from "../nn/module.ts";
import type { Objective } from "../objectives/objective.ts";
import { add, convert, mul } from "../tensor/elementwise.ts";
import { KeySequence } from "../tensor/random.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Tensors, trace } from "../tensor/trace.ts";

/** In which dtype a step computes; parameters, optimizer state, loss and statistics stay f32. */
export interface DTypePolicy {
  readonly compute: Extract<DType, "f32" | "bf16">;
}

export interface LossGraphOptions<M extends Module> {
  readonly model: M;
  readonly parameters: ReadonlyMap<string, Parameter>;
  readonly loss: Objective<never, M>["loss"];
  readonly batchTypes: Readonly<Record<string, TensorType>>;
  /** Names of the batch's counts: the graph takes the reciprocal of each as `scale.<name>`. */
  readonly counts: readonly string[];
  readonly policy: DTypePolicy;
  /** Parameters to differentiate, by name; undefined for a graph without gradients or dropout. */
  readonly trainable?: readonly string[];
}

/** A traced loss and what its outputs mean. Inputs: parameters, batch tensors, `randomKey`, one scale a count. */
export interface LossGraph {
  readonly graph: Graph;
  /** Names of the outputs after the gradients: terms, then metrics, each a sum. */
  readonly figures: readonly { readonly name: string; readonly count: string; readonly weight: number | undefined }[];
}

function contextOf(
  options: Pick<LossGraphOptions<Module>, "parameters" | "policy" | "trainable">,
  symbols: Tensors,
): ForwardContext {
  const byParameter = new Map(
    [...options.parameters].map(([name, parameter]) => [
      parameter,
      convert(symbols[`parameter.${name}`]!, options.policy.compute),
    ]),
  );
  const keys = new KeySequence(symbols.randomKey!);
  const training = options.trainable !== undefined;
  return {
    training,
    parameter: (parameter) => {
      const tensor = byParameter.get(parameter);
      if (tensor === undefined) throw internalError("a module asks for a parameter that its model does not list");
      return tensor;
    },
    randomKey: () => {
      if (!training) throw internalError("randomness is used outside training");
      return keys.next();
    },
  };
}

/** Traces loss and gradients, or the loss alone, as one graph of static shapes. */
export function traceLoss<M extends Module>(options: LossGraphOptions<M>): LossGraph {
  const { parameters, batchTypes, model, loss, trainable } = options;
  const inputs = {
    ...Object.fromEntries([...parameters].map(([name, { shape }]) => [`parameter.${name}`, tensorType("f32", shape)])),
    ...Object.fromEntries(Object.entries(batchTypes).map(([name, type]) => [`batch.${name}`, type])),
    ...Object.fromEntries(options.counts.map((count) => [`scale.${count}`, tensorType("f32", [])])),
    randomKey: tensorType("u32", [2]),
  };
  const figures: { name: string; count: string; weight: number | undefined }[] = [];
  const graph = trace(trainable === undefined ? "evaluate" : "train", inputs, (symbols: Tensors) => {
    const batch = Object.fromEntries(Object.keys(batchTypes).map((name) => [name, symbols[`batch.${name}`]!]));
    const { terms, metrics } = loss(model, contextOf(options, symbols), batch);
    const outputs: Record<string, Tensor> = {};
    if (trainable !== undefined) {
      const parts = Object.values(terms).map(({ sum, count, weight }) =>
        mul(convert(sum, "f32"), mul(symbols[`scale.${count}`]!, weight)),
      );
      const total = parts.reduce((left, right) => add(left, right));
      const wrt = trainable.map((name) => symbols[`parameter.${name}`]!);
      gradients(total, wrt).forEach((gradient, i) => {
        outputs[`gradient.${trainable[i]}`] = gradient;
      });
    }
    for (const [name, { sum, count, weight }] of Object.entries(terms)) {
      outputs[`term.${name}`] = convert(sum, "f32");
      figures.push({ name, count, weight });
    }
    for (const [name, { sum, count }] of Object.entries(metrics)) {
      outputs[`metric.${name}`] = convert(sum, "f32");
      figures.push({ name, count, weight: undefined });
    }
    return outputs;
  });
  return { graph, figures };
}
