/** @file UniLM's objective: masked words, read in four ways by one network. */
import type { ConfigIssue } from "../base/errors.ts";
import type { PretrainingExample, ReadingOrder } from "../data/segment.ts";
import { unifiedExamples } from "../data/unified-examples.ts";
import { type MaskableSequence, maskedTextObjective } from "./masked-text.ts";
import { corruptionOf, type MaskedTextOptions } from "./masked-text-option.ts";
import type { PretrainingObjective } from "./objective.ts";
import { type MaskingVocabulary, maskGroups, maskingGroups } from "./token-masking.ts";

export interface UnifiedLanguageModelingOptions extends Omit<MaskedTextOptions, "pair" | "documents" | "boundary"> {
  /** How often each reading order occurs, in proportion: 2, 2, 1 and 1 unless given. */
  readonly mixture?: Partial<Readonly<Record<ReadingOrder, number>>>;
  /** How often a bigram or a trigram is chosen instead of one token; 0.2 by default. */
  readonly spanProbability?: number;
}

/**
 * Token types of a text and of the one behind it: each reading order has its own, by which the network knows it.
 * @source the authors' repository (`new_segment_ids`): 0 and 1, 2, 3, 4 and 5
 */
export const unifiedTokenTypes = {
  bidirectional: [0, 1],
  leftToRight: [2, 2],
  rightToLeft: [3, 3],
  sequenceToSequence: [4, 5],
} as const satisfies Readonly<Record<ReadingOrder, readonly [number, number]>>;

const usualMixture = { bidirectional: 2, sequenceToSequence: 2, leftToRight: 1, rightToLeft: 1 };
const TOKEN_TYPES = 6;
const name = "unifiedLanguageModeling";

/** What a place sees: the places of the same sequence whose rank is at most its own. */
const ranksOf: Readonly<Record<ReadingOrder, (place: number, secondStart: number) => number>> = {
  bidirectional: () => 0,
  leftToRight: (place) => place,
  rightToLeft: (place) => -place,
  sequenceToSequence: (place, secondStart) => Math.max(0, place - secondStart + 1),
};

/** The sequence as its reading order has it. */
function read({ readingOrder = "bidirectional" }: PretrainingExample, framed: MaskableSequence): MaskableSequence {
  const [first, second] = unifiedTokenTypes[readingOrder];
  const found = framed.tokenTypeIds.indexOf(1);
  const secondStart = found === -1 ? framed.tokens.length : found;
  return {
    ...framed,
    tokenTypeIds: new Int32Array(framed.tokens.length).fill(first).fill(second, secondStart),
    ranks: Int32Array.from(framed.tokens, (_, place) => ranksOf[readingOrder](place, secondStart)),
  };
}

/** Places that may be chosen: ordinary tokens, and the end of a target, so that writing learns where to stop. */
function maskable({ tokens, tokenTypeIds, wordStarts }: MaskableSequence, vocabulary: MaskingVocabulary) {
  const groups = maskingGroups(tokens, wordStarts, false, vocabulary);
  const last = tokens.length - 1;
  const isTarget = tokenTypeIds[last] === unifiedTokenTypes.sequenceToSequence[1];
  return isTarget ? [...groups, [last, last + 1] as const] : groups;
}

function issuesOf({ mixture = {}, spanProbability = 0.2 }: UnifiedLanguageModelingOptions): ConfigIssue[] {
  const code = "CONFIG_RANGE";
  const issues: ConfigIssue[] = Object.entries(mixture)
    .filter(([, share]) => !(Number.isFinite(share) && share >= 0))
    .map(([order, share]) => ({ path: `mixture.${order}`, message: `must be a number ≥ 0; got ${share}.`, code }));
  if (Object.values({ ...usualMixture, ...mixture }).every((share) => share === 0)) {
    issues.push({ path: "mixture", message: "must have a reading order above 0; got none.", code });
  }
  if (!(spanProbability >= 0 && spanProbability <= 1)) {
    issues.push({ path: "spanProbability", message: `must lie in [0, 1]; got ${spanProbability}.`, code });
  }
  return issues;
}

/**
 * Unified language modelling: 15 % of the tokens are hidden and predicted where they stand, from what the example's
 * reading order lets them see: both sides, what is left of them, what is right of them, or (in the second of two texts)
 * the whole first text and what is left of them. Examples read from both sides also learn whether the second text follows.
 *
 * The order is drawn for each example, so a batch holds the mixture. Needs six token types. Terms: `mlm` (nats per masked
 * token) and, while some examples are read from both sides, `pair` (nats per such example).
 * @throws {ConfigError} all problems together; {FirthError} TOKENIZER_LACKS_TOKEN
 * @source Dong et al. 2019 §2.3–2.4, arXiv:1905.03197. Differs: the last span of a sequence ends with its share of tokens
 */
export function unifiedLanguageModeling(options: UnifiedLanguageModelingOptions): PretrainingObjective {
  const { tokenizer: _, ...settings } = options;
  const corruption = corruptionOf(name, options, issuesOf(options));
  const weights = { ...usualMixture, ...options.mixture };
  const total = Object.values(weights).reduce((sum, weight) => sum + weight, 0);
  const mixture = {
    bidirectional: weights.bidirectional / total,
    sequenceToSequence: weights.sequenceToSequence / total,
    leftToRight: weights.leftToRight / total,
    rightToLeft: weights.rightToLeft / total,
  };
  const { spanProbability: share = 0.2 } = options;
  // One token, a bigram, a trigram.
  const spanWeights = [1 - share, share / 2, share / 2];
  return maskedTextObjective({
    ...{ name, corruption, settings, read },
    options: { ...options, pair: mixture.bidirectional > 0 ? "nextSentence" : "none" },
    hasPair: ({ readingOrder }) => readingOrder === "bidirectional",
    minTokenTypes: TOKEN_TYPES,
    examples: (corpus, cut) => unifiedExamples(corpus, { ...cut, mixture }),
    mask: (sequence, vocabulary, _place, random) =>
      maskGroups(sequence.tokens, maskable(sequence, vocabulary), corruption, vocabulary, random, spanWeights),
  });
}
