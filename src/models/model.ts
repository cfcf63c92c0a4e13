/** @file What objectives, tasks and generation know of a model, whatever its family. */
import type { ConditionalRandomField } from "../nn/conditional-random-field.ts";
import type { KeyValue } from "../nn/layers.ts";
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
  /** i32 `[R, W]`: of which kind of task a token's input is; 0 when left out. Only networks with such kinds read it. */
  readonly taskTypeIds?: Tensor | undefined;
  /**
   * i32 `[R, W]`: a token sees those of its sequence whose rank is at most its own. Left out, tokens see the whole of their
   * sequence, or in networks that read from left to right (GPT, decoders) the places up to their own.
   */
  readonly attentionRanks?: Tensor | undefined;
}

/** Keys and values of one layer that are kept from one decoding step to the next. */
export interface LayerCache {
  /**
   * Takes the new tokens' keys and values `[R, W, N, D]`; gives those of all tokens, the past ones first: in one block, or
   * in several that need not be joined.
   */
  self(fresh: KeyValue): readonly KeyValue[];
  /** The source's keys and values, computed when first needed. */
  source(compute: () => KeyValue): KeyValue;
}

/** Tokens before those of a call, known by their keys and values only. Dims: R rows, C past tokens. */
export interface PastTokens {
  /** Undefined in the first call, which has none. */
  readonly tokens:
    | {
        /** i32 `[R, C]`; 0 where there is none. */
        readonly sequenceIds: Tensor;
        /** i32 `[R, C]`: see `EncoderInputs.attentionRanks`; places, in networks that read from left to right. */
        readonly attentionRanks: Tensor;
      }
    | undefined;
  /** One a layer. */
  readonly caches: readonly LayerCache[];
}

export interface EncoderOutputs {
  /** float `[R, W, H]`. */
  readonly lastHiddenState: Tensor;
  /** The embeddings' output, then each layer's: `numHiddenLayers + 1` tensors `[R, W, H]`. */
  readonly hiddenStates: readonly Tensor[];
}

/** What a network of layers says of itself. */
export interface NetworkFacts {
  readonly hiddenSize: number;
  readonly vocabSize: number;
  /** Longest sequence, in tokens. */
  readonly maxPositionEmbeddings: number;
  /** Segment kinds; 0 where the network knows none. */
  readonly typeVocabSize: number;
  readonly numHiddenLayers: number;
}

/** States that have seen one side of a text only: `left` up to their place, `right` from it on. */
export interface OneSided {
  readonly size: number;
  /** float `[R, W, size]` each. */
  states(context: ForwardContext, inputs: EncoderInputs): { readonly left: Tensor; readonly right: Tensor };
}

/** The part of a model that turns tokens into vectors, and is carried from pre-training to tasks. */
export interface Encoder extends Module, NetworkFacts {
  /** At which of its tokens a sequence is summed up: the last one where tokens look left only. */
  readonly pooledToken: "first" | "last";
  /** Whether tokens look left only unless told otherwise. */
  readonly isCausal: boolean;
  /** @param past tokens before these, in decoding */
  encode(context: ForwardContext, inputs: EncoderInputs, past?: PastTokens): EncoderOutputs;
  /**
   * The last hidden states at some places only, for heads that read no others: what the last layer computes place by
   * place (all but attention's mixing) is computed there only. The numbers are those of `encode`. Dims: P places.
   * @param places i32 `[P]` over all rows: row · W + token
   * @returns float `[P, H]`
   */
  encodeAt(context: ForwardContext, inputs: EncoderInputs, places: Tensor, past?: PastTokens): Tensor;
  /** Only in networks made of two directions. */
  readonly oneSided?: OneSided | undefined;
  /** One vector a sequence from the hidden states at its `pooledToken`: `[S, H]` → `[S, H]`. */
  pool(context: ForwardContext, tokens: Tensor): Tensor;
}

/** What a decoder looks at beside its own tokens: an encoder's result. Dims: R rows, S source tokens. */
export interface SourceStates {
  /** float `[R, S, H]`; undefined where the keys and values come from the past. */
  readonly states: Tensor | undefined;
  /** i32 `[R, S]`: a target sequence looks at the source with its own id. */
  readonly sequenceIds: Tensor;
}

/** The part of an encoder–decoder that writes: tokens look left, and at the source. */
export interface Decoder extends Module {
  readonly maxPositionEmbeddings: number;
  readonly numHiddenLayers: number;
  /** Id that begins a target, by the model's convention. */
  readonly startTokenId: number;
  decode(context: ForwardContext, inputs: EncoderInputs, source: SourceStates, past?: PastTokens): EncoderOutputs;
  /** As `encodeAt`. */
  decodeAt(
    context: ForwardContext,
    inputs: EncoderInputs,
    source: SourceStates,
    places: Tensor,
    past?: PastTokens,
  ): Tensor;
}

/** A model with heads for self-supervision. An objective asks for the parts it needs by name. */
export interface PretrainingModel extends Module {
  readonly encoder: Encoder;
  readonly decoder?: Decoder | undefined;
  /** Scores over the vocabulary of the token at a place, from its hidden states `[M, H]` → `[M, V]`. */
  maskedLmLogits?(context: ForwardContext, hidden: Tensor): Tensor;
  /** Scores over the vocabulary of the token after a place; of the decoder's places where there is one. */
  causalLmLogits?(context: ForwardContext, hidden: Tensor): Tensor;
  /** Scores of a relation between two segments for pooled vectors `[S, H]` → `[S, 2]`; class 0 is "as in the text". */
  sequencePairLogits?(context: ForwardContext, pooled: Tensor): Tensor;
}

/** A model with a classification head. */
export interface ClassificationModel extends Module {
  readonly encoder: Encoder;
  readonly numLabels: number;
  /** `[S, H]` pooled vectors → `[S, numLabels]`. */
  classificationLogits(context: ForwardContext, pooled: Tensor): Tensor;
  /**
   * Only in models whose head reads all tokens of pairs of texts, not their pooled vectors: `[S, numLabels]`.
   * @param pairs i32 `[S]` each: places of the pairs' first tokens, and their tokens before the second text
   */
  pairLogits?(
    context: ForwardContext,
    inputs: EncoderInputs,
    pairs: { readonly firstTokens: Tensor; readonly secondOffsets: Tensor },
  ): Tensor;
}

/** A model that scores one option of several: a classifier with one output. */
export interface ChoiceModel extends ClassificationModel {
  readonly numLabels: 1;
  readonly isChoice: true;
}

/** What a head over every token says: its class, or how well an answer begins and ends there. */
export type TokenHead = "tokenClassification" | "questionAnswering";

/** A model with a linear head over every token. */
export interface TokenModel extends Module {
  readonly encoder: Encoder;
  readonly tokenHead: TokenHead;
  /** Scores a token: one a class; two (begins, ends) for answers. */
  readonly numOutputs: number;
  /** Scores of neighbouring classes, where a tagger has them: its classes are then those of the best path. */
  readonly crf?: ConditionalRandomField | undefined;
  /** `[P, H]` hidden states at places → `[P, numOutputs]`. */
  tokenLogits(context: ForwardContext, hidden: Tensor): Tensor;
}

/** Whether a parameter, by its name, is carried from pre-training to tasks: those of encoders and decoders are, heads not. */
export function isCarried(name: string): boolean {
  return /^(encoder|network)\./.test(name);
}
