/** @file How networks of different make continue texts: what is fed at each step, and where the next token's scores are. */
import { FirthError } from "../base/errors.ts";
import type { EncoderInputs, PastTokens, PretrainingModel, SourceStates } from "../models/model.ts";
import type { ForwardContext } from "../nn/module.ts";
import { unifiedTokenTypes } from "../objectives/unified-language-modeling.ts";
import type { Tensor } from "../tensor/tensor.ts";

/**
 * How a network writes.
 * - `leftToRight`: GPT; tokens look left, the last one's scores are the next token's.
 * - `encoderDecoder`: BART, MASS; as GPT, and every token looks at a source that was encoded once.
 * - `maskByMask`: UniLM; a `[MASK]` after the text is predicted, then gives way to the token chosen for it. Tokens of the
 *   source look at the whole source, those written look left too.
 */
export type WritingOrder = "leftToRight" | "encoderDecoder" | "maskByMask";

/** Segment ids of a source and of what is written, and of what is written without a source, for `maskByMask`. */
export interface SegmentIds {
  readonly source: number;
  readonly target: number;
  readonly alone: number;
}

/** As UniLM learns them, or BERT's where the model knows only those. */
function segmentsFor(typeVocabSize: number): SegmentIds {
  const { sequenceToSequence, leftToRight } = unifiedTokenTypes;
  const [source, target] = sequenceToSequence;
  if (typeVocabSize > target) return { source, target, alone: leftToRight[0] };
  return { source: 0, target: typeVocabSize > 1 ? 1 : 0, alone: 0 };
}

/** A model as generation sees it. */
export interface WritingNetwork {
  readonly model: PretrainingModel;
  readonly order: WritingOrder;
  /** Ids that it has vectors for, from 0. */
  readonly vocabSize: number;
  /** Layers that keep keys and values. */
  readonly numLayers: number;
  /** Longest text in tokens: prompt and what is written; of the decoder where there is one. */
  readonly maxPositions: number;
  /** Longest source in tokens. */
  readonly maxSourcePositions: number;
  /** Fed after the tokens, where the network predicts a mask. */
  readonly maskId: number | undefined;
  readonly segments: SegmentIds;
  /** Id that begins what is written, where it is not a prompt's. */
  readonly startTokenId: number | undefined;
  /** Scores over the vocabulary at some places: float `[P, V]`. */
  scores(context: ForwardContext, inputs: EncoderInputs, view: WritingView): Tensor;
}

/** What the tokens of a step look at beside themselves, and where scores are wanted. */
export interface WritingView {
  /** i32 `[P]`: row · W + token. */
  readonly places: Tensor;
  readonly past?: PastTokens | undefined;
  readonly source?: SourceStates | undefined;
}

export interface WritingOptions {
  /** `[MASK]` of the tokenizer, for `maskByMask`. */
  readonly maskId?: number | undefined;
  /** UniLM's own where the model has as many, else 0 and 1. */
  readonly segments?: SegmentIds | undefined;
}

function lacks(what: string): FirthError {
  return new FirthError(`the model cannot write: ${what}. Use GPT, an encoder–decoder, or UniLM.`, {
    code: "MODEL_CANNOT_WRITE",
    path: "generate",
  });
}

/**
 * A model as generation sees it.
 * @throws {FirthError} MODEL_CANNOT_WRITE where the model has neither a decoder nor a head that serves
 */
export function writingNetwork(model: PretrainingModel, options: WritingOptions = {}): WritingNetwork {
  const { encoder, decoder } = model;
  const shared = {
    model,
    maskId: undefined,
    segments: { source: 0, target: 0, alone: 0 },
    startTokenId: undefined,
    vocabSize: encoder.vocabSize,
    maxSourcePositions: encoder.maxPositionEmbeddings,
  };
  if (decoder !== undefined) {
    if (model.causalLmLogits === undefined) throw lacks("its decoder has no head for next words");
    return {
      ...shared,
      order: "encoderDecoder",
      numLayers: decoder.numHiddenLayers,
      maxPositions: decoder.maxPositionEmbeddings,
      startTokenId: decoder.startTokenId,
      scores: (context, inputs, { places, past, source }) =>
        model.causalLmLogits!(context, decoder.decodeAt(context, inputs, source!, places, past)),
    };
  }
  const { numHiddenLayers: numLayers, maxPositionEmbeddings: maxPositions } = encoder;
  if (encoder.isCausal) {
    if (model.causalLmLogits === undefined) throw lacks("it has no head for next words");
    return {
      ...{ ...shared, numLayers, maxPositions },
      order: "leftToRight",
      scores: (context, inputs, { places, past }) =>
        model.causalLmLogits!(context, encoder.encodeAt(context, inputs, places, past)),
    };
  }
  if (model.maskedLmLogits === undefined) throw lacks("it has no head for masked words");
  if (options.maskId === undefined) throw lacks("its tokenizer has no [MASK]");
  return {
    ...{ ...shared, numLayers, maxPositions },
    order: "maskByMask",
    maskId: options.maskId,
    segments: options.segments ?? segmentsFor(encoder.typeVocabSize),
    scores: (context, inputs, { places, past }) =>
      model.maskedLmLogits!(context, encoder.encodeAt(context, inputs, places, past)),
  };
}
