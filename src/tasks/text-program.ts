/** @file A forward computation over many texts, by a model whose weights lie in an engine. */
import type { Backend } from "../backend/backend.ts";
import { Turns } from "../base/turns.ts";
import type { Batch } from "../data/batch.ts";
import type { HostData } from "../ir/dtype.ts";
import type { ForwardContext } from "../nn/module.ts";
import type { Tensors } from "../tensor/trace.ts";
import { BatchProgram } from "../train/batch-program.ts";
import type { ParameterSource } from "../train/fixed-weights.ts";
import { type DTypePolicy, traceForward } from "../train/forward-graph.ts";
import type { EncodedText } from "./encode-text.ts";
import { plannedTextBatches, type TextPlanOptions } from "./text-plan.ts";

/** Where a program's weights lie, and how it computes. */
export interface TextProgramPlace {
  readonly backend: Backend;
  readonly store: ParameterSource;
  readonly policy?: DTypePolicy | undefined;
}

export interface TextProgramOptions extends TextProgramPlace {
  readonly plan: TextPlanOptions;
  /** Traces what is computed of a batch of texts, without dropout. */
  readonly forward: (context: ForwardContext, batch: Tensors) => Tensors;
}

/** What came of a batch of texts. */
export interface TextOutputs {
  readonly outputs: Readonly<Record<string, HostData>>;
  readonly batch: Batch;
  /** The texts of the batch, in its order. */
  readonly texts: readonly EncodedText[];
}

/** Runs over any number of texts, in rows that are planned for all of them. */
export class TextProgram {
  private readonly program: BatchProgram;
  private readonly plan: TextPlanOptions;
  private readonly turns = new Turns();

  constructor({ backend, store, policy = { compute: "f32" }, plan, forward }: TextProgramOptions) {
    this.plan = plan;
    this.program = new BatchProgram({
      backend,
      store,
      fixed: ({ numPlaces }) => store.fixedFor?.(numPlaces),
      trace: (batch) => traceForward(store.parameters, batch, policy, forward, store.quantized, store.dtype),
    });
  }

  /**
   * Results in the order of the texts. A second call waits for the first.
   * @param take gives one result for each text of a batch
   */
  run<R>(texts: readonly EncodedText[], take: (done: TextOutputs) => readonly R[]): Promise<R[]> {
    return this.turns.run(() => this.compute(texts, take));
  }

  private async compute<R>(texts: readonly EncodedText[], take: (done: TextOutputs) => readonly R[]): Promise<R[]> {
    const results = new Array<R>(texts.length);
    for (const { batch, items } of plannedTextBatches(texts, this.plan)) {
      const outputs = await this.program.run(batch);
      const own = take({ outputs, batch, texts: items.map((item) => texts[item]!) });
      items.forEach((item, i) => {
        results[item] = own[i]!;
      });
    }
    return results;
  }

  async dispose(): Promise<void> {
    await this.turns.idle();
    await this.program.dispose();
  }
}
