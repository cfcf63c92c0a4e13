import { UNSCORED } from "../../../ir/unscored.ts";
import type { Rule } from "./context.ts";
import type { Emitter, Ref } from "./emitter.ts";
import { reduce } from "./reduction.ts";

const softmaxOf = (emitter: Emitter, logits: Ref) => emitter.unary("Softmax", logits, { axis: { int: -1 } });

interface Rows {
  /** Indices [M, 1], 0 for unscored rows. */
  readonly indices: Ref;
  /** f32 [M, 1]: 1 for scored rows, else 0. */
  readonly scored: Ref;
}

function rowsOf(emitter: Emitter, labels: Ref): Rows {
  const column = [labels.shape[0]!, 1];
  const isUnscored = emitter.binary("Equal", labels, emitter.scalar("i32", UNSCORED), labels.shape, "bool");
  const scored = emitter.cast(emitter.unary("Not", isUnscored), "f32");
  const indices = emitter.binary("Max", labels, emitter.scalar("i32", 0), labels.shape);
  return { indices: emitter.reshape(indices, column), scored: emitter.reshape(scored, column) };
}

/**
 * log Σ exp(logit) = max logit − log max probability: the softmax is needed for the gradient anyway, and its largest
 * entry is at least 1/V, so the logarithm is safe.
 */
export const crossEntropy: Rule<"crossEntropy"> = (context, { inputs, outputs }) => {
  const { emitter } = context;
  const [logits, labels] = inputs.map((value) => context.ref(value)) as [Ref, Ref];
  const { shape } = outputs[0]!;
  const column = [shape[0]!, 1];
  const { indices, scored } = rowsOf(emitter, labels);
  const top = reduce(emitter, "ReduceMax", logits, [1], true);
  const topProbability = reduce(emitter, "ReduceMax", softmaxOf(emitter, logits), [1], true);
  const logSum = emitter.binary("Sub", top, emitter.unary("Log", topProbability), column);
  const chosen = emitter.op(
    "GatherElements",
    [logits, indices],
    { dtype: logits.dtype, shape: column },
    { axis: { int: 1 } },
  );
  const loss = emitter.binary("Mul", emitter.binary("Sub", logSum, chosen, column), scored, column);
  return [emitter.reshape(loss, shape), emitter.reshape(logSum, shape)];
};

/** dLogits = (softmax − one-hot)·dLoss, in scored rows; every row has one index, so nothing is added twice. */
export const crossEntropyGrad: Rule<"crossEntropyGrad"> = (context, { inputs }) => {
  const { emitter } = context;
  const [logits, labels, , dLoss] = inputs.map((value) => context.ref(value)) as [Ref, Ref, Ref, Ref];
  const { indices, scored } = rowsOf(emitter, labels);
  const { shape } = scored;
  const weight = emitter.binary("Mul", emitter.reshape(dLoss, shape), scored, shape);
  const spread = emitter.binary("Mul", softmaxOf(emitter, logits), weight, logits.shape);
  return [
    emitter.op("ScatterElements", [spread, indices, emitter.unary("Neg", weight)], logits, {
      axis: { int: 1 },
      reduction: { string: "add" },
    }),
  ];
};
