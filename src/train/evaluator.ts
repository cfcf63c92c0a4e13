import type { Backend } from "../backend/backend.ts";
import type { Batch } from "../data/batch.ts";
import type { Module } from "../nn/module.ts";
import type { Objective } from "../objectives/objective.ts";
import { BatchProgram } from "./batch-program.ts";
import { FigureTotals } from "./figures.ts";
import { type DTypePolicy, traceForward } from "./forward-graph.ts";
import { type FigureFacts, figureOutputs } from "./loss-graph.ts";
import type { ModelStore } from "./model-store.ts";

/** Runs an objective's loss without dropout over held-out batches. */
export class Evaluator<M extends Module> {
  private readonly program: BatchProgram;
  private facts: readonly FigureFacts[] = [];

  constructor(options: {
    readonly backend: Backend;
    readonly store: ModelStore;
    readonly model: M;
    readonly loss: Objective<never, M>["loss"];
    readonly policy: DTypePolicy;
  }) {
    const { store, model, loss, policy } = options;
    this.program = new BatchProgram({
      ...options,
      trace: (batch) =>
        traceForward(store.parameters, batch, policy, (context, symbols) => {
          const { outputs, facts } = figureOutputs(loss(model, context, symbols, batch.kind));
          this.facts = facts;
          return outputs;
        }),
    });
  }

  /** Means over all batches together: every scored item weighs the same, whatever batch it is in. */
  async run(
    batches: Iterable<Batch>,
  ): Promise<{ readonly loss: number; readonly means: Readonly<Record<string, number>> }> {
    const totals = new FigureTotals();
    for (const batch of batches) totals.add(await this.program.run(batch), batch.counts);
    return totals.means(this.facts);
  }

  async dispose(): Promise<void> {
    await this.program.dispose();
  }
}
