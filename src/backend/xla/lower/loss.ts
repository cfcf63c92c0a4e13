/**
 * @file Cross-entropy. The logit at the label is picked by a comparison rather than an index: it is read in the same pass
 * as the sum, and a batch that is spread over devices stays where it is.
 */
import type { OpName } from "../../../ir/graph.ts";
import { UNSCORED } from "../../../ir/unscored.ts";
import { callFunction } from "./call-function.ts";
import type { Rule } from "./context.ts";
import type { Emitter, Ref } from "./emitter.ts";
import { acrossRows, rowMax, rowSum, widen } from "./row.ts";

/** bool [M, V]: where a class is the row's label. */
function hits(emitter: Emitter, labels: Ref, logits: Ref): Ref {
  const { shape } = logits;
  return emitter.compare("eq", emitter.iota("i32", shape, 1), acrossRows(emitter, labels, shape));
}

const crossEntropy: Rule<"crossEntropy"> = (context, node) => {
  const [logits, labels] = context.refsOf(node) as [Ref, Ref];
  return callFunction(context.emitter, "crossEntropy", {}, { logits, labels }, (emitter, given) => {
    const wide = widen(emitter, given.logits);
    const highest = rowMax(emitter, wide);
    const powers = emitter.unary("exponential", emitter.subtract(wide, acrossRows(emitter, highest, wide.shape)));
    const logSumExp = emitter.add(emitter.unary("log", rowSum(emitter, powers)), highest);
    const atLabel = rowSum(emitter, emitter.select(hits(emitter, given.labels, wide), wide, 0));
    const scored = emitter.compare("ne", given.labels, UNSCORED);
    return [emitter.select(scored, emitter.subtract(logSumExp, atLabel), 0), logSumExp];
  });
};

/** dLogits = (softmax − one-hot)·dLoss in scored rows. */
const crossEntropyGrad: Rule<"crossEntropyGrad"> = (context, node) => {
  const [logits, labels, logSumExp, dLoss] = context.refsOf(node) as [Ref, Ref, Ref, Ref];
  const operands = { logits, labels, logSumExp, dLoss };
  return callFunction(context.emitter, "crossEntropyGrad", {}, operands, (emitter, given) => {
    const wide = widen(emitter, given.logits);
    const spread = (row: Ref): Ref => acrossRows(emitter, row, wide.shape);
    const share = emitter.unary("exponential", emitter.subtract(wide, spread(given.logSumExp)));
    const hit = emitter.convert(hits(emitter, given.labels, wide), wide.dtype);
    const scored = emitter.compare("ne", given.labels, UNSCORED);
    const weight = emitter.select(scored, given.dLoss, 0);
    const dLogits = emitter.multiply(emitter.subtract(share, hit), spread(weight));
    return [emitter.convert(dLogits, given.logits.dtype)];
  });
};

export const lossRules = { crossEntropy, crossEntropyGrad } satisfies { readonly [P in OpName]?: Rule<P> };
