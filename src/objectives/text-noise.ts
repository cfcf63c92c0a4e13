/** @file BART's five noises. Each is a function of a text and a random stream; none of them changes what it is given. */
import type { Random } from "../base/random.ts";
import type { TokenSegment } from "../data/segment.ts";

/** Which noises, and how much of each; those left out are off. They are applied in the order in which they stand here. */
export interface NoiseOptions {
  /** Share of the sentences that change places with each other. */
  readonly sentencePermutation?: number;
  /** Probability that the text is rotated to begin with some other of its tokens. */
  readonly documentRotation?: number;
  /** Share of the units that is covered by spans, each replaced by one [MASK]. */
  readonly textInfilling?: number;
  /** Share of the tokens replaced by [MASK], each by its own. */
  readonly tokenMasking?: number;
  /** Share of the tokens left out. */
  readonly tokenDeletion?: number;
  /** Mean length of a span, in units: 3 by default. */
  readonly spanLength?: number;
  /** What spans are counted in: `token` by default. */
  readonly unit?: "token" | "wholeWord";
}

/** Ids that noise needs. */
export interface NoiseVocabulary {
  readonly maskId: number;
  /** Whether an id is a special token: these move with the text, but are never masked or left out. */
  readonly isSpecial: (id: number) => boolean;
}

/** A text under noise. */
export interface NoisyText {
  readonly tokens: Int32Array;
  /** For each token 1 where a word begins. */
  readonly wordStarts: Uint8Array;
}

/** A number of events, λ in the mean. @source Knuth 1969, The Art of Computer Programming 2, §3.4.1 */
export function drawPoisson(random: Random, lambda: number): number {
  const limit = Math.exp(-lambda);
  let count = 0;
  for (let product = random.next(); product > limit; product *= random.next()) count++;
  return count;
}

/** Parts [start, end) of a text, one after the other. */
function joinParts({ tokens, wordStarts }: NoisyText, parts: readonly (readonly [number, number])[]): NoisyText {
  const length = parts.reduce((sum, [start, end]) => sum + end - start, 0);
  const joined = { tokens: new Int32Array(length), wordStarts: new Uint8Array(length) };
  let at = 0;
  for (const [start, end] of parts) {
    joined.tokens.set(tokens.subarray(start, end), at);
    joined.wordStarts.set(wordStarts.subarray(start, end), at);
    at += end - start;
  }
  return joined;
}

/** As many of the numbers below `count` as asked for, each set of them equally likely, in random order. */
function choose(random: Random, count: number, wanted: number): number[] {
  return random.shuffle(Array.from({ length: count }, (_, i) => i)).slice(0, wanted);
}

/**
 * Sentences change places: of all, or of a share of them.
 * @param sentenceStarts where sentences begin; rising from 0
 */
export function permuteSentences(
  text: NoisyText,
  sentenceStarts: ArrayLike<number>,
  share: number,
  random: Random,
): NoisyText {
  const count = sentenceStarts.length;
  const order = Array.from({ length: count }, (_, i) => i);
  const moved = choose(random, count, Math.round(share * count));
  const places = [...moved].sort((a, b) => a - b);
  places.forEach((place, i) => {
    order[place] = moved[i]!;
  });
  const endOf = (sentence: number): number =>
    sentence + 1 < count ? sentenceStarts[sentence + 1]! : text.tokens.length;
  return joinParts(
    text,
    order.map((sentence) => [sentenceStarts[sentence]!, endOf(sentence)]),
  );
}

/** The text begins with a token chosen evenly, and its front follows its end. */
export function rotate(text: NoisyText, random: Random): NoisyText {
  const { length } = text.tokens;
  const start = random.nextInt(length);
  return joinParts(text, [
    [start, length],
    [0, start],
  ]);
}

/** Places of the tokens that are not special. */
function ordinaryPlaces({ tokens }: NoisyText, { isSpecial }: NoiseVocabulary): number[] {
  return [...tokens.keys()].filter((place) => !isSpecial(tokens[place]!));
}

/** The share of a count as a whole number, at least one. */
function budgetOf(share: number, count: number): number {
  return Math.min(count, Math.max(1, Math.round(share * count)));
}

/** A share of the tokens, chosen evenly, becomes [MASK] each. */
export function maskSingleTokens(
  text: NoisyText,
  share: number,
  vocabulary: NoiseVocabulary,
  random: Random,
): NoisyText {
  const places = ordinaryPlaces(text, vocabulary);
  const tokens = text.tokens.slice();
  for (const i of choose(random, places.length, budgetOf(share, places.length))) tokens[places[i]!] = vocabulary.maskId;
  return { ...text, tokens };
}

