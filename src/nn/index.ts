export { type AttentionPlaces, attentionBias, blockDiagonalBias } from "./attention-bias.ts";
export { ConditionalRandomField } from "./conditional-random-field.ts";
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
export { type PairTokens, StochasticAnswerNetwork, type StochasticAnswerOptions } from "./stochastic-answer.ts";
