/** @file What a loss asks for, found by tracing it once. */
import type { Batch } from "../data/batch.ts";
import { tensorType } from "../ir/shape.ts";
import type { Module, Parameter } from "../nn/module.ts";
import type { Objective } from "../objectives/objective.ts";
import { trace } from "../tensor/trace.ts";
import { batchSymbols, forwardContext, inputTypes } from "./forward-graph.ts";
import { figureOutputs } from "./loss-graph.ts";

export interface LossUse {
  /** Names of the parameters that the loss asks for. */
  readonly parameters: ReadonlySet<string>;
  /** Its terms with their factors, and the name of the factor that changes from step to step, if any. */
  readonly terms: readonly { readonly name: string; readonly weight: number; readonly factor: string | undefined }[];
}

/** What a loss uses of a model on batches of one shape; nothing is compiled or differentiated. */
export function lossUse<M extends Module>(
  batch: Batch,
  {
    model,
    parameters,
    loss,
  }: { readonly model: M; readonly parameters: ReadonlyMap<string, Parameter> } & Pick<Objective<never, M>, "loss">,
): LossUse {
  const used = new Set<string>();
  let terms: LossUse["terms"] = [];
  const inputs = { ...inputTypes(parameters, batch), randomKey: tensorType("u32", [2]) };
  trace("use", inputs, (symbols) => {
    const context = forwardContext(symbols, parameters, { compute: "f32" }, { used });
    const figures = loss(model, context, batchSymbols(symbols, batch), batch.kind);
    terms = Object.entries(figures.terms).map(([name, { weight, factor }]) => ({ name, weight, factor }));
    return figureOutputs(figures).outputs;
  });
  return { parameters: used, terms };
}
