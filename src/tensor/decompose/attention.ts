import { statisticDtype } from "../../ir/dtype.ts";
import { add, convert, mul } from "../elementwise.ts";
import { softmax } from "../fused.ts";
import { dot } from "../linear-algebra.ts";
import { reshape, transpose } from "../movement.ts";
import { sum } from "../reduction.ts";
import type { Tensor } from "../tensor.ts";
import { emitOne } from "../trace.ts";
import type { Decomposition } from "./rule.ts";

/** [B,N,T,S] from [B,T,N,D] and [B,S,N,D], summing over D. */
function headProduct(left: Tensor, right: Tensor): Tensor {
  return dot(left, right, { lhsBatch: [0, 2], rhsBatch: [0, 2], lhsContract: [3], rhsContract: [3] });
}

/** [B,T,N,D] from weights [B,N,T,S] and [B,S,N,D], summing over S. */
function mix(weights: Tensor, values: Tensor): Tensor {
  const mixed = dot(weights, values, { lhsBatch: [0, 1], rhsBatch: [0, 2], lhsContract: [3], rhsContract: [1] });
  return transpose(mixed, [0, 2, 1, 3]);
}

/** [B,S,N,D] from weights [B,N,T,S] and [B,T,N,D], summing over T. */
function mixBack(weights: Tensor, values: Tensor): Tensor {
  const mixed = dot(weights, values, { lhsBatch: [0, 1], rhsBatch: [0, 2], lhsContract: [2], rhsContract: [1] });
  return transpose(mixed, [0, 2, 1, 3]);
}

export const attention: Decomposition<"attention"> = (inputs, { scale, bias, mask }) => {
  const [q, k, v, fourth, fifth] = inputs as [Tensor, Tensor, Tensor, Tensor | undefined, Tensor | undefined];
  const scores = mul(convert(headProduct(q, k), statisticDtype(q.dtype)), scale);
  const probabilities = convert(softmax(bias ? add(scores, fourth!) : scores), q.dtype);
  const dropped = mask ? mul(probabilities, convert((bias ? fifth : fourth)!, q.dtype)) : probabilities;
  return [mix(dropped, v), probabilities];
};

export const attentionGrad: Decomposition<"attentionGrad"> = (inputs, { scale, mask, biasShape }) => {
  const [q, k, v, probabilities, dOut, dropped] = inputs as [
    Tensor,
    Tensor,
    Tensor,
    Tensor,
    Tensor,
    Tensor | undefined,
  ];
  const wide = statisticDtype(q.dtype);
  const weights = mask ? mul(probabilities, convert(dropped!, q.dtype)) : probabilities;
  const dWeights = convert(headProduct(dOut, v), wide);
  const dProbabilities = mask ? mul(dWeights, convert(dropped!, wide)) : dWeights;
  const dScores = emitOne("softmaxGrad", [convert(probabilities, wide), dProbabilities], {});
  const scaled = convert(mul(dScores, scale), q.dtype);
  const results = [mix(scaled, k), mixBack(scaled, q), mixBack(weights, dOut)];
  if (biasShape === null) return results;
  const repeated = biasShape.flatMap((size, axis) => (size === 1 && dScores.shape[axis] !== 1 ? [axis] : []));
  return [...results, reshape(sum(dScores, repeated), biasShape)];
};
