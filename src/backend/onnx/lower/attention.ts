import type { NodeOf, Value } from "../../../ir/graph.ts";
import { type Shape, sameShape } from "../../../ir/shape.ts";
import type { LowerContext, Rule } from "./context.ts";
import type { Emitter, Ref } from "./emitter.ts";
import { matrixProduct } from "./product.ts";
import { reduce, sumOver } from "./reduction.ts";

const SWAP = [0, 2, 1, 3];

/** [B, T, N, D] ↔ [B, N, T, D]. */
const swapHeads = (emitter: Emitter, x: Ref) => emitter.transpose(x, SWAP);

/** [B, T, N, D] as [B, N, T, D]; where it was made of such a tensor, that one. */
function headsOf(context: LowerContext, value: Value): Ref {
  const made = context.producer(value);
  const isSwapped = made?.op === "transpose" && sameShape(made.params.permutation, SWAP);
  return isSwapped ? context.ref(made.inputs[0]!) : swapHeads(context.emitter, context.ref(value));
}

const probabilitiesOf = (node: NodeOf<"attention">): Value => node.outputs[1]!;

export const attention: Rule<"attention"> = (context, node) => {
  const { emitter } = context;
  const { scale, bias, mask } = node.params;
  const [q, k, v] = node.inputs.slice(0, 3).map((value) => headsOf(context, value)) as [Ref, Ref, Ref];
  const scores = matrixProduct(emitter, q, k, { transB: true, alpha: scale });
  const biased = bias ? emitter.binary("Add", scores, context.narrow(node.inputs[3]!), scores.shape) : scores;
  const probabilities = emitter.unary("Softmax", biased, { axis: { int: -1 } });
  let used = probabilities;
  if (mask) {
    used = emitter.binary("Mul", probabilities, context.ref(node.inputs.at(-1)!), scores.shape);
    context.droppedProbabilities.set(probabilitiesOf(node), used);
  }
  return [swapHeads(emitter, matrixProduct(emitter, used, v)), probabilities];
};

/** Sums a gradient [B, N, T, S] down to the shape of the bias that was broadcast to it. */
function biasGradient(emitter: Emitter, gradient: Ref, shape: Shape): Ref {
  const axes = shape.flatMap((size, axis) => (size === gradient.shape[axis] ? [] : [axis]));
  return emitter.reshape(sumOver(emitter, gradient, axes), shape);
}

/**
 * Σ P·dP per row, which the softmax's gradient needs: equal to Σ dOut·out over the head's axis, a far smaller sum.
 */
function rowTerm(context: LowerContext, probabilities: Value, dOut: Ref, p: Ref, dP: Ref): Ref {
  const { emitter } = context;
  const forward = context.producer(probabilities);
  if (forward?.op !== "attention" || probabilitiesOf(forward) !== probabilities) {
    return reduce(emitter, "ReduceSum", emitter.binary("Mul", p, dP, p.shape), [3], true);
  }
  const product = emitter.binary("Mul", dOut, context.ref(forward.outputs[0]!), dOut.shape);
  return swapHeads(emitter, reduce(emitter, "ReduceSum", product, [3], true));
}

export const attentionGrad: Rule<"attentionGrad"> = (context, node) => {
  const { emitter } = context;
  const { scale, mask, biasShape } = node.params;
  const [q, k, v] = node.inputs.slice(0, 3).map((value) => swapHeads(emitter, context.ref(value))) as [Ref, Ref, Ref];
  const probabilities = node.inputs[3]!;
  const p = context.ref(probabilities);
  const dOut = context.ref(node.inputs[4]!);
  const dHeads = swapHeads(emitter, dOut);
  let used = p;
  let dP = matrixProduct(emitter, dHeads, v, { transB: true });
  if (mask) {
    const factors = context.ref(node.inputs[5]!);
    used = context.droppedProbabilities.get(probabilities) ?? emitter.binary("Mul", p, factors, p.shape);
    dP = emitter.binary("Mul", dP, factors, p.shape);
  }
  const row = rowTerm(context, probabilities, dOut, p, dP);
  const dScores = emitter.binary("Mul", p, emitter.binary("Sub", dP, row, p.shape), p.shape);
  const dq = matrixProduct(emitter, dScores, k, { alpha: scale });
  const dk = matrixProduct(emitter, dScores, q, { transA: true, alpha: scale });
  const dv = matrixProduct(emitter, used, dHeads, { transA: true });
  const gradients = [dq, dk, dv].map((gradient) => swapHeads(emitter, gradient));
  return biasShape === null ? gradients : [...gradients, biasGradient(emitter, dScores, biasShape)];
};
