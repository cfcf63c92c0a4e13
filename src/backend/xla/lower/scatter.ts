/** @file Lookup and addition by index, as operations. */
import { sizeOf, tensorType } from "../../../ir/shape.ts";
import type { Emitter, Ref } from "./emitter.ts";
import { arrayText, listText, signatureText, typeText } from "./type-text.ts";

/** Axes of the gathered tensor that are axes of the operand: all but those of the indices. */
function windowAxes(x: Ref, indices: Ref, axis: number): number[] {
  return x.shape.flatMap((_, i) => (i === axis ? [] : [i < axis ? i : i + indices.shape.length - 1]));
}

/** Entries of an axis by index. */
export function gather(emitter: Emitter, x: Ref, indices: Ref, axis: number): Ref {
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
export function scatterAdd(emitter: Emitter, x: Ref, indices: Ref, updates: Ref, axis: number): Ref {
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
