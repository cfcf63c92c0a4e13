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

/** What a graph tells of itself. */
interface Traced {
  /** What the summed outputs mean. */
  readonly facts: readonly FigureFacts[];
  /** Parameters that the loss depends on and that are not frozen. */
  readonly moved: ReadonlySet<string>;
  /** Its work, with and without recomputation. */
  readonly executed: FlopsByGrowth;
  readonly once: FlopsByGrowth;
}

/** Loss and gradients of batches, whole or parts of one. */
export class LossProgram<M extends Module> extends BatchProgram {
  private readonly traced = new Map<string, Traced>();

  constructor(place: Pick<BatchProgramOptions, "backend" | "store">, options: LossGraphOptions<M>) {
    super({ ...place, trace: (batch) => this.traceBatch(batch, options) });
  }

  private traceBatch(batch: Batch, options: LossGraphOptions<M>): Graph {
    const { graph, facts, differentiated } = traceLoss(batch, options);
    const executed = flopsByGrowth(graph);
    const once = options.recomputeLayers
      ? flopsByGrowth(traceLoss(batch, { ...options, recomputeLayers: false }).graph)
      : executed;
    this.traced.set(batchSignature(batch), { facts, moved: new Set(differentiated), executed, once });
    const { part } = batch;
    if (part === undefined) return graph;
    const expanded = decompose(graph, ({ op }) => op !== "call");
    return undividedMasks(expanded, { ...batch, part });
  }

  private known(batch: Batch): Traced {
    this.graphFor(batch);
    return this.traced.get(batchSignature(batch))!;
  }

  /** What the summed outputs of a batch mean. */
  factsOf(batch: Batch): readonly FigureFacts[] {
    return this.known(batch).facts;
  }

  /** Parameters that the loss of a batch depends on and that are not frozen. */
  movedBy(batch: Batch): ReadonlySet<string> {
    return this.known(batch).moved;
  }

  /** The work of a batch. */
  work(batch: Batch): StepWork {
    const { executed, once } = this.known(batch);
    return workOf(batch, executed, once);
  }
}
