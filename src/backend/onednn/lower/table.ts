import type { CompositeName, PrimitiveName } from "../../../ir/graph.ts";
import { attention, attentionGrad } from "./attention.ts";
import type { Rule } from "./context.ts";
import { hostRules } from "./host.ts";
import { crossEntropy, crossEntropyGrad } from "./loss.ts";
import { embedding, movementRules } from "./movement.ts";
import { gelu, geluGrad, layerNorm, layerNormGrad, softmax, softmaxGrad } from "./normalization.ts";
import { pointwiseRules } from "./pointwise.ts";
import { linear, productRules } from "./product.ts";
import { dropoutMask, foldIn } from "./random.ts";
import { reductionRules } from "./reduction.ts";
import { scanRules } from "./scan.ts";
import { embeddingGrad, scatterRules } from "./scatter.ts";

/** One rule for every primitive. */
export const primitiveRules: { readonly [P in PrimitiveName]: Rule<P> } = {
  ...hostRules,
  ...pointwiseRules,
  ...movementRules,
  ...scatterRules,
  ...productRules,
  ...reductionRules,
  ...scanRules,
};

/** Composites that are taken whole; all others are decomposed before they come here. */
export const compositeRules = {
  linear,
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
} satisfies { readonly [P in CompositeName]?: Rule<P> };
