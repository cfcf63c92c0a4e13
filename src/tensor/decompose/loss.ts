import { statisticDtype } from "../../ir/dtype.ts";
import { UNSCORED } from "../../ir/unscored.ts";
import { add, compare, convert, exp, iota, log, mul, select, sub, zeros } from "../elementwise.ts";
import { expandDims, gather, reshape, scatterAdd } from "../movement.ts";
import { max, sum } from "../reduction.ts";
import type { Tensor } from "../tensor.ts";
import type { Decomposition } from "./rule.ts";

export const crossEntropy: Decomposition<"crossEntropy"> = (inputs) => {
  const [scores, labels] = inputs as [Tensor, Tensor];
  const logits = convert(scores, statisticDtype(scores.dtype));
  const [rows, classes] = logits.shape as [number, number];
  const highest = max(logits, -1);
  const logSumExp = add(log(sum(exp(sub(logits, expandDims(highest, -1))), -1)), highest);
  const scored = compare("ne", labels, UNSCORED);
  const position = add(mul(iota([rows]), classes), select(scored, labels, 0));
  const atLabel = gather(reshape(logits, [rows * classes]), position);
  return [select(scored, sub(logSumExp, atLabel), 0), logSumExp];
};

export const crossEntropyGrad: Decomposition<"crossEntropyGrad"> = (inputs) => {
  const [scores, labels, logSumExp, dLoss] = inputs as [Tensor, Tensor, Tensor, Tensor];
  const logits = convert(scores, logSumExp.dtype);
  const probabilities = exp(sub(logits, expandDims(logSumExp, -1)));
  const hit = convert(compare("eq", iota(logits.shape, 1), expandDims(labels, -1)), logits.dtype);
  const weight = select(compare("ne", labels, UNSCORED), dLoss, 0);
  return [convert(mul(sub(probabilities, hit), expandDims(weight, -1)), scores.dtype)];
};

export const embedding: Decomposition<"embedding"> = (inputs) => {
  const [table, ids] = inputs as [Tensor, Tensor];
  return [gather(table, ids)];
};

export const embeddingGrad: Decomposition<"embeddingGrad"> = (inputs, { rows }) => {
  const [ids, dOut] = inputs as [Tensor, Tensor];
  return [scatterAdd(zeros([rows, dOut.dim(-1)], dOut.dtype), ids, dOut)];
};
