/** @file Steps of a tiny BERT with dropout, each one graph from the batch to new weights, and what every step is given. */
import { evaluateGraph } from "../../src/backend/reference/evaluate.ts";
import { createReferenceBackend } from "../../src/backend/reference/reference-backend.ts";
import type { HostTensor } from "../../src/ir/dtype.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { optimize } from "../../src/ir/pass/optimize.ts";
import { sizeOf } from "../../src/ir/shape.ts";
import { namedParameters } from "../../src/nn/module.ts";
import { adamW } from "../../src/optim/adamw.ts";
import { decompose } from "../../src/tensor/decompose/decompose.ts";
import { traceLoss } from "../../src/train/loss-graph.ts";
import { padRows } from "../../src/train/pad-rows.ts";
import { WholeStep } from "../../src/train/whole-step.ts";
import { traceWholeStep } from "../../src/train/whole-step-graph.ts";
import { cyclicExamples, tinyBert, tinyObjective } from "./tiny-run.ts";

const rule = adamW({ epsilon: 1e-3 });
const FIRST_STEP = 3;

export interface TinyStep {
  readonly graph: Graph;
  /** Weights and state by the outputs that take their memory. */
  readonly donations: ReadonlyMap<string, string>;
  /** Inputs and the outputs that they are in the next step, by their places. */
  readonly carried: readonly (readonly [input: number, output: number])[];
  /** All inputs of the first step. */
  readonly inputs: readonly HostTensor[];
  /** What a step is given anew, by its place: its batch, scalars and random key. */
  readonly given: (step: number) => ReadonlyMap<number, HostTensor>;
}

/** Another masking of the same texts for every step; five rows, and one that is empty. */
function batchOf(objective: ReturnType<typeof tinyObjective>, step: number) {
  const examples = cyclicExamples();
  const drawn = [0, 1, 2, 3, 4].map((item) => ({ example: examples.example(0, 0, item), epoch: 0, item }));
  return padRows(objective.collate(drawn, 7 + step), 2);
}

export function tinyWholeStep(): TinyStep {
  const objective = tinyObjective();
  const { module, weights } = tinyBert({ dropout: 0.1 });
  const parameters = namedParameters(module);
  const first = batchOf(objective, 0);
  const loss = traceLoss(first, {
    ...{ model: module, parameters, loss: objective.loss as never, policy: { compute: "f32" as const } },
    trainable: [...parameters.keys()],
  });
  const facts = { rule, parameters, groupOf: () => 0, maxGradNorm: 0.5, hasEarlierParts: false };
  const { graph: traced, scalars } = traceWholeStep(loss, facts);
  const graph = optimize(traced);
  const maker = new WholeStep(createReferenceBackend(), rule);

  const given = (step: number): ReadonlyMap<number, HostTensor> => {
    const batch = step === 0 ? first : batchOf(objective, step);
    const counts = Object.fromEntries(
      Object.entries(batch.counts).map(([name, count]) => [`scale.${name}`, 1 / count]),
    );
    const vector = maker.scalars(scalars, counts, {
      ...{ step: FIRST_STEP + step, learningRate: 0.01 },
      treatmentOf: () => ({ learningRateScale: 1, weightDecay: 0.01 }),
    });
    return new Map(
      graph.inputs.flatMap(({ name, value: { dtype, shape } }, at): [number, HostTensor][] => {
        if (name.startsWith("batch.")) return [[at, batch.tensors[name.slice("batch.".length)]!]];
        if (name === "scalars") return [[at, { dtype, shape, data: vector }]];
        return name === "randomKey" ? [[at, { dtype, shape, data: Uint32Array.of(5, 6 + step) }]] : [];
      }),
    );
  };

  const begun = given(0);
  const inputs = graph.inputs.map(({ name, value: { dtype, shape } }, at): HostTensor => {
    if (begun.has(at)) return begun.get(at)!;
    if (name.startsWith("parameter.")) return { dtype, shape, data: weights.get(name.slice("parameter.".length))! };
    const fill = name === "carried.sound" ? 1 : name.startsWith("state.v") ? 0.01 : 0.001;
    return { dtype, shape, data: new Float32Array(sizeOf(shape)).fill(fill) };
  });
  const inputNames = graph.inputs.map(({ name }) => name);
  const outputNames = graph.outputs.map(({ name }) => name);
  const next = (name: string): string => name.replace(/^state\./, "next.").replace(/^parameter\./, "next.value.");
  const kept = inputNames.filter((name, at) => !begun.has(at) && outputNames.includes(next(name)));
  return {
    graph,
    donations: new Map(kept.filter((name) => name !== "carried.sound").map((name) => [name, next(name)])),
    carried: kept.map((name) => [inputNames.indexOf(name), outputNames.indexOf(next(name))] as const),
    inputs,
    given,
  };
}

/** All outputs of steps after each other, by the interpreter. */
export function interpretSteps({ graph, carried, inputs, given }: TinyStep, count: number): readonly HostTensor[][] {
  const plain = decompose(graph);
  const held = [...inputs];
  return Array.from({ length: count }, (_, step) => {
    for (const [at, tensor] of given(step)) held[at] = tensor;
    const outputs = evaluateGraph(plain, held);
    for (const [input, output] of carried) held[input] = outputs[output]!;
    return outputs;
  });
}

/** The greatest distance of two tensors' numbers, of those above 1 as a part of them. */
export function farthest(wanted: HostTensor, found: HostTensor): number {
  let worst = 0;
  wanted.data.forEach((x, k) => {
    const distance = Math.abs(x - found.data[k]!) / Math.max(1, Math.abs(x));
    if (!(distance <= worst)) worst = distance;
  });
  return worst;
}
