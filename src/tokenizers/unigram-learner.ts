import { ConfigError } from "../base/errors.ts";
import { SEPARATOR } from "./suffix-order.ts";
import { UNKNOWN_PENALTY, UnigramLattice } from "./unigram-lattice.ts";
import type { ResolvedUnigramTraining } from "./unigram-option.ts";
import { makeSeeds, type SeedPieces } from "./unigram-seed.ts";

/** A piece and the logarithm of its probability. */
export type ScoredPiece = readonly [token: string, score: number];

/** What learning needs of the options. */
export type UnigramLearnOptions = Pick<
  ResolvedUnigramTraining,
  | "vocabSize"
  | "seedSize"
  | "maxPieceLength"
  | "shrinkingFactor"
  | "numSubIterations"
  | "initialAlphabet"
  | "specialTokens"
  | "onProgress"
>;

/** Pieces expected to be used less often than this are dropped. */
const LEAST_EXPECTED = 0.5;
/** Between the scores of characters that have to be given one. */
const SCORE_STEP = 0.0001;

/** Derivative of the logarithm of the gamma function. */
export function digamma(argument: number): number {
  let x = argument;
  let result = 0;
  for (; x < 7; x++) result -= 1 / x;
  x -= 0.5;
  const inverse = 1 / x;
  const square = inverse * inverse;
  const fourth = square * square;
  result += Math.log(x) + square / 24 - (7 / 960) * fourth + (31 / 8064) * fourth * square;
  return result - (127 / 30720) * fourth * fourth;
}

/** Lets a lattice use new scores; returns the least. */
function setScores(lattice: UnigramLattice, order: Int32Array): number {
  let least = Number.POSITIVE_INFINITY;
  for (const id of order) if (lattice.scores[id]! < least) least = lattice.scores[id]!;
  lattice.unknownScore = least - UNKNOWN_PENALTY;
  return least;
}

/** Ends of all words in the text. */
function wordEnds({ text, starts }: SeedPieces): Int32Array {
  return Int32Array.from(starts, (start) => text.indexOf(SEPARATOR, start));
}

/** Pieces that remain, in their order, piece 0 first; drops the others from the lattice. */
function remain(lattice: UnigramLattice, order: number[], total: number): Int32Array {
  const kept = new Uint8Array(total);
  for (const id of order) kept[id] = 1;
  lattice.keep(kept);
  return Int32Array.from(order);
}

/** One round of estimating probabilities: counts pieces as they are expected now, and takes these counts for the next. */
function estimate(lattice: UnigramLattice, seeds: SeedPieces, ends: Int32Array, order: Int32Array): Int32Array {
  const total = lattice.scores.length;
  const expected = new Float64Array(total);
  for (let word = 0; word < ends.length; word++) {
    lattice.addExpected(seeds.starts[word]!, ends[word]!, seeds.counts[word]!, expected);
  }
  const kept = [0];
  let sum = 0;
  for (const id of order) {
    if (id === 0 || expected[id]! < LEAST_EXPECTED) continue;
    kept.push(id);
    sum += expected[id]!;
  }
  // A prior that favours few pieces: counts through digamma rather than as they are.
  const logSum = digamma(sum);
  for (const id of kept) lattice.scores[id] = id === 0 ? Number.NaN : digamma(expected[id]!) - logSum;
  const next = remain(lattice, kept, total);
  setScores(lattice, next);
  return next;
}

/** Drops the pieces whose loss the text would notice least, down to `size`. */
function prune(
  lattice: UnigramLattice,
  seeds: SeedPieces,
  ends: Int32Array,
  order: Int32Array,
  size: number,
): Int32Array {
  const { scores } = lattice;
  const uses = new Float64Array(scores.length);
  let words = 0;
  for (let word = 0; word < ends.length; word++) {
    const count = seeds.counts[word]!;
    words += count;
    lattice.best(seeds.starts[word]!, ends[word]!, -1, (id) => {
      uses[id]! += count;
    });
  }
  let sum = 0;
  for (const id of order) sum += uses[id]!;
  const logSum = Math.log(sum);
  const kept = [0];
  const losses: { readonly id: number; readonly loss: number }[] = [];
  for (const id of order) {
    if (id === 0) continue;
    const place = seeds.places[id]!;
    const length = seeds.lengths[id]!;
    const instead: number[] = [];
    const isBest =
      length === 1 || scores[id]! >= lattice.best(place, place + length, id, (other) => instead.push(other));
    if (uses[id] === 0 && !isBest) continue;
    if (length === 1 || !isBest) {
      kept.push(id);
      continue;
    }
    if (uses[id] === 0) continue;
    // Were the piece not there, its uses would be those of the pieces that spell it.
    // The Rust trainer adds its uses once for every piece there is, not once for every piece in its place as published;
    // so do we, for equal vocabularies (the text's likelihood differs by a thousandth).
    const logSumInstead = Math.log(sum + uses[id]! * (order.length - 1));
    let logInstead = 0;
    for (const other of instead.reverse()) logInstead += Math.log(uses[other]! + uses[id]!) - logSumInstead;
    losses.push({ id, loss: (uses[id]! / words) * (Math.log(uses[id]!) - logSum - logInstead) });
  }
  losses.sort((a, b) => b.loss - a.loss);
  for (const { id } of losses) {
    if (kept.length >= size) break;
    kept.push(id);
  }
  const next = remain(lattice, kept, scores.length);
  setScores(lattice, next);
  return next;
}

