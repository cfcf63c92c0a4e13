import { statisticDtype } from "../../ir/dtype.ts";
import { add, convert, div, exp, mul, sqrt, sub } from "../elementwise.ts";
import { expandDims } from "../movement.ts";
import { max, mean, square, sum } from "../reduction.ts";
import type { Tensor } from "../tensor.ts";
import type { Decomposition } from "./rule.ts";

/** Operands in the dtype that sums are taken in. */
function widen<T extends readonly Tensor[]>(tensors: T): { [I in keyof T]: Tensor } {
  return tensors.map((x) => convert(x, statisticDtype(x.dtype))) as { [I in keyof T]: Tensor };
}

export const layerNorm: Decomposition<"layerNorm"> = (inputs, { epsilon }) => {
  const [x, gain, bias] = widen(inputs as [Tensor, Tensor, Tensor]);
  const average = mean(x, -1);
  const centered = sub(x, expandDims(average, -1));
  const rstd = div(1, sqrt(add(mean(square(centered), -1), epsilon)));
  const normalized = mul(centered, expandDims(rstd, -1));
  return [convert(add(mul(normalized, gain), bias), inputs[0]!.dtype), average, rstd];
};

/** dx = rstd·(g − mean(g) − x̂·mean(g·x̂)) with g = dy·gain. */
export const layerNormGrad: Decomposition<"layerNormGrad"> = (inputs) => {
  const [x, gain, average, rstd, dy] = widen(inputs as [Tensor, Tensor, Tensor, Tensor, Tensor]);
  const { dtype } = inputs[0]!;
  const normalized = mul(sub(x, expandDims(average, -1)), expandDims(rstd, -1));
  const g = mul(dy, gain);
  const along = mul(normalized, mean(mul(g, normalized), -1, { keepDims: true }));
  const dx = mul(sub(sub(g, mean(g, -1, { keepDims: true })), along), expandDims(rstd, -1));
  const leading = x.shape.slice(0, -1).map((_, axis) => axis);
  return [dx, sum(mul(dy, normalized), leading), sum(dy, leading)].map((y) => convert(y, dtype));
};

export const softmax: Decomposition<"softmax"> = (inputs) => {
  const [x] = widen(inputs as [Tensor]);
  const shifted = exp(sub(x, max(x, -1, { keepDims: true })));
  return [convert(div(shifted, sum(shifted, -1, { keepDims: true })), inputs[0]!.dtype)];
};

export const softmaxGrad: Decomposition<"softmaxGrad"> = (inputs) => {
  const [y, dy] = widen(inputs as [Tensor, Tensor]);
  return [convert(mul(y, sub(dy, sum(mul(y, dy), -1, { keepDims: true }))), inputs[0]!.dtype)];
};
