/** @file Random keys and masks whose key is made inside the graph; other masks are filled before a run. */
import type { NodeOf } from "../../../ir/graph.ts";
import type { LowerContext } from "./context.ts";

export function foldIn(context: LowerContext, { inputs, outputs }: NodeOf<"foldIn">): void {
  const target = context.target(outputs[0]!);
  context.emitter.host(
    "foldIn",
    {},
    inputs.map((value) => context.ref(value)),
    [target],
  );
  context.define(outputs[0]!, target);
}

export function dropoutMask(context: LowerContext, { inputs, outputs, params: { rate } }: NodeOf<"dropoutMask">): void {
  const target = context.target(outputs[0]!);
  context.emitter.host("dropoutMask", { rate }, [context.ref(inputs[0]!)], [target]);
  context.define(outputs[0]!, target);
}
