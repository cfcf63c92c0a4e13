/** @file What objectives and tasks know of a model, whatever its family. */
import type { ForwardContext, Module } from "../nn/module.ts";
import type { Tensor } from "../tensor/tensor.ts";

/**
 * A batch of packed rows. Dims: R rows, W tokens a row. Rows hold one or several sequences; the unpacked
 * batch is the case of one sequence a row.
 */
export interface EncoderInputs {
  /** i32 `[R, W]`. */
  readonly inputIds: Tensor;
  /** i32 `[R, W]`: 0 for padding, else which sequence of its row a token belongs to; tokens attend inside it. */
  readonly sequenceIds: Tensor;
  /** i32 `[R, W]`, starting at 0 in every sequence. */
  readonly positionIds: Tensor;
  /** i32 `[R, W]`: which segment of its sequence a token belongs to. */
  readonly tokenTypeIds: Tensor;
}

export interface EncoderOutputs {
  /** float `[R, W, H]`. */
  readonly lastHiddenState: Tensor;
  /** The embeddings' output, then each layer's: `numHiddenLayers + 1` tensors `[R, W, H]`. */
  readonly hiddenStates: readonly Tensor[];
}

/** The part of a model that turns tokens into vectors, and is carried from pre-training to tasks. */
export interface Encoder extends Module {
  readonly hiddenSize: number;
  readonly vocabSize: number;
  readonly maxPositionEmbeddings: number;
  readonly typeVocabSize: number;
  readonly numHiddenLayers: number;
  encode(context: ForwardContext, inputs: EncoderInputs): EncoderOutputs;
  /**
   * The last hidden states at some places only, for heads that read no others: what the last layer computes place by
   * place (all but attention's mixing) is computed there only. The numbers are those of `encode`. Dims: P places.
   * @param places i32 `[P]` over all rows: row · W + token
   * @returns float `[P, H]`
   */
  encodeAt(context: ForwardContext, inputs: EncoderInputs, places: Tensor): Tensor;
  /** One vector a sequence from the hidden states at its first token: `[S, H]` → `[S, H]`. */
  pool(context: ForwardContext, firstTokens: Tensor): Tensor;
}

/** A model with heads for self-supervision. An objective asks for the heads it needs by name. */
export interface PretrainingModel extends Module {
  readonly encoder: Encoder;
  /** Scores over the vocabulary for hidden states `[M, H]` → `[M, V]`. */
  maskedLmLogits?(context: ForwardContext, hidden: Tensor): Tensor;
  /** Scores of a relation between two segments for pooled vectors `[S, H]` → `[S, 2]`; class 0 is "as in the text". */
  sequencePairLogits?(context: ForwardContext, pooled: Tensor): Tensor;
}

/** A model with a classification head. */
export interface ClassificationModel extends Module {
  readonly encoder: Encoder;
  readonly numLabels: number;
  /** `[S, H]` pooled vectors → `[S, numLabels]`. */
  classificationLogits(context: ForwardContext, pooled: Tensor): Tensor;
}
