import type { CompositeName } from "../ir/graph.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { emit, emitOne } from "../tensor/trace.ts";
import { decomposed } from "./call-rule.ts";
import { dot, reshape, sum, zeros } from "./ops.ts";
import type { VjpFacts, VjpRule } from "./rule.ts";

/**
 * Whether a result that exists for the backward pass (statistics, probabilities) is itself differentiated, as in
 * second derivatives: the gradient composite knows the first result only.
 */
function usesOthers({ cotangents }: VjpFacts<CompositeName>): boolean {
  return cotangents.slice(1).some((cotangent) => cotangent !== undefined);
}

/** Composites whose gradient is a composite of its own; all others are differentiated through their decomposition. */
export const compositeRules = {
  linear: ({ inputs, params: { bias }, dy, wanted }) => {
    const [x, weight] = inputs as [Tensor, Tensor];
    const rows = x.size / x.dim(-1);
    const dRows = reshape(dy, [rows, dy.dim(-1)]);
    return [
      wanted[0] ? reshape(dot(dRows, weight, { lhsContract: [1], rhsContract: [0] }), x.shape) : undefined,
      wanted[1] ? dot(dRows, reshape(x, [rows, x.dim(-1)]), { lhsContract: [0], rhsContract: [0] }) : undefined,
      ...(bias ? [wanted[2] ? sum(dRows, 0) : undefined] : []),
    ];
  },
  layerNorm: (facts) => {
    if (usesOthers(facts)) return decomposed(facts);
    const [x, gain] = facts.inputs as [Tensor, Tensor];
    const [, mean, rstd] = facts.outputs as [Tensor, Tensor, Tensor];
    return emit("layerNormGrad", [x, gain, mean, rstd, facts.dy], {});
  },
  softmax: ({ outputs: [y], dy }) => [emitOne("softmaxGrad", [y!, dy], {})],
  gelu: ({ inputs: [x], params: { approximate }, dy }) => [emitOne("geluGrad", [x!, dy], { approximate })],
  attention: (facts) => {
    const { inputs, outputs, params, dy, wanted } = facts;
    const wantsMask = params.mask && wanted[inputs.length - 1];
    if (wantsMask || usesOthers(facts)) return decomposed(facts);
    const [q, k, v] = inputs as [Tensor, Tensor, Tensor];
    const bias = params.bias ? inputs[3]! : undefined;
    const biasShape = bias !== undefined && wanted[3] ? bias.shape : null;
    const dropoutMask = params.mask ? [inputs[inputs.length - 1]!] : [];
    const [dq, dk, dv, dBias] = emit("attentionGrad", [q, k, v, outputs[1]!, dy, ...dropoutMask], {
      scale: params.scale,
      mask: params.mask,
      biasShape,
    });
    return [dq, dk, dv, ...(params.bias ? [dBias] : []), ...(params.mask ? [undefined] : [])];
  },
  crossEntropy: (facts) => {
    if (usesOthers(facts)) return decomposed(facts);
    const [logits, labels] = facts.inputs as [Tensor, Tensor];
    return [emitOne("crossEntropyGrad", [logits, labels, facts.outputs[1]!, facts.dy], {}), undefined];
  },
  embedding: ({ inputs, dy }) => [emitOne("embeddingGrad", [inputs[1]!, dy], { rows: inputs[0]!.dim(0) }), undefined],
  lstmCell: ({ inputs, outputs, cotangents }) => {
    const [gates, cell] = inputs as [Tensor, Tensor];
    const [dHidden, dNext] = outputs.map((y, i) => cotangents[i] ?? zeros(y.shape, y.dtype)) as [Tensor, Tensor];
    return emit("lstmCellGrad", [gates, cell, outputs[1]!, dHidden, dNext], {});
  },
  gruCell: ({ inputs, dy }) => emit("gruCellGrad", [...inputs, dy], {}),
} satisfies Partial<{ readonly [P in CompositeName]: VjpRule<P> }>;
