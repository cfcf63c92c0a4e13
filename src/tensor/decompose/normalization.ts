import { add, div, exp, mul, sqrt, sub } from "../elementwise.ts";
import { expandDims } from "../movement.ts";
import { max, mean, square, sum } from "../reduction.ts";
import type { Tensor } from "../tensor.ts";
import type { Decomposition } from "./rule.ts";

export const layerNorm: Decomposition<"layerNorm"> = (inputs, { epsilon }) => {
  const [x, gain, bias] = inputs as [Tensor, Tensor, Tensor];
  const average = mean(x, -1);
  const centered = sub(x, expandDims(average, -1));
  const rstd = div(1, sqrt(add(mean(square(centered), -1), epsilon)));
  return [add(mul(mul(centered, expandDims(rstd, -1)), gain), bias), average, rstd];
};

/** dx = rstd·(g − mean(g) − x̂·mean(g·x̂)) with g = dy·gain. */
export const layerNormGrad: Decomposition<"layerNormGrad"> = (inputs) => {
  const [x, gain, average, rstd, dy] = inputs as [Tensor, Tensor, Tensor, Tensor, Tensor];
  const normalized = mul(sub(x, expandDims(average, -1)), expandDims(rstd, -1));
  const g = mul(dy, gain);
  const along = mul(normalized, mean(mul(g, normalized), -1, { keepDims: true }));
  const dx = mul(sub(sub(g, mean(g, -1, { keepDims: true })), along), expandDims(rstd, -1));
  const leading = x.shape.slice(0, -1).map((_, axis) => axis);
  return [dx, sum(mul(dy, normalized), leading), sum(dy, leading)];
};

export const softmax: Decomposition<"softmax"> = (inputs) => {
  const [x] = inputs as [Tensor];
  const shifted = exp(sub(x, max(x, -1, { keepDims: true })));
  return [div(shifted, sum(shifted, -1, { keepDims: true }))];
};

export const softmaxGrad: Decomposition<"softmaxGrad"> = (inputs) => {
  const [y, dy] = inputs as [Tensor, Tensor];
  return [mul(y, sub(dy, sum(mul(y, dy), -1, { keepDims: true })))];
};
