export { type AttentionPlaces, attentionBias, blockDiagonalBias } from "./attention-bias.ts";
export { type Initializer, normal, ones, truncatedNormal, zeros } from "./initializer.ts";
export {
  type Activation,
  activations,
  CrossAttention,
  dropout,
  Embedding,
  type KeyValue,
  LayerNorm,
  Linear,
  SelfAttention,
} from "./layers.ts";
export { type ForwardContext, Module, namedParameters, Parameter } from "./module.ts";
