/**
 * @file Entries by index. Indices are in range by contract; XLA would take the nearest entry for one that is not, and
 * leave an addition out.
 */
import { statisticDtype } from "../../../ir/dtype.ts";
import type { OpName } from "../../../ir/graph.ts";
import { sizeOf, tensorType } from "../../../ir/shape.ts";
import type { LowerContext, Rule } from "./context.ts";
import type { Emitter, Ref } from "./emitter.ts";
import { gather, scatterAdd } from "./scatter.ts";

const gatherRule: Rule<"gather"> = (context, node) => {
  const [x, indices] = context.refsOf(node) as [Ref, Ref];
  return [gather(context.emitter, x, indices, node.params.axis)];
};

/** Many updates may meet in one element: 16-bit ones are summed in f32. */
const scatterAddRule: Rule<"scatterAdd"> = (context, { inputs, outputs: [y], params: { axis } }) => {
  const [x, , updates] = inputs.map((value) => context.wideRef(value)) as [Ref, Ref, Ref];
  return [context.asHeld(y!, scatterAdd(context.emitter, x, context.ref(inputs[1]!), updates, axis))];
};

const embedding: Rule<"embedding"> = (context, node) => {
  const [table, ids] = context.refsOf(node) as [Ref, Ref];
  return [gather(context.emitter, table, ids, 0)];
};

/** oneHot(ids)ᵀ · dOut, exact where dOut is: the products are with 0 and 1. */
function oneHotGradient(emitter: Emitter, ids: Ref, dOut: Ref, rows: number): Ref {
  const count = sizeOf(ids.shape);
  const flat = emitter.reshape(ids, [count]);
  const shape = [count, rows];
  const hit = emitter.compare("eq", emitter.iota("i32", shape, 1), emitter.broadcast(flat, shape, [0]));
  const width = dOut.shape.at(-1)!;
  return emitter.dot(
    emitter.convert(hit, dOut.dtype),
    emitter.reshape(dOut, [count, width]),
    { lhsContract: [0], rhsContract: [0] },
    statisticDtype(dOut.dtype),
  );
}

const embeddingGrad: Rule<"embeddingGrad"> = (context: LowerContext, { inputs, outputs: [y], params: { rows } }) => {
  const { emitter, facts } = context;
  const ids = context.ref(inputs[0]!);
  if (rows <= facts.oneHotRows) {
    return [context.asHeld(y!, oneHotGradient(emitter, ids, context.ref(inputs[1]!), rows))];
  }
  const dOut = context.wideRef(inputs[1]!);
  const zeros = emitter.fill(tensorType(dOut.dtype, y!.shape), 0);
  return [context.asHeld(y!, scatterAdd(emitter, zeros, ids, dOut, 0))];
};

export const indexingRules = {
  gather: gatherRule,
  scatterAdd: scatterAddRule,
  embedding,
  embeddingGrad,
} satisfies { readonly [P in OpName]?: Rule<P> };
