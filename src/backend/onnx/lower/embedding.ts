import { sizeOf } from "../../../ir/shape.ts";
import type { Rule } from "./context.ts";
import type { Emitter, Ref } from "./emitter.ts";
import { FEW_ROWS } from "./late-sum.ts";
import { range, scatterAddElements } from "./movement.ts";
import { matrixProduct } from "./product.ts";

export const embedding: Rule<"embedding"> = (context, { inputs, outputs }) => [
  context.emitter.op(
    "Gather",
    inputs.map((value) => context.ref(value)),
    outputs[0]!,
    { axis: { int: 0 } },
  ),
];

function oneHotProduct(emitter: Emitter, ids: Ref, rows: Ref, count: number): Ref {
  const shape = [count, rows.shape[0]!];
  const line = emitter.reshape(ids, [1, rows.shape[0]!]);
  const index = emitter.reshape(range(emitter, count), [count, 1]);
  const oneHot = emitter.cast(emitter.binary("Equal", index, line, shape, "bool"), rows.dtype);
  return matrixProduct(emitter, oneHot, rows);
}

export const embeddingGrad: Rule<"embeddingGrad"> = (context, { inputs, outputs, params: { rows } }) => {
  const { emitter } = context;
  const [ids, dOut] = inputs.map((value) => context.ref(value)) as [Ref, Ref];
  const { shape } = outputs[0]!;
  const updates = emitter.reshape(dOut, [sizeOf(ids.shape), shape[1]!]);
  if (rows <= FEW_ROWS) return [oneHotProduct(emitter, ids, updates, rows)];
  const value = {
    dtype: dOut.dtype,
    shape: [1],
    data: dOut.dtype === "f64" ? new Float64Array(1) : new Float32Array(1),
  };
  const zeros = emitter.op(
    "ConstantOfShape",
    [emitter.ints(shape)],
    { dtype: dOut.dtype, shape },
    { value: { tensor: value } },
  );
  return [context.lateSums.has(outputs[0]!) ? zeros : scatterAddElements(emitter, zeros, ids, updates, 0)];
};