/**
 * Learns a Unigram vocabulary from word counts: begins with many pieces, estimates their probabilities by expectation and
 * maximization, and drops those that matter least until few enough remain.
 *
 * The steps of the Rust trainer (`UnigramTrainer`); it sums words in the order of a hash map and gives characters that
 * were dropped their scores in such an order, both different in every run, here in the order of the texts and of code points.
 * @returns tokens by id with their scores: special tokens, then pieces, the most likely first
 * @throws {ConfigError} TOKENIZER_VOCAB_TOO_SMALL when the characters alone do not fit
 * @source Kudo 2018, arXiv:1804.10959
 */
export function learnUnigram(words: ReadonlyMap<string, number>, options: UnigramLearnOptions): ScoredPiece[] {
  const { vocabSize, specialTokens, shrinkingFactor, onProgress } = options;
  const required = new Set<string>();
  for (const word of words.keys()) for (const character of word) required.add(character);
  for (const [character] of options.initialAlphabet) if (character !== undefined) required.add(character);
  const least = specialTokens.length + required.size;
  if (least > vocabSize) {
    throw new ConfigError("unigram.train", [
      {
        path: "vocabSize",
        message:
          `must hold the special tokens and the characters; got ${vocabSize}, needs ${least} ` +
          `(${specialTokens.length} special tokens). Give at least ${least}, or clean the text.`,
        code: "TOKENIZER_VOCAB_TOO_SMALL",
      },
    ]);
  }
  onProgress?.({ phase: "seed", done: words.size, total: undefined });
  const seeds = makeSeeds(words, options);
  const ends = wordEnds(seeds);
  const lattice = new UnigramLattice(seeds);
  let order: Int32Array = Int32Array.from(seeds.scores, (_, id) => id);
  setScores(lattice, order);
  onProgress?.({ phase: "prune", done: order.length, total: vocabSize });
  // A tenth more than wanted: what is too much goes at the end.
  const wanted = Math.floor((vocabSize * 11) / 10);
  for (;;) {
    for (let round = 0; round < options.numSubIterations; round++) {
      order = estimate(lattice, seeds, ends, order);
      onProgress?.({ phase: "prune", done: order.length, total: vocabSize });
    }
    if (order.length <= wanted) break;
    const before = order.length;
    order = prune(lattice, seeds, ends, order, Math.max(wanted, Math.floor(order.length * shrinkingFactor)));
    // Pieces without which words cannot be spelled stay.
    if (order.length === before) break;
  }
  return finish(lattice, seeds, order, [...required], options);
}

/** The vocabulary: every character, then pieces in the order in which they survived, as many as wanted. */
function finish(
  lattice: UnigramLattice,
  { text, places, lengths }: SeedPieces,
  order: Int32Array,
  required: string[],
  { vocabSize, specialTokens }: UnigramLearnOptions,
): ScoredPiece[] {
  const tokenOf = (id: number): string =>
    String.fromCodePoint(...text.subarray(places[id]!, places[id]! + lengths[id]!));
  const known = new Map<string, number>();
  for (const id of order) if (id !== 0) known.set(tokenOf(id), lattice.scores[id]!);
  let next = setScores(lattice, order);
  const special = new Set(specialTokens);
  const pieces: ScoredPiece[] = [];
  for (const character of required.sort((a, b) => a.codePointAt(0)! - b.codePointAt(0)!)) {
    const score = known.get(character);
    if (!special.has(character)) pieces.push([character, score ?? next]);
    if (score === undefined) next += SCORE_STEP;
    known.delete(character);
  }
  for (const [token, score] of known) {
    if (pieces.length >= vocabSize - specialTokens.length) break;
    if (!special.has(token)) pieces.push([token, score]);
  }
  pieces.sort(([, a], [, b]) => b - a);
  return [...specialTokens.map((token): ScoredPiece => [token, 0]), ...pieces];
}
