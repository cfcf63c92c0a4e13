/** @file The graphs of loss and gradients for batches of every shape, and what they tell of themselves. */
import { type Batch, batchSignature } from "../data/batch.ts";
import { type FlopsByGrowth, flopsByGrowth } from "../ir/flops.ts";
import type { Graph } from "../ir/graph.ts";
import type { Module } from "../nn/module.ts";
import { decompose } from "../tensor/decompose/decompose.ts";
import { BatchProgram, type BatchProgramOptions } from "./batch-program.ts";
import { undividedMasks } from "./lane-mask.ts";
import { type FigureFacts, type LossGraphOptions, traceLoss } from "./loss-graph.ts";
import { type StepWork, workOf } from "./useful-work.ts";

/** Loss and gradients of batches, whole or parts of one. */
export class LossProgram<M extends Module> extends BatchProgram {
  /** What the summed outputs mean; known once a graph was traced. */
  facts: readonly FigureFacts[] = [];
  /** Parameters that the loss depends on and that are not frozen; known once a graph was traced. */
  moved: ReadonlySet<string> = new Set();
  /** Work of the graphs for batches of every shape, with and without recomputation. */
  private readonly flops = new Map<string, { readonly executed: FlopsByGrowth; readonly once: FlopsByGrowth }>();

  constructor(place: Pick<BatchProgramOptions, "backend" | "store">, options: LossGraphOptions<M>) {
    super({ ...place, trace: (batch) => this.traceBatch(batch, options) });
  }

  private traceBatch(batch: Batch, options: LossGraphOptions<M>): Graph {
    const { graph, facts, differentiated } = traceLoss(batch, options);
    const executed = flopsByGrowth(graph);
    const once = options.recomputeLayers
      ? flopsByGrowth(traceLoss(batch, { ...options, recomputeLayers: false }).graph)
      : executed;
    this.flops.set(batchSignature(batch), { executed, once });
    this.facts = facts;
    this.moved = new Set(differentiated);
    const { part } = batch;
    if (part === undefined) return graph;
    const expanded = decompose(graph, ({ op }) => op !== "call");
    return undividedMasks(expanded, { ...batch, part });
  }

  /** The work of a batch. */
  work(batch: Batch): StepWork {
    this.graphFor(batch);
    const { executed, once } = this.flops.get(batchSignature(batch))!;
    return workOf(batch, executed, once);
  }
}
