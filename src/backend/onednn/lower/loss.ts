/** @file Cross-entropy through log-probabilities in f32; only scored elements are touched besides. */
import type { NodeOf, Value } from "../../../ir/graph.ts";
import type { LowerContext } from "./context.ts";
import { emitSoftmax, emitSoftmaxBackward } from "./normalization.ts";
import { viaDense } from "./pointwise.ts";
import { isDense, type Ref } from "./ref.ts";

/** log softmax of the logits, f32 [M, V]. */
function logProbabilities(context: LowerContext, logits: Value): Ref {
  const source = context.dense(context.floatAs(logits, "f32"));
  const ref = context.emitter.allocate("f32", logits.shape);
  emitSoftmax(context, source, ref, true);
  return ref;
}

export function crossEntropy(context: LowerContext, node: NodeOf<"crossEntropy">): void {
  const [logits, labels] = node.inputs as readonly [Value, Value];
  const [loss, logSum] = node.outputs as readonly [Value, Value];
  // The sum needs the logits beside their log-probabilities, which may take their place.
  const isRead = context.isResult(logSum) || context.readersOf(logSum).some(({ op }) => op !== "crossEntropyGrad");
  const ref = logProbabilities(context, logits);
  context.companions.set(logSum, { kind: "logProbabilities", logits, ref });
  const losses = context.target(loss);
  viaDense(context, losses, (place) =>
    context.emitter.host("labelLoss", {}, [ref, context.dense(context.ref(labels))], [place]),
  );
  context.define(loss, losses);
  const sums = context.target(logSum);
  if (isRead) {
    viaDense(context, sums, (place) =>
      context.emitter.host("logSum", {}, [context.dense(context.floatAs(logits, "f32")), ref], [place]),
    );
  }
  context.define(logSum, sums);
}

/**
 * dLogits = (softmax − one-hot)·dLoss in scored rows: the gradient of the log-softmax for a gradient that is −dLoss at
 * the label and 0 elsewhere.
 */
export function crossEntropyGrad(context: LowerContext, node: NodeOf<"crossEntropyGrad">): void {
  const { emitter } = context;
  const [logits, labels, logSum, dLoss] = node.inputs as readonly [Value, Value, Value, Value];
  const [y] = node.outputs as readonly [Value];
  const companion = context.companion(logSum);
  const isKnown = companion?.kind === "logProbabilities" && context.isSame(companion.logits, logits);
  const ref = isKnown ? companion.ref : logProbabilities(context, logits);
  const seed = emitter.allocate("f32", y.shape);
  emitter.host(
    "labelSeed",
    {},
    [context.dense(context.ref(labels)), context.dense(context.floatAs(dLoss, "f32"))],
    [seed],
  );
  const target = context.target(y);
  // The kernel writes f32 without gaps; the target may be narrower, or a column of another tensor.
  const wide = target.dtype === "f32" && isDense(target) ? target : emitter.allocate("f32", y.shape);
  emitSoftmaxBackward(context, ref, seed, wide, true);
  if (wide !== target) context.copy(wide, target);
  context.define(y, target);
}
