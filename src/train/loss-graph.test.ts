import { describe, expect, test } from "vitest";
import { cyclicExamples, tinyBert, tinyObjective } from "../../tests/support/tiny-run.ts";
import { matmulFlops } from "../ir/flops.ts";
import type { Graph } from "../ir/graph.ts";
import { optimize } from "../ir/pass/optimize.ts";
import { namedParameters } from "../nn/module.ts";
import { decompose } from "../tensor/decompose/decompose.ts";
import { traceForward } from "./forward-graph.ts";
import { figureOutputs, traceLoss } from "./loss-graph.ts";

const objective = tinyObjective();
const examples = cyclicExamples();
const batch = objective.collate(
  [0, 1, 2].map((item) => ({ example: examples.example(0, 0, item), epoch: 0, item })),
  7,
);
const policy = { compute: "f32" } as const;
const fused = (graph: Graph) => optimize(decompose(graph, ({ op }) => op !== "call"));

function stepGraph(isTrained: (name: string) => boolean, recomputeLayers = false) {
  const { module } = tinyBert({ dropout: 0.1 });
  const parameters = namedParameters(module);
  const trainable = [...parameters.keys()].filter(isTrained);
  const { graph } = traceLoss(batch, {
    model: module,
    parameters,
    loss: objective.loss as never,
    policy,
    trainable,
    recomputeLayers,
  });
  const forward = traceForward(
    parameters,
    batch,
    policy,
    (context, symbols) => figureOutputs(objective.loss(module as never, context, symbols)).outputs,
  );
  return { graph: fused(graph), forwardFlops: matmulFlops(fused(forward)) };
}

describe("frozen parameters", () => {
  test("with everything below the head frozen, the backward pass is the head's (bug: gradients computed and thrown away)", () => {
    const none = stepGraph(() => false);
    expect(matmulFlops(none.graph)).toBe(none.forwardFlops);
    const head = stepGraph((name) => name.startsWith("maskedLm"));
    const ofHead = head.graph.nodes.filter(({ op }) => op === "linear").slice(-2);
    // The decoder has two gradients, its operand's and its bias's column sum; its weight is the frozen embedding. The
    // transform has one, of its weight: below it nothing is trained.
    const products = ofHead.map((node) => matmulFlops({ ...head.graph, nodes: [node] }));
    expect(matmulFlops(head.graph) - head.forwardFlops).toBe(products[0]! + products[1]!);
  });

  test("nothing reaches below the lowest trained layer, and every frozen layer saves as much (bug: backward through frozen layers)", () => {
    const { module } = tinyBert({ dropout: 0.1 });
    const layers = module.encoder.numHiddenLayers;
    expect(layers).toBeGreaterThanOrEqual(2);
    const top = stepGraph((name) => name.startsWith(`encoder.layers.${layers - 1}.`) || name.startsWith("maskedLm"));
    const all = stepGraph((name) => !name.startsWith("encoder.embeddings"));
    const ofTop = top.graph.nodes.filter(({ op }) => op === "attentionGrad" || op === "geluGrad");
    // One of each for the trained layer, and the gelu of the head.
    expect(ofTop.map(({ op }) => op).sort()).toEqual(["attentionGrad", "geluGrad", "geluGrad"]);
    const backward = (graph: Graph) => matmulFlops(graph);
    expect(backward(top.graph)).toBeLessThan(backward(all.graph));
    // The lowest trained layer needs no gradient of its operand.
    const names = top.graph.outputs.map(({ name }) => name).filter((name) => name.startsWith("gradient."));
    expect(names.some((name) => name.includes("layers.0."))).toBe(false);
  });
});

test("recomputed layers cost their forward pass again, and no more (bug: the head or the embeddings recomputed too, or sharing undoes it)", () => {
  const { graph: plain, forwardFlops } = stepGraph(() => true);
  const { graph: again } = stepGraph(() => true, true);
  const extra = matmulFlops(again) - matmulFlops(plain);
  expect(extra).toBeGreaterThan(0);
  expect(extra).toBeLessThan(forwardFlops);
  const count = (graph: Graph, op: string) => graph.nodes.filter((node) => node.op === op).length;
  const { module } = tinyBert({ dropout: 0.1 });
  // The last layer's backward pass follows at once: keeping it costs nothing.
  expect(count(again, "attention") - count(plain, "attention")).toBe(module.encoder.numHiddenLayers - 1);
});
