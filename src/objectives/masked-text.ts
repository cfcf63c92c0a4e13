/** @file Learning to fill in masked words: examples become batches, and what an answer costs. */
import { Random } from "../base/random.ts";
import type { Batch } from "../data/batch.ts";
import { fullRuns } from "../data/full-runs.ts";
import type { PlannedBatch } from "../data/row-plan.ts";
import type { ExampleStream, PretrainingExample } from "../data/segment.ts";
import { type ExampleOptions, nextSentencePairs, sentenceOrderPairs, textRuns } from "../data/segment-pairs.ts";
import type { ShardedCorpus } from "../data/sharded-corpus.ts";
import { UNSCORED } from "../ir/unscored.ts";
import { bertFraming } from "../models/framing.ts";
import type { EncoderInputs, PretrainingModel } from "../models/model.ts";
import type { ForwardContext } from "../nn/module.ts";
import { crossEntropy } from "../tensor/fused.ts";
import { concatenate, sliceAxis } from "../tensor/movement.ts";
import { sum } from "../tensor/reduction.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Frame, frameOf, tokenTypes } from "./frame.ts";
import { hits } from "./hits.ts";
import type { MaskedTextOptions } from "./masked-text-option.ts";
import {
  type Drawn,
  type LossFigures,
  lackingParts,
  type ModelPart,
  type PretrainingObjective,
  requireParts,
} from "./objective.ts";
import { integers, type RowSequence, roomFor, rowBatch } from "./row-batch.ts";
import { maskToken } from "./special-token.ts";
import type { CorruptionOptions, MaskedSequence, MaskingVocabulary } from "./token-masking.ts";

/** A sequence with its special tokens, and the word starts beside it (special tokens start words). */
export interface MaskableSequence extends RowSequence {
  readonly wordStarts: Uint8Array;
}

