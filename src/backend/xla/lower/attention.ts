/** @file Attention written out, as functions of their own. Scores and their softmax are f32. */
import { statisticDtype } from "../../../ir/dtype.ts";
import type { NodeOf, OpName, Value } from "../../../ir/graph.ts";
import type { Shape } from "../../../ir/shape.ts";
import { callFunction } from "./call-function.ts";
import type { LowerContext, Rule } from "./context.ts";
import type { Emitter, Ref } from "./emitter.ts";
import { fusedAttention, fusedAttentionGrad } from "./fused-attention.ts";
import { softmaxGradRows, softmaxRows, widen } from "./row.ts";

/** [B,N,T,S] from [B,T,N,D] and [B,S,N,D], summing over D. */
function headProduct(emitter: Emitter, left: Ref, right: Ref): Ref {
  return emitter.dot(left, right, { lhsBatch: [0, 2], rhsBatch: [0, 2], lhsContract: [3], rhsContract: [3] });
}

/** [B,T,N,D] from weights [B,N,T,S] and [B,S,N,D], summing over S. */
function mix(emitter: Emitter, weights: Ref, values: Ref): Ref {
  const dimensions = { lhsBatch: [0, 1], rhsBatch: [0, 2], lhsContract: [3], rhsContract: [1] };
  return emitter.transpose(emitter.dot(weights, values, dimensions), [0, 2, 1, 3]);
}

/** [B,S,N,D] from weights [B,N,T,S] and [B,T,N,D], summing over T. */
function mixBack(emitter: Emitter, weights: Ref, values: Ref): Ref {
  const dimensions = { lhsBatch: [0, 1], rhsBatch: [0, 2], lhsContract: [2], rhsContract: [1] };
  return emitter.transpose(emitter.dot(weights, values, dimensions), [0, 2, 1, 3]);
}

/** A bias whose axes have the size of the scores' or 1. */
function spreadBias(emitter: Emitter, bias: Ref, shape: Shape): Ref {
  return emitter.broadcast(bias, shape, [0, 1, 2, 3]);
}

const exact = (context: LowerContext, node: NodeOf<"attention">): readonly Ref[] => {
  const { scale, bias: hasBias, mask: hasMask } = node.params;
  const [q, k, v, ...others] = context.refsOf(node) as [Ref, Ref, Ref, ...Ref[]];
  const bias = hasBias ? { bias: others[0]! } : {};
  const mask = hasMask ? { mask: others.at(-1)! } : {};
  const operands: Readonly<Record<string, Ref>> = { q, k, v, ...bias, ...mask };
  return callFunction(context.emitter, "attention", { scale, hasBias, hasMask }, operands, (emitter, given) => {
    const scores = emitter.multiply(widen(emitter, headProduct(emitter, given.q!, given.k!)), scale);
    const biased =
      given.bias === undefined ? scores : emitter.add(scores, spreadBias(emitter, given.bias, scores.shape));
    const probabilities = emitter.convert(softmaxRows(emitter, biased), given.q!.dtype);
    const dropped =
      given.mask === undefined
        ? probabilities
        : emitter.multiply(probabilities, emitter.convert(given.mask, probabilities.dtype));
    return [mix(emitter, dropped, given.v!), probabilities];
  });
};

/**
 * The result of the attention that is differentiated, where it stands in this graph and is smaller than its probabilities.
 */
function outputOf(context: LowerContext, node: NodeOf<"attentionGrad">): Ref | undefined {
  const [, key, value, probabilities] = node.inputs as readonly [Value, Value, Value, Value];
  const forward = context.uses.producer(probabilities);
  const isSame =
    forward?.op === "attention" &&
    forward.outputs[1] === probabilities &&
    forward.inputs[2] === value &&
    forward.params.mask === node.params.mask &&
    (!node.params.mask || forward.inputs.at(-1) === node.inputs[5]);
  const [, keys, , headSize] = key.shape as [number, number, number, number];
  return isSame && headSize < keys ? context.ref(forward.outputs[0]!) : undefined;
}

/** Σ P·dP of every row, which the softmax's gradient needs, as Σ dOut·out over the head's axis: a far smaller sum. */
function rowTerms(emitter: Emitter, out: Ref, dOut: Ref): Ref {
  const products = emitter.multiply(widen(emitter, out), widen(emitter, dOut));
  return emitter.transpose(emitter.reduce("add", products, [3], 0), [0, 2, 1]);
}

/** A gradient [B,N,T,S] summed down to the shape of the bias that was spread over it. */
function biasGradient(emitter: Emitter, dScores: Ref, shape: Shape): Ref {
  const repeated = shape.flatMap((size, axis) => (size === 1 && dScores.shape[axis] !== 1 ? [axis] : []));
  return emitter.reshape(emitter.reduce("add", dScores, repeated, 0), shape);
}

const exactGrad = (context: LowerContext, node: NodeOf<"attentionGrad">): readonly Ref[] => {
  const { scale, mask: hasMask, biasShape } = node.params;
  const [q, k, v, probabilities, dOut, factors] = context.refsOf(node) as [Ref, Ref, Ref, Ref, Ref, Ref | undefined];
  const forward = outputOf(context, node);
  const out = forward === undefined ? {} : { out: forward };
  const mask = hasMask ? { mask: factors! } : {};
  const operands: Readonly<Record<string, Ref>> = { q, k, v, probabilities, dOut, ...mask, ...out };
  const params = { scale, hasMask, biasShape, hasOut: forward !== undefined };
  return callFunction(context.emitter, "attentionGrad", params, operands, (emitter, given) => {
    const { dtype } = given.q!;
    const wide = statisticDtype(dtype);
    const p = given.probabilities!;
    const dWeights = widen(emitter, headProduct(emitter, given.dOut!, given.v!));
    const dropped = given.mask;
    const weights = dropped === undefined ? p : emitter.multiply(p, emitter.convert(dropped, dtype));
    const dP = dropped === undefined ? dWeights : emitter.multiply(dWeights, emitter.convert(dropped, wide));
    const sums = given.out === undefined ? undefined : rowTerms(emitter, given.out, given.dOut!);
    const dScores = softmaxGradRows(emitter, widen(emitter, p), dP, sums);
    const scaled = emitter.convert(emitter.multiply(dScores, scale), dtype);
    const results = [
      mix(emitter, scaled, given.k!),
      mixBack(emitter, scaled, given.q!),
      mixBack(emitter, weights, given.dOut!),
    ];
    return biasShape === null ? results : [...results, biasGradient(emitter, dScores, biasShape)];
  });
};

const attention: Rule<"attention"> = (context, node) => {
  const fused = fusedAttention(context, node);
  context.facts.attention[fused === undefined ? "exact" : "fused"]++;
  return fused ?? exact(context, node);
};

const attentionGrad: Rule<"attentionGrad"> = (context, node) =>
  fusedAttentionGrad(context, node) ?? exactGrad(context, node);

export const attentionRules = { attention, attentionGrad } satisfies { readonly [P in OpName]?: Rule<P> };
