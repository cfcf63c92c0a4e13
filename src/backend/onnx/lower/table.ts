/** @file Every operation with its lowering to ONNX: all primitives, and the composites taken whole. */
import type { CompositeName, PrimitiveName } from "../../../ir/graph.ts";
import { add } from "./accumulate.ts";
import { gelu, geluGrad } from "./activation.ts";
import { attention, attentionGrad } from "./attention.ts";
import { barrier } from "./barrier.ts";
import type { Rule } from "./context.ts";
import { dot, linear } from "./dot.ts";
import { elementwiseRules } from "./elementwise.ts";
import { embedding, embeddingGrad } from "./embedding.ts";
import { crossEntropy, crossEntropyGrad } from "./loss.ts";
import { movementRules } from "./movement.ts";
import { layerNorm, layerNormGrad, softmax, softmaxGrad } from "./normalization.ts";
import { quantizedLinear } from "./quantized.ts";
import { dropoutMask, foldIn, randomBits } from "./random.ts";
import { reductionRules } from "./reduction.ts";
import { scan } from "./scan.ts";

export const primitiveRules: { readonly [P in PrimitiveName]: Rule<P> } = {
  ...elementwiseRules,
  ...movementRules,
  ...reductionRules,
  add,
  barrier,
  dot,
  randomBits,
  scan,
};

/** Composites without an entry arrive decomposed. */
export const compositeRules = {
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
} satisfies { readonly [P in CompositeName]?: Rule<P> };
