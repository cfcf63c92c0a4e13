/** @file How networks learn to write a target for a source: a decoder beside an encoder, or masks in one row. */
import { Random } from "../base/random.ts";
import type { Batch } from "../data/batch.ts";
import { UNSCORED } from "../ir/unscored.ts";
import { bertFraming } from "../models/framing.ts";
import type { EncoderInputs, PretrainingModel } from "../models/model.ts";
import type { ForwardContext } from "../nn/module.ts";
import { frameOf } from "../objectives/frame.ts";
import { hits } from "../objectives/hits.ts";
import { type LossFigures, type Objective, requireParts } from "../objectives/objective.ts";
import { integers, roomFor, rowBatch } from "../objectives/row-batch.ts";
import { smoothedCrossEntropy } from "../objectives/smoothed-cross-entropy.ts";
import { maskToken, textEnds, withEnds } from "../objectives/special-token.ts";
import { pairBatch, shiftRight, targetLogits } from "../objectives/target-rows.ts";
import { corruptPlaces } from "../objectives/token-masking.ts";
import { unifiedTokenTypes } from "../objectives/unified-language-modeling.ts";
import { sum } from "../tensor/reduction.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";
import type { TextPair } from "./sequence-to-sequence-data.ts";

/** How targets are written, whatever the network. */
export interface WritingSettings {
  readonly tokenizer: Tokenizer;
  /** Longest source and longest target in tokens, special tokens included. */
  readonly maxSourceLength: number;
  readonly maxTargetLength: number;
  /** Share of a label that is spread over the vocabulary in training. */
  readonly labelSmoothing: number;
  /** Share of a target's tokens that {@link maskedTarget} hides. */
  readonly targetMaskProbability: number;
  /** Put several short texts into one row. */
  readonly packed: boolean;
}

/** An objective over pairs of texts. */
export interface WritingObjective extends Objective<TextPair, PretrainingModel> {
  /** Tokens of a pair in its row; the longer side's where there are two. */
  rowLength(pair: TextPair): number;
}

const name = "sequenceToSequence";

/** Labels are smoothed in training only: held-out losses are comparable. */
function figures(logits: Tensor, labels: Tensor, context: ForwardContext, smoothing: number): LossFigures {
  const losses = smoothedCrossEntropy(logits, labels, context.training ? smoothing : 0);
  const count = "targetTokens";
  return {
    terms: { target: { sum: sum(losses), count, weight: 1 } },
    metrics: context.training ? {} : { targetAccuracy: { sum: hits(logits, labels), count } },
  };
}

/**
 * For encoder–decoders: the encoder reads the source, the decoder writes the target from its starting token on.
 * @param startTokenId the decoder's
 * @source Lewis et al. 2020 §3.3, arXiv:1910.13461; Song et al. 2019 §3.4, arXiv:1905.02450
 */
export function decodedTarget(settings: WritingSettings, startTokenId: number): WritingObjective {
  const { tokenizer, packed, maxSourceLength, maxTargetLength, labelSmoothing } = settings;
  const ends = textEnds(tokenizer, name);
  const padId = tokenizer.special.pad;
  const maxSeqLength = Math.max(maxSourceLength, maxTargetLength);
  return {
    name,
    rowLength: ({ source, target }) => Math.max(source.length, target.length) + 2,
    collate: (drawn, _seed, layout): Batch => {
      const pairs = drawn.map(({ example: { source, target } }) => {
        const [tokens, labels] = [withEnds(source, ends), withEnds(target, ends)];
        return {
          source: { tokens, tokenTypeIds: new Int32Array(tokens.length) },
          target: { inputs: shiftRight(labels, startTokenId), labels },
        };
      });
      const { numAnswered, ...batch } = pairBatch(
        pairs,
        layout === undefined ? { padId, packed, maxSeqLength } : { padId, layout },
      );
      return { ...batch, counts: { targetTokens: numAnswered }, numSequences: drawn.length };
    },
    loss: (model, context, batch) => {
      requireParts(model, ["decoder", "causalLmLogits"], name);
      const logits = targetLogits(model as Parameters<typeof targetLogits>[0], context, batch);
      return figures(logits, batch.targetLabels!, context, labelSmoothing);
    },
  };
}