/** A share of the tokens, chosen evenly, is left out; one is always left. */
export function deleteTokens(text: NoisyText, share: number, vocabulary: NoiseVocabulary, random: Random): NoisyText {
  const places = ordinaryPlaces(text, vocabulary);
  const budget = Math.min(budgetOf(share, places.length), text.tokens.length - 1);
  const deleted = new Set(choose(random, places.length, budget).map((i) => places[i]!));
  const kept = [...text.tokens.keys()].filter((place) => !deleted.has(place));
  return joinParts(
    text,
    kept.map((place) => [place, place + 1]),
  );
}

/**
 * Lengths of spans that cover `budget` units together: Poisson draws until they do, the last cut to fit. Lengths of 0,
 * which insert a [MASK], are among them, as many at most as keep the text from growing.
 */
export function spanLengths(budget: number, mean: number, random: Random): number[] {
  const lengths: number[] = [];
  let [covered, growth] = [0, 0];
  while (covered < budget) {
    const length = Math.min(drawPoisson(random, mean), budget - covered);
    covered += length;
    lengths.push(length);
    growth += 1 - length;
  }
  return growth <= 0 ? lengths : lengths.filter((length) => length > 0 || growth-- <= 0);
}

/** Units of a text that spans may cover: places [start, end) of ordinary tokens. */
function spanUnits(text: NoisyText, unit: "token" | "wholeWord", { isSpecial }: NoiseVocabulary): [number, number][] {
  const units: [number, number][] = [];
  for (let place = 0; place < text.tokens.length; place++) {
    if (isSpecial(text.tokens[place]!)) continue;
    const last = units.at(-1);
    if (unit === "wholeWord" && text.wordStarts[place] === 0 && last?.[1] === place) last[1] = place + 1;
    else units.push([place, place + 1]);
  }
  return units;
}

/**
 * Spans whose lengths are Poisson draws are replaced by one [MASK] each; a span of length 0 inserts one. All
 * arrangements of the spans are equally likely, and they do not overlap.
 */
export function infillText(
  text: NoisyText,
  options: { readonly share: number; readonly spanLength: number; readonly unit: "token" | "wholeWord" },
  vocabulary: NoiseVocabulary,
  random: Random,
): NoisyText {
  const units = spanUnits(text, options.unit, vocabulary);
  if (units.length === 0) return text;
  const lengths = random.shuffle(spanLengths(budgetOf(options.share, units.length), options.spanLength, random));
  const covered = lengths.reduce((sum, length) => sum + length, 0);
  const slots = units.length - covered + lengths.length;
  const spanSlots = choose(random, slots, lengths.length).sort((a, b) => a - b);
  const gone = new Uint8Array(text.tokens.length);
  // For each place the masks before it; the last entry is the end of the text.
  const masks = new Uint16Array(text.tokens.length + 1);
  let unit = 0;
  let slot = 0;
  spanSlots.forEach((spanSlot, span) => {
    unit += spanSlot - slot;
    slot = spanSlot + 1;
    masks[units[unit]?.[0] ?? text.tokens.length]!++;
    for (let i = 0; i < lengths[span]!; i++) {
      const [start, end] = units[unit++]!;
      gone.fill(1, start, end);
    }
  });
  const tokens: number[] = [];
  const wordStarts: number[] = [];
  for (let place = 0; place <= text.tokens.length; place++) {
    for (let i = 0; i < masks[place]!; i++) {
      tokens.push(vocabulary.maskId);
      wordStarts.push(1);
    }
    if (place === text.tokens.length || gone[place] === 1) continue;
    tokens.push(text.tokens[place]!);
    wordStarts.push(text.wordStarts[place]!);
  }
  return { tokens: Int32Array.from(tokens), wordStarts: Uint8Array.from(wordStarts) };
}

/**
 * Applies the noises that are on. The result is never longer than the text.
 * @param segment with `sentenceStarts` where sentences are to change places
 * @source Lewis et al. 2020 §2.2, arXiv:1910.13461. Differs: shares are exact, not in the mean; spans do not overlap;
 * insertions are left out where a text would grow.
 */
export function applyNoise(
  segment: TokenSegment,
  options: NoiseOptions,
  vocabulary: NoiseVocabulary,
  random: Random,
): NoisyText {
  const {
    sentencePermutation = 0,
    documentRotation = 0,
    textInfilling = 0,
    tokenMasking = 0,
    tokenDeletion = 0,
  } = options;
  const { spanLength = 3, unit = "token" } = options;
  let text: NoisyText = segment;
  if (sentencePermutation > 0)
    text = permuteSentences(text, segment.sentenceStarts ?? [0], sentencePermutation, random);
  if (documentRotation > 0 && random.next() < documentRotation) text = rotate(text, random);
  if (textInfilling > 0) text = infillText(text, { share: textInfilling, spanLength, unit }, vocabulary, random);
  // A [MASK] of a span is special, so it is neither masked again nor left out.
  if (tokenMasking > 0) text = maskSingleTokens(text, tokenMasking, vocabulary, random);
  if (tokenDeletion > 0) text = deleteTokens(text, tokenDeletion, vocabulary, random);
  return { tokens: text.tokens, wordStarts: text.wordStarts };
}