function framed({ a, b }: PretrainingExample, frame: Frame): MaskableSequence {
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

/** An objective of masked words: all but how they are dealt with. */
export interface MaskedText {
  readonly name: string;
  readonly options: MaskedTextOptions;
  readonly corruption: CorruptionOptions;
  /** With the seed they decide its batches. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Chooses tokens of a sequence and corrupts them. */
  readonly mask: (
    sequence: MaskableSequence,
    vocabulary: MaskingVocabulary,
    place: Pick<Drawn<unknown>, "epoch" | "item">,
    random: Random,
  ) => MaskedSequence;
  /** Changes token types or ranks of an example's sequence; as it is unless given. */
  readonly read?: (example: PretrainingExample, framed: MaskableSequence) => MaskableSequence;
  /** Whether an example's segments have a relation to learn; with pairs all unless given. */
  readonly hasPair?: (example: PretrainingExample) => boolean;
  /** Examples of other kinds than the options say. */
  readonly examples?: (corpus: ShardedCorpus, cut: ExampleOptions) => ExampleStream;
  /** Token types that a model must have; two with pairs unless given. */
  readonly minTokenTypes?: number;
}

/**
 * Learning to fill in masked words, whichever they are, with next-sentence or sentence-order prediction if asked.
 *
 * The vocabulary scores are computed at the chosen places only. Terms: `mlm` (nats per masked token) and, with
 * pairs, `pair` (nats per sequence); metrics when evaluating: `mlmAccuracy`, `pairAccuracy`.
 * @throws {FirthError} TOKENIZER_LACKS_TOKEN when the tokenizer has no token for masked words, beginnings or ends
 */
export function maskedTextObjective(given: MaskedText): PretrainingObjective {
  const { name, options, settings } = given;
  const { tokenizer, maxSeqLength, masking = "dynamic", pair = "none", packed = true } = options;
  const { read = (_example, sequence) => sequence, hasPair = () => true } = given;
  const { minTokenTypes = pair === "none" ? 0 : 2 } = given;
  const mask = maskToken(tokenizer, name);
  const { pad } = tokenizer.special;
  const frame = frameOf(bertFraming, tokenizer, name);
  const specials = new Set(tokenizer.specialIds);
  const vocabulary = { maskId: mask, vocabSize: tokenizer.vocabSize, isSpecial: (id: number) => specials.has(id) };

  const parts: readonly ModelPart[] = pair === "none" ? ["maskedLmLogits"] : ["maskedLmLogits", "sequencePairLogits"];

  const collate = (drawn: readonly Drawn<PretrainingExample>[], seed: number, layout?: PlannedBatch): Batch => {
    const joined = drawn.map(({ example }) => read(example, framed(example, frame)));
    const masked = joined.map((sequence, i) => {
      const { epoch, item } = drawn[i]!;
      const random = masking === "dynamic" ? new Random(seed, "mask", epoch, item) : new Random(seed, "mask", item);
      return given.mask(sequence, vocabulary, drawn[i]!, random);
    });
    const rows = rowBatch(
      masked.map(({ tokens }, i) => ({ ...joined[i]!, tokens })),
      layout === undefined ? { padId: pad, packed, maxSeqLength } : { padId: pad, layout },
    );
    const scored = masked.reduce((total, { positions }) => total + positions.length, 0);
    const capacity = scoredCapacity(scored, rows.numPlaces, given.corruption.maskProbability);
    const maskedPositions = new Int32Array(capacity);
    const maskedLabels = new Int32Array(capacity).fill(UNSCORED);
    let at = 0;
    masked.forEach(({ positions, labels }, i) => {
      positions.forEach((place, k) => {
        maskedPositions[at] = rows.starts[i]! + place;
        maskedLabels[at++] = labels[k]!;
      });
    });
    const paired = [...drawn.keys()].filter((i) => hasPair(drawn[i]!.example));
    const room = roomFor(paired.length);
    const firstTokens = new Int32Array(room);
    const pairLabels = new Int32Array(room).fill(UNSCORED);
    paired.forEach((i, at) => {
      const { isNext, isSwapped } = drawn[i]!.example;
      firstTokens[at] = rows.starts[i]!;
      pairLabels[at] = Number(isNext === false || isSwapped === true);
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
        ...(pair === "none" ? {} : { firstTokens: { count: paired.length, beside: { pairLabels: UNSCORED } } }),
      },
      counts: { maskedTokens: scored, ...(pair === "none" ? {} : { sequences: paired.length }) },
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

  return {
    name,
    tokenizer,
    maxSeqLength,
    packed,
    settings,
    examples: (corpus, shortSequenceProbability) => {
      const maxPairTokens = maxSeqLength - frame.overhead(2);
      if (given.examples !== undefined) {
        return given.examples(corpus, { maxTokens: maxPairTokens, shortSequenceProbability });
      }
      if (pair === "none") {
        const { documents = "separate", boundary = "token" } = options;
        const runs = { maxTokens: maxSeqLength - frame.overhead(1), shortSequenceProbability, boundary };
        return documents === "separate"
          ? textRuns(corpus, runs)
          : fullRuns(corpus, { ...runs, separator: tokenizer.special.sep! });
      }
      const cut = { maxTokens: maxPairTokens, shortSequenceProbability };
      return pair === "nextSentence" ? nextSentencePairs(corpus, cut) : sentenceOrderPairs(corpus, cut);
    },
    rowLength: ({ a, b }) =>
      b === undefined ? a.tokens.length + frame.overhead(1) : a.tokens.length + b.tokens.length + frame.overhead(2),
    modelIssues: (model) => {
      const { typeVocabSize } = model.encoder;
      const message = `must be at least ${minTokenTypes}; got ${typeVocabSize}.`;
      const issue = { path: "model.typeVocabSize", message, code: "CONFIG_RANGE" };
      return [...lackingParts(model, parts, name), ...(typeVocabSize >= minTokenTypes ? [] : [issue])];
    },
    collate,
    loss,
  };
}
