import { sizeOf } from "../../ir/shape.ts";
import type { Kernel } from "./kernel.ts";
import type { Tensor } from "./storage.ts";

/** One entry along the leading axis, sharing memory. */
function entryOf(sequence: Tensor, index: number): Tensor {
  const shape = sequence.shape.slice(1);
  const size = sizeOf(shape);
  return { dtype: sequence.dtype, shape, data: sequence.data.subarray(index * size, (index + 1) * size) };
}

export const scan: Kernel<"scan"> = ({ inputs, outputs, params, evaluate }) => {
  const { body, numConsts, numCarries, length, reverse } = params;
  const consts = inputs.slice(0, numConsts);
  const sequences = inputs.slice(numConsts + numCarries);
  let carries = inputs.slice(numConsts, numConsts + numCarries);
  for (let step = 0; step < length; step++) {
    const index = reverse ? length - 1 - step : step;
    const results = evaluate(body, [...consts, ...carries, ...sequences.map((sequence) => entryOf(sequence, index))]);
    carries = results.slice(0, numCarries);
    results.slice(numCarries).forEach((result, i) => {
      entryOf(outputs[numCarries + i]!, index).data.set(result.data);
    });
  }
  carries.forEach((carry, i) => {
    outputs[i]!.data.set(carry.data);
  });
};
