import type { Random } from "../base/random.ts";

/** What is chosen as a whole: single pieces, whole words, or spans of up to `maxNgram` words. */
export type MaskingUnit = "token" | "wholeWord" | "ngram";

/** How many tokens are chosen, and what becomes of them. */
export interface CorruptionOptions {
  /** Share of a sequence's tokens that is chosen. */
  readonly maskProbability: number;
  /** Most tokens chosen in one sequence; no limit when left out. */
  readonly maxPredictionsPerSequence?: number | undefined;
  /** Of the chosen tokens: share replaced by [MASK]. */
  readonly maskTokenProbability: number;
  /** Of the chosen tokens: share replaced by a random token; the rest stays as it is. */
  readonly randomTokenProbability: number;
}

export interface MaskingOptions extends CorruptionOptions {
  readonly unit: MaskingUnit;
  /** Longest span of words with `ngram`; lengths n are drawn with p(n) ∝ 1/n. */
  readonly maxNgram: number;
}

/** Ids a tokenizer gives for masking. */
export interface MaskingVocabulary {
  readonly maskId: number;
  readonly vocabSize: number;
  /** Whether an id is a special or reserved token. */
  readonly isSpecial: (id: number) => boolean;
}

export interface MaskedSequence {
  /** The sequence with its chosen tokens corrupted. */
  readonly tokens: Int32Array;
  /** Places of the chosen tokens, rising. */
  readonly positions: number[];
  /** The original tokens at those places. */
  readonly labels: number[];
}

/** Places [start, end) that are chosen together. */
export type MaskingGroup = readonly [start: number, end: number];

/** Groups of places over runs of maskable tokens: single ones, or whole words. */
export function maskingGroups(
  tokens: Int32Array,
  wordStarts: Uint8Array,
  wholeWords: boolean,
  vocabulary: MaskingVocabulary,
): MaskingGroup[] {
  const units: [number, number][] = [];
  for (let i = 0; i < tokens.length; i++) {
    if (vocabulary.isSpecial(tokens[i]!)) continue;
    const last = units.at(-1);
    const continues = wholeWords && wordStarts[i] === 0 && last !== undefined && last[1] === i;
    if (continues) last[1] = i + 1;
    else units.push([i, i + 1]);
  }
  return units;
}

/** A span length, n with the n-th weight. */
function drawSpan(random: Random, weights: readonly number[]): number {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let draw = random.next() * total;
  for (const [i, weight] of weights.slice(0, -1).entries()) {
    draw -= weight;
    if (draw < 0) return i + 1;
  }
  return weights.length;
}

/** Places chosen for prediction: units in random order, skipping those that would exceed the budget. */
function choosePositions(
  units: readonly MaskingGroup[],
  budget: number,
  spanWeights: readonly number[],
  random: Random,
): number[] {
  const order = random.shuffle(Array.from(units, (_, i) => i));
  const taken = new Uint8Array(units.length);
  const positions: number[] = [];
  for (const first of order) {
    if (positions.length >= budget) break;
    if (taken[first] === 1) continue;
    let words = spanWeights.length > 1 ? drawSpan(random, spanWeights) : 1;
    // A span ends at a gap (special tokens), at a unit already taken, and at the budget.
    let end = first;
    const span: number[] = [];
    while (
      words > 0 &&
      end < units.length &&
      taken[end] === 0 &&
      (end === first || units[end]![0] === units[end - 1]![1])
    ) {
      const [from, to] = units[end]!;
      if (positions.length + span.length + (to - from) > budget) break;
      for (let place = from; place < to; place++) span.push(place);
      end++;
      words--;
    }
    for (let unit = first; unit < end; unit++) taken[unit] = 1;
    positions.push(...span);
  }
  return positions.sort((a, b) => a - b);
}

/**
 * Chooses tokens of one sequence and corrupts them: 80 % become [MASK], 10 % a random token, 10 % stay.
 *
 * Special tokens are never chosen, and random replacements are never special.
 * @param tokens the sequence with its special tokens; not changed
 * @param wordStarts for each token 1 where a word begins
 * @source Devlin et al. 2019 §3.1, arXiv:1810.04805 (tokens, whole words: the authors' repository);
 * Lan et al. 2020 §3.1, arXiv:1909.11942 (n-grams). Differs: replacements are drawn from ordinary tokens only.
 */
export function maskTokens(
  tokens: Int32Array,
  wordStarts: Uint8Array,
  options: MaskingOptions,
  vocabulary: MaskingVocabulary,
  random: Random,
): MaskedSequence {
  const groups = maskingGroups(tokens, wordStarts, options.unit !== "token", vocabulary);
  const longest = options.unit === "ngram" ? options.maxNgram : 1;
  const spanWeights = Array.from({ length: longest }, (_, i) => 1 / (i + 1));
  return maskGroups(tokens, groups, options, vocabulary, random, spanWeights);
}

/**
 * Chooses groups of one sequence at random, as many as the share of tokens allows, and corrupts their tokens.
 * @param groups rising and apart; what is in none of them is never chosen
 * @param spanWeights how often n neighbouring groups are chosen as one, in proportion; single ones unless given
 */
export function maskGroups(
  tokens: Int32Array,
  groups: readonly MaskingGroup[],
  options: CorruptionOptions,
  vocabulary: MaskingVocabulary,
  random: Random,
  spanWeights: readonly number[] = [1],
): MaskedSequence {
  const rounded = Math.max(1, Math.round(tokens.length * options.maskProbability));
  const budget = Math.min(rounded, options.maxPredictionsPerSequence ?? rounded);
  const positions = choosePositions(groups, budget, spanWeights, random);
  return corruptPlaces(tokens, positions, options, vocabulary, random);
}

/**
 * Corrupts the tokens at some places of a sequence, each by a draw of its own.
 * @param positions rising
 */
export function corruptPlaces(
  tokens: Int32Array,
  positions: number[],
  shares: Pick<CorruptionOptions, "maskTokenProbability" | "randomTokenProbability">,
  vocabulary: MaskingVocabulary,
  random: Random,
): MaskedSequence {
  const masked = tokens.slice();
  for (const place of positions) {
    const draw = random.next();
    if (draw < shares.maskTokenProbability) masked[place] = vocabulary.maskId;
    else if (draw < shares.maskTokenProbability + shares.randomTokenProbability)
      masked[place] = drawToken(vocabulary, random);
  }
  return { tokens: masked, positions, labels: positions.map((place) => tokens[place]!) };
}

function drawToken(vocabulary: MaskingVocabulary, random: Random): number {
  let id = random.nextInt(vocabulary.vocabSize);
  while (vocabulary.isSpecial(id)) id = random.nextInt(vocabulary.vocabSize);
  return id;
}
