/** @file BERT's objective: predict chosen words from their context and, if asked, how two segments relate. */
import { ConfigError, FirthError } from "../base/errors.ts";
import { Random } from "../base/random.ts";
import type { Batch } from "../data/batch.ts";
import type { PlannedBatch } from "../data/row-plan.ts";
import type { PretrainingExample } from "../data/segment.ts";
import { nextSentencePairs, sentenceOrderPairs, textRuns } from "../data/segment-pairs.ts";
import { bertFraming } from "../models/framing.ts";
import type { EncoderInputs, PretrainingModel } from "../models/model.ts";
import type { ForwardContext } from "../nn/module.ts";
import { crossEntropy } from "../tensor/fused.ts";
import { concatenate, sliceAxis } from "../tensor/movement.ts";
import { sum } from "../tensor/reduction.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";
import { type Frame, frameOf, tokenTypes } from "./frame.ts";
import { hits } from "./hits.ts";
import {
  type Drawn,
  type LossFigures,
  lackingParts,
  type ModelPart,
  type PretrainingObjective,
  requireParts,
} from "./objective.ts";
import { integers, type RowSequence, roomFor, rowBatch } from "./row-batch.ts";
import { type MaskingOptions, type MaskingUnit, maskTokens } from "./token-masking.ts";

export interface MaskedLanguageModelingOptions {
  readonly tokenizer: Tokenizer;
  /** Tokens in a row, special tokens included. */
  readonly maxSeqLength: number;
  /** 0.15 by default. */
  readonly maskProbability?: number;
  /** What is masked together: `token` by default. */
  readonly unit?: MaskingUnit;
  /** Longest n-gram with `unit: "ngram"`: 3 by default. */
  readonly maxNgram?: number;
  readonly maxPredictionsPerSequence?: number;
  readonly maskTokenProbability?: number;
  readonly randomTokenProbability?: number;
  /** Masks drawn anew every epoch (`dynamic`, the default), or once for each example (`static`). */
  readonly masking?: "dynamic" | "static";
  /** Also predict whether B follows A (`nextSentence`) or whether they were exchanged (`sentenceOrder`). */
  readonly pair?: "none" | "nextSentence" | "sentenceOrder";
  /** Put several short sequences into one row; true by default. */
  readonly packed?: boolean;
}

/** The objective with the options it was made from. */
export interface MaskedLanguageModeling extends PretrainingObjective {
  readonly options: MaskedLanguageModelingOptions;
}

/** Ignored by crossEntropy. */
const UNSCORED = -100;

function resolve(options: MaskedLanguageModelingOptions): MaskingOptions {
  const { maskProbability = 0.15, unit = "token", maxNgram = 3, maxPredictionsPerSequence } = options;
  const { maskTokenProbability = 0.8, randomTokenProbability = 0.1 } = options;
  const issues = [
    ...(maskProbability > 0 && maskProbability < 1
      ? []
      : [{ path: "maskProbability", message: `must lie in (0, 1); got ${maskProbability}.`, code: "CONFIG_RANGE" }]),
    ...(maskTokenProbability >= 0 && randomTokenProbability >= 0 && maskTokenProbability + randomTokenProbability <= 1
      ? []
      : [
          {
            path: "maskTokenProbability",
            message: `and randomTokenProbability must be ≥ 0 and sum to at most 1; got ${maskTokenProbability} and ${randomTokenProbability}.`,
            code: "CONFIG_RANGE",
          },
        ]),
    ...(Number.isInteger(maxNgram) && maxNgram >= 1
      ? []
      : [{ path: "maxNgram", message: `must be a whole number ≥ 1; got ${maxNgram}.`, code: "CONFIG_RANGE" }]),
  ];
  if (issues.length > 0) throw new ConfigError("maskedLanguageModeling", issues);
  return { maskProbability, unit, maxNgram, maxPredictionsPerSequence, maskTokenProbability, randomTokenProbability };
}

