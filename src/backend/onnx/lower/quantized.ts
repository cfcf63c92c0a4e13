import { sizeOf } from "../../../ir/shape.ts";
import type { Rule } from "./context.ts";
import { MICROSOFT } from "./emitter.ts";

/** One kernel finds the range of x, rounds it to u8 and multiplies; the weight is rearranged beforehand where it is fixed. */
export const quantizedLinear: Rule<"quantizedLinear"> = (context, node) => {
  const { emitter } = context;
  const [x, weight, scale, bias] = node.inputs.map((value) => context.ref(value));
  const { shape } = node.outputs[0]!;
  const [inner, columns] = weight!.shape as [number, number];
  const rows = emitter.reshape(x!, [sizeOf(shape) / columns, inner]);
  const result = { dtype: x!.dtype, shape: [rows.shape[0]!, columns] };
  // The empty operand is the weights' zero point: they are symmetric.
  const product = emitter.op("DynamicQuantizeMatMul", [rows, weight, scale, undefined, bias], result, {}, MICROSOFT);
  return [emitter.reshape(product, shape)];
};
