export { blockDiagonalBias } from "./attention-bias.ts";
export { type Initializer, normal, ones, truncatedNormal, zeros } from "./initializer.ts";
export { type Activation, activations, dropout, Embedding, LayerNorm, Linear, SelfAttention } from "./layers.ts";
export { type ForwardContext, Module, namedParameters, Parameter } from "./module.ts";
