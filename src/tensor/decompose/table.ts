import type { CompositeName, CompositeParams } from "../../ir/graph.ts";
import { add } from "../elementwise.ts";
import { inline } from "../inline.ts";
import { dot } from "../linear-algebra.ts";
import type { Tensor } from "../tensor.ts";
import { gelu, geluGrad } from "./activation.ts";
import { attention, attentionGrad } from "./attention.ts";
import { crossEntropy, crossEntropyGrad, embedding, embeddingGrad } from "./loss.ts";
import { layerNorm, layerNormGrad, softmax, softmaxGrad } from "./normalization.ts";
import { quantizedLinear } from "./quantized.ts";
import { dropoutMask, foldIn } from "./random.ts";
import { gruCell, gruCellGrad, lstmCell, lstmCellGrad } from "./recurrent.ts";
import type { Decomposition } from "./rule.ts";

const linear: Decomposition<"linear"> = (inputs, { bias }) => {
  const [x, weight, offset] = inputs as [Tensor, Tensor, Tensor | undefined];
  const product = dot(x, weight, { lhsContract: [x.rank - 1], rhsContract: [1] });
  return [bias ? add(product, offset!) : product];
};

/** The meaning of every composite. */
const decompositions: { readonly [P in CompositeName]: Decomposition<P> } = {
  linear,
  quantizedLinear,
  layerNorm,
  layerNormGrad,
  softmax,
  softmaxGrad,
  gelu,
  geluGrad,
  attention,
  attentionGrad,
  crossEntropy,
  crossEntropyGrad,
  embedding,
  embeddingGrad,
  foldIn,
  dropoutMask,
  lstmCell,
  lstmCellGrad,
  gruCell,
  gruCellGrad,
  call: (inputs, { body }) => inline(body, inputs),
};

/** The results of a composite by its decomposition, in the current trace. */
export function expand<P extends CompositeName>(
  op: P,
  inputs: readonly Tensor[],
  params: CompositeParams[P],
): Tensor[] {
  return decompositions[op](inputs, params);
}
