import { dtypeBytes } from "../../../ir/dtype.ts";
import type { PrimitiveName, Value } from "../../../ir/graph.ts";

import type { Rule } from "./context.ts";
import type { Ref } from "./ref.ts";

/** One entry along the leading axis. */
function entryOf(sequence: Ref, index: number): Ref {
  const [stride = 0] = sequence.strides;
  const bytes = index * stride * dtypeBytes[sequence.dtype];
  return {
    ...sequence,
    shape: sequence.shape.slice(1),
    strides: sequence.strides.slice(1),
    offset: sequence.offset + bytes,
  };
}

/** A loop, step by step: equal steps share their kernels inside the library, and entries of sequences are views. */
const scan: Rule<"scan"> = (context, node) => {
  const { body, numConsts, numCarries, length, reverse } = node.params;
  const given = node.inputs.map((value) => context.exact(value));
  const consts = given.slice(0, numConsts);
  let carries = given.slice(numConsts, numConsts + numCarries);
  const sequences = given.slice(numConsts + numCarries);
  const stacked = node.outputs.slice(numCarries).map((value) => context.target(value));
  const { label } = context.emitter;
  for (let step = 0; step < length; step++) {
    const index = reverse ? length - 1 - step : step;
    const inner = context.nested(body);
    const operands = [...consts, ...carries, ...sequences.map((sequence) => entryOf(sequence, index))];
    body.inputs.forEach(({ value }, i) => {
      inner.define(value, operands[i]!);
    });
    const results = body.outputs.map(({ value }) => value);
    const entries = stacked.map((whole) => entryOf(whole, index));
    results.slice(numCarries).forEach((value: Value, i) => {
      inner.setHome(value, () => entries[i]);
    });
    context.lowerNodes(inner);
    context.emitter.label = label;
    results.slice(numCarries).forEach((value, i) => {
      inner.write(value, entries[i]!);
    });
    carries = results.slice(0, numCarries).map((value) => inner.exact(value));
  }
  node.outputs.forEach((value, i) => {
    context.define(value, i < numCarries ? carries[i]! : stacked[i - numCarries]!);
  });
};

export const scanRules = { scan } satisfies { readonly [P in PrimitiveName]?: Rule<P> };
