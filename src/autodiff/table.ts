import type { OpName } from "../ir/graph.ts";
import { callRule, decomposed } from "./call-rule.ts";
import { compositeRules } from "./composite-rules.ts";
import { elementwiseRules } from "./elementwise-rules.ts";
import type { VjpRule } from "./rule.ts";
import { scanRule } from "./scan-rule.ts";
import { structureRules } from "./structure-rules.ts";

/** Constant almost everywhere, or without operands: no cotangent passes. */
const none = null;

/** The rule of every operation; leaving one out does not compile. */
export const vjpRules: { readonly [P in OpName]: VjpRule<P> | null } = {
  constant: none,
  iota: none,
  sign: none,
  floor: none,
  not: none,
  stopGradient: none,
  and: none,
  or: none,
  xor: none,
  shiftLeft: none,
  shiftRight: none,
  compare: none,
  argMax: none,
  randomBits: none,
  foldIn: none,
  dropoutMask: none,
  quantizedLinear: none,
  ...elementwiseRules,
  ...structureRules,
  ...compositeRules,
  scan: scanRule,
  call: callRule,
  layerNormGrad: decomposed,
  softmaxGrad: decomposed,
  geluGrad: decomposed,
  attentionGrad: decomposed,
  crossEntropyGrad: decomposed,
  embeddingGrad: decomposed,
  lstmCellGrad: decomposed,
  gruCellGrad: decomposed,
};