/** An example with its special tokens, and the word starts beside it (special tokens start words). */
function framed({ a, b }: PretrainingExample, frame: Frame): RowSequence & { readonly wordStarts: Uint8Array } {
  const text = frame.join(b === undefined ? [a.tokens] : [a.tokens, b.tokens]);
  const wordStarts = new Uint8Array(text.tokens.length).fill(1);
  wordStarts.set(a.wordStarts, text.firstStart);
  if (b !== undefined) wordStarts.set(b.wordStarts, text.secondStart);
  return { tokens: text.tokens, tokenTypeIds: tokenTypes(text), wordStarts };
}

/** Number of scored places in a batch's shape: the budget of full rows, more only if the batch needs it. */
function scoredCapacity(scored: number, numPlaces: number, maskProbability: number): number {
  const usual = Math.ceil((numPlaces * maskProbability) / 8) * 8;
  return scored <= usual ? usual : Math.ceil(scored / 64) * 64;
}

/**
 * Masked language modelling, with next-sentence or sentence-order prediction if asked.
 *
 * The vocabulary scores are computed at the chosen places only. Terms: `mlm` (nats per masked token) and, with
 * pairs, `pair` (nats per sequence); metrics when evaluating: `mlmAccuracy`, `pairAccuracy`.
 * @throws {FirthError} TOKENIZER_LACKS_TOKEN when the tokenizer has no token for masked words, beginnings or ends
 * @source Devlin et al. 2019 §3.1, arXiv:1810.04805; Lan et al. 2020 §3.1, arXiv:1909.11942 (sentence order)
 */
