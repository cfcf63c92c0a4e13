/**
 * @file Entries by index. Indices are in range by contract; XLA would take the nearest entry for one that is not, and
 * leave an addition out.
 */
import { statisticDtype } from "../../../ir/dtype.ts";
import type { OpName } from "../../../ir/graph.ts";
import { sizeOf, tensorType } from "../../../ir/shape.ts";
import type { LowerContext, Rule } from "./context.ts";
import type { Emitter, Ref } from "./emitter.ts";
import { arrayText, listText, signatureText, typeText } from "./type-text.ts";

/** Axes of the gathered tensor that are axes of the operand: all but those of the indices. */
function windowAxes(x: Ref, indices: Ref, axis: number): number[] {
  return x.shape.flatMap((_, i) => (i === axis ? [] : [i < axis ? i : i + indices.shape.length - 1]));
}

function gather(emitter: Emitter, x: Ref, indices: Ref, axis: number): Ref {
  const type = tensorType(x.dtype, [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)]);
  if (sizeOf(type.shape) === 0) return emitter.fill(type, 0);
  const dimensions = [
    `offset_dims = ${listText(windowAxes(x, indices, axis))}`,
    `collapsed_slice_dims = [${axis}]`,
    `start_index_map = [${axis}]`,
    `index_vector_dim = ${indices.shape.length}`,
  ];
  const sizes = arrayText(x.shape.map((size, i) => (i === axis ? 1 : size)));
  const attributes = [
    `dimension_numbers = #stablehlo.gather<${dimensions.join(", ")}>`,
    "indices_are_sorted = false",
    `slice_sizes = ${sizes}`,
  ];
  const text = `"stablehlo.gather"(${x.name}, ${indices.name}) <{${attributes.join(", ")}}>`;
  return emitter.emit("gather", `${text} : ${signatureText([x, indices], [type])}`, type);
}

/** The operand with updates added at indices of an axis. */
function scatterAdd(emitter: Emitter, x: Ref, indices: Ref, updates: Ref, axis: number): Ref {
  if (sizeOf(updates.shape) === 0) return x;
  const dimensions = [
    `update_window_dims = ${listText(windowAxes(x, indices, axis))}`,
    `inserted_window_dims = [${axis}]`,
    `scatter_dims_to_operand_dims = [${axis}]`,
    `index_vector_dim = ${indices.shape.length}`,
  ];
  const attributes = [
    "indices_are_sorted = false",
    `scatter_dimension_numbers = #stablehlo.scatter<${dimensions.join(", ")}>`,
    "unique_indices = false",
  ];
  const block = emitter.block();
  const element = tensorType(x.dtype, []);
  const [a, b] = ["held", "added"].map((name) => ({ name: `%${emitter.names.numbered(name)}`, ...element })) as [
    Ref,
    Ref,
  ];
  const sum = block.add(a, b);
  const text = [
    `"stablehlo.scatter"(${x.name}, ${indices.name}, ${updates.name}) <{${attributes.join(", ")}}> ({`,
    `${emitter.margin}^bb0(${a.name}: ${typeText(a)}, ${b.name}: ${typeText(b)}):`,
    emitter.region(block, [sum]),
    `${emitter.margin}}) : ${signatureText([x, indices, updates], [x])}`,
  ].join("\n");
  return emitter.emit("scatter", text, x);
}

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
