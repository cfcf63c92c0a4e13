/** @file A real pre-training step of a small BERT, as a graph with numbers for its inputs. */
import { trainingTask } from "../../src/cli/bench/training-task.ts";
import type { ComputeDType, HostTensor } from "../../src/ir/dtype.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { namedParameters } from "../../src/nn/module.ts";
import { traceLoss } from "../../src/train/loss-graph.ts";

export interface StepGraph {
  readonly graph: Graph;
  readonly inputs: readonly HostTensor[];
}

/** Loss and all gradients for 4 rows of 16 tokens of a two-layer network with dropout. */
export function stepGraph(compute: ComputeDType, options: { readonly recomputeLayers?: boolean } = {}): StepGraph {
  const { state, objective, batch } = trainingTask({ model: "bert-tiny", vocab: 61, batch: 4, seq: 16, seed: 3 });
  const parameters = namedParameters(state.module);
  const { graph } = traceLoss(batch, {
    ...{ model: state.module, parameters, loss: objective.loss, policy: { compute } },
    trainable: [...parameters.keys()],
    recomputeLayers: options.recomputeLayers,
  });
  const inputs = graph.inputs.map(({ name, value: { dtype, shape } }): HostTensor => {
    const own = name.slice(name.indexOf(".") + 1);
    if (name === "randomKey") return { dtype, shape, data: Uint32Array.of(17, 4) };
    if (name.startsWith("scale.")) return { dtype, shape, data: Float32Array.of(1 / batch.counts[own]!) };
    if (name.startsWith("batch.")) return batch.tensors[own]!;
    return { dtype, shape, data: state.weights.get(own)! };
  });
  return { graph, inputs };
}
