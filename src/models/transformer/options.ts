/** @file What Transformers differ in. A family is a choice of these and the names its files use. */
import type { Initializer } from "../../nn/initializer.ts";
import type { Activation } from "../../nn/layers.ts";

/** How a token enters the network. */
export interface EmbeddingOptions {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  /** Width of the tables, where smaller than the hidden size and projected to it (ALBERT); else the hidden size. */
  readonly embeddingSize?: number | undefined;
  /** Longest sequence, in tokens. */
  readonly maxPositionEmbeddings: number;
  /** Rows of the position table before that of place 0: padId + 1 in RoBERTa, 2 in BART; 0 by default. */
  readonly positionOffset?: number | undefined;
  /** Segment kinds; 0 for networks without them. With one kind every token is of it, whatever its id. */
  readonly typeVocabSize: number;
  /** Kinds of task (ERNIE); 0 by default. Inputs that do not say theirs are of kind 0. */
  readonly taskTypeVocabSize?: number | undefined;
  /** Whether the sum is normalised. */
  readonly normalizes: boolean;
  readonly layerNormEps: number;
  readonly dropout: number;
  /** Factor of the word vectors: √hiddenSize in some BARTs; 1 by default. */
  readonly scale?: number | undefined;
  readonly init: Initializer;
}

/** What is one and the same in all layers, or in all of a group. */
export type Sharing = "none" | "all" | "attention" | "feedForward";

/** The stack of layers. */
export interface LayerOptions {
  readonly hiddenSize: number;
  readonly numHiddenLayers: number;
  readonly numAttentionHeads: number;
  readonly intermediateSize: number;
  readonly activation: Activation;
  readonly layerNormEps: number;
  /** After every residual sum (BERT, GPT, BART), or before every part and once at the end (GPT-2). */
  readonly normalization: "post" | "pre";
  /** Of what attention and the feed-forward part add to the residual. */
  readonly hiddenDropout: number;
  /** Of the attention probabilities. */
  readonly attentionDropout: number;
  /** Inside the feed-forward part (BART); 0 by default. */
  readonly activationDropout?: number | undefined;
  /** Probability that training leaves a layer out (LayerDrop), below 1; 0 by default. */
  readonly layerDrop?: number | undefined;
  readonly init: Initializer;
  /** Of the projections that end in the residual (GPT-2); `init` by default. */
  readonly residualInit?: Initializer | undefined;
  readonly sharing?: Sharing | undefined;
  /** Runs of layers within which they share; 1, all of them, by default. */
  readonly sharingGroups?: number | undefined;
}