/**
 * For encoders that read in several orders (UniLM): source and target stand in one row, the target's tokens see the source
 * and what is left of them, and a share of them, the ending one among them, is masked and predicted.
 * @param typeVocabSize token types that the network knows
 * @source Dong et al. 2019 §2.5, arXiv:1905.03197: 70 % of the target's tokens; of these 80 % [MASK], 10 % random, 10 % as
 * they are
 */
export function maskedTarget(settings: WritingSettings, typeVocabSize: number): WritingObjective {
  const { tokenizer, packed, maxSourceLength, maxTargetLength, labelSmoothing, targetMaskProbability } = settings;
  const frame = frameOf(bertFraming, tokenizer, name);
  const specials = new Set(tokenizer.specialIds);
  const vocabulary = {
    maskId: maskToken(tokenizer, name),
    vocabSize: tokenizer.vocabSize,
    isSpecial: (id: number) => specials.has(id),
  };
  const shares = { maskTokenProbability: 0.8, randomTokenProbability: 0.1 };
  const padId = tokenizer.special.pad;
  const maxSeqLength = maxSourceLength + maxTargetLength - 1;
  const known = unifiedTokenTypes.sequenceToSequence;
  const [sourceType, targetType] = typeVocabSize > known[1] ? known : typeVocabSize > 1 ? [0, 1] : [0, 0];

  const sequenceOf = ({ source, target }: TextPair, random: Random) => {
    const { tokens, secondStart } = frame.join([source, target]);
    const places = Array.from({ length: tokens.length - secondStart }, (_, i) => secondStart + i);
    const count = Math.max(1, Math.round(targetMaskProbability * places.length));
    const chosen = random.shuffle(places).slice(0, count);
    const masked = corruptPlaces(
      tokens,
      chosen.sort((a, b) => a - b),
      shares,
      vocabulary,
      random,
    );
    return {
      ...masked,
      tokenTypeIds: new Int32Array(tokens.length).fill(sourceType).fill(targetType, secondStart),
      ranks: Int32Array.from(tokens, (_, place) => Math.max(0, place - secondStart + 1)),
    };
  };

  return {
    name,
    rowLength: ({ source, target }) => source.length + target.length + frame.overhead(2),
    collate: (drawn, seed, layout): Batch => {
      const sequences = drawn.map(({ example, epoch, item }) =>
        sequenceOf(example, new Random(seed, "target-mask", epoch, item)),
      );
      const rows = rowBatch(sequences, layout === undefined ? { padId, packed, maxSeqLength } : { padId, layout });
      const count = sequences.reduce((total, { positions }) => total + positions.length, 0);
      const room = roomFor(count);
      const [targetPlaces, targetLabels] = [new Int32Array(room), new Int32Array(room).fill(UNSCORED)];
      let at = 0;
      sequences.forEach(({ positions, labels }, i) => {
        positions.forEach((place, k) => {
          targetPlaces[at] = rows.starts[i]! + place;
          targetLabels[at++] = labels[k]!;
        });
      });
      const lists = { targetPlaces: integers(targetPlaces, [room]), targetLabels: integers(targetLabels, [room]) };
      return {
        tensors: { ...rows.tensors, ...lists },
        lists: { targetPlaces: { count, beside: { targetLabels: UNSCORED } } },
        counts: { targetTokens: count },
        numSequences: drawn.length,
        numTokens: rows.numTokens,
        numPlaces: rows.numPlaces,
      };
    },
    loss: (model, context, batch) => {
      requireParts(model, ["maskedLmLogits"], name);
      const hidden = model.encoder.encodeAt(context, batch as unknown as EncoderInputs, batch.targetPlaces!);
      return figures(model.maskedLmLogits!(context, hidden), batch.targetLabels!, context, labelSmoothing);
    },
  };
}
