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
import type { Completion, StepScalar } from "./whole-step-graph.ts";

/** What a graph tells of itself. */
interface Traced {
  /** What the summed outputs mean. */
  readonly facts: readonly FigureFacts[];
  /** Parameters that the loss depends on and that are not frozen. */
  readonly moved: ReadonlySet<string>;
  /** Its work, with and without recomputation. */
  readonly executed: FlopsByGrowth;
  readonly once: FlopsByGrowth;
  /** What its vector of scalars holds, where it was completed. */
  readonly scalars: readonly StepScalar[];
}

/** Loss and gradients of batches, whole or parts of one. */
export class LossProgram<M extends Module> extends BatchProgram {
  private readonly traced = new Map<string, Traced>();

  /** @param complete makes more of a loss graph, as a whole step; it is run as it is when left out */
  constructor(
    place: Omit<BatchProgramOptions, "trace" | "fixed">,
    options: LossGraphOptions<M>,
    complete?: Completion | undefined,
  ) {
    super({ ...place, trace: (batch) => this.traceBatch(batch, options, complete) });
  }

  private traceBatch(batch: Batch, options: LossGraphOptions<M>, complete: Completion | undefined): Graph {
    const loss = traceLoss(batch, options);
    const { graph, facts, differentiated } = loss;
    const executed = flopsByGrowth(graph);
    const once = options.recomputeLayers
      ? flopsByGrowth(traceLoss(batch, { ...options, recomputeLayers: false }).graph)
      : executed;
    const completed = complete?.(loss);
    const { scalars = [] } = completed ?? {};
    this.traced.set(batchSignature(batch), { facts, moved: new Set(differentiated), executed, once, scalars });
    if (completed !== undefined) return completed.graph;
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

  /** What the vector of scalars holds that a completed graph is given. */
  scalarsOf(batch: Batch): readonly StepScalar[] {
    return this.known(batch).scalars;
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