export function maskedLanguageModeling(options: MaskedLanguageModelingOptions): MaskedLanguageModeling {
  const { tokenizer, maxSeqLength, masking = "dynamic", pair = "none", packed = true } = options;
  const settings = resolve(options);
  const name = "maskedLanguageModeling";
  const { mask, pad } = tokenizer.special;
  if (mask === undefined) {
    const message = "the tokenizer must have a token for masked words, such as [MASK]. Train it with one.";
    throw new FirthError(message, { code: "TOKENIZER_LACKS_TOKEN", path: name });
  }
  const frame = frameOf(bertFraming, tokenizer, name);
  const specials = new Set(tokenizer.specialIds);
  const vocabulary = { maskId: mask, vocabSize: tokenizer.vocabSize, isSpecial: (id: number) => specials.has(id) };

  const parts: readonly ModelPart[] = pair === "none" ? ["maskedLmLogits"] : ["maskedLmLogits", "sequencePairLogits"];

  const collate = (drawn: readonly Drawn<PretrainingExample>[], seed: number, layout?: PlannedBatch): Batch => {
    const joined = drawn.map(({ example }) => framed(example, frame));
    const masked = joined.map(({ tokens, wordStarts }, i) => {
      const { epoch, item } = drawn[i]!;
      const random = masking === "dynamic" ? new Random(seed, "mask", epoch, item) : new Random(seed, "mask", item);
      return maskTokens(tokens, wordStarts, settings, vocabulary, random);
    });
    const rows = rowBatch(
      masked.map(({ tokens }, i) => ({ tokens, tokenTypeIds: joined[i]!.tokenTypeIds })),
      layout === undefined ? { padId: pad, packed, maxSeqLength } : { padId: pad, layout },
    );
    const scored = masked.reduce((total, { positions }) => total + positions.length, 0);
    const capacity = scoredCapacity(scored, rows.numPlaces, settings.maskProbability);
    const maskedPositions = new Int32Array(capacity);
    const maskedLabels = new Int32Array(capacity).fill(UNSCORED);
    let at = 0;
    masked.forEach(({ positions, labels }, i) => {
      positions.forEach((place, k) => {
        maskedPositions[at] = rows.starts[i]! + place;
        maskedLabels[at++] = labels[k]!;
      });
    });
    const room = roomFor(drawn.length);
    const firstTokens = new Int32Array(room);
    firstTokens.set(rows.starts);
    const pairLabels = new Int32Array(room).fill(UNSCORED);
    drawn.forEach(({ example: { isNext, isSwapped } }, i) => {
      pairLabels[i] = Number(isNext === false || isSwapped === true);
    });
    const pairTensors = { firstTokens: integers(firstTokens, [room]), pairLabels: integers(pairLabels, [room]) };
    return {
      tensors: {
        ...rows.tensors,
        maskedPositions: integers(maskedPositions, [capacity]),
        maskedLabels: integers(maskedLabels, [capacity]),
        ...(pair === "none" ? {} : pairTensors),
      },
      lists: {
        maskedPositions: { count: scored, beside: { maskedLabels: UNSCORED } },
        ...(pair === "none" ? {} : { firstTokens: { count: drawn.length, beside: { pairLabels: UNSCORED } } }),
      },
      counts: { maskedTokens: scored, ...(pair === "none" ? {} : { sequences: drawn.length }) },
      numSequences: drawn.length,
      numTokens: rows.numTokens,
      numPlaces: rows.numPlaces,
    };
  };

  const loss = (
    model: PretrainingModel,
    context: ForwardContext,
    batch: Readonly<Record<string, Tensor>>,
  ): LossFigures => {
    requireParts(model, parts, name);
    const { maskedPositions, firstTokens } = batch as {
      readonly maskedPositions: Tensor;
      readonly firstTokens?: Tensor;
    };
    const numMasked = maskedPositions.dim(0);
    const places = firstTokens === undefined ? maskedPositions : concatenate([maskedPositions, firstTokens], 0);
    const hidden = model.encoder.encodeAt(context, batch as unknown as EncoderInputs, places);
    const logits = model.maskedLmLogits!(context, sliceAxis(hidden, 0, 0, numMasked));
    const figures: LossFigures = {
      terms: { mlm: { sum: sum(crossEntropy(logits, batch.maskedLabels!)), count: "maskedTokens", weight: 1 } },
      metrics: context.training
        ? {}
        : { mlmAccuracy: { sum: hits(logits, batch.maskedLabels!), count: "maskedTokens" } },
    };
    if (pair === "none") return figures;
    const pooled = model.encoder.pool(context, sliceAxis(hidden, 0, numMasked, places.dim(0)));
    const pairLogits = model.sequencePairLogits!(context, pooled);
    const pairLoss = sum(crossEntropy(pairLogits, batch.pairLabels!));
    return {
      terms: { ...figures.terms, pair: { sum: pairLoss, count: "sequences", weight: 1 } },
      metrics: context.training
        ? {}
        : { ...figures.metrics, pairAccuracy: { sum: hits(pairLogits, batch.pairLabels!), count: "sequences" } },
    };
  };

  const { tokenizer: _, ...facts } = options;
  return {
    name,
    options,
    tokenizer,
    maxSeqLength,
    packed,
    settings: facts,
    examples: (corpus, shortSequenceProbability) => {
      if (pair === "none")
        return textRuns(corpus, { maxTokens: maxSeqLength - frame.overhead(1), shortSequenceProbability });
      const cut = { maxTokens: maxSeqLength - frame.overhead(2), shortSequenceProbability };
      return pair === "nextSentence" ? nextSentencePairs(corpus, cut) : sentenceOrderPairs(corpus, cut);
    },
    rowLength: ({ a, b }) =>
      b === undefined ? a.tokens.length + frame.overhead(1) : a.tokens.length + b.tokens.length + frame.overhead(2),
    modelIssues: (model) => {
      const { typeVocabSize } = model.encoder;
      const message = `must be 2 for pairs; got ${typeVocabSize}.`;
      const issue = { path: "model.typeVocabSize", message, code: "CONFIG_RANGE" };
      return [...lackingParts(model, parts, name), ...(pair === "none" || typeVocabSize >= 2 ? [] : [issue])];
    },
    collate,
    loss,
  };
}
