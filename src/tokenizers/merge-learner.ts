import { ConfigError } from "../base/errors.ts";
import { type PairEntry, PairHeap } from "./pair-heap.ts";
import type { ResolvedTraining } from "./wordpiece-option.ts";

/** What learning needs of the options. */
export type LearnOptions = Pick<
  ResolvedTraining,
  | "vocabSize"
  | "minFrequency"
  | "limitAlphabet"
  | "initialAlphabet"
  | "specialTokens"
  | "continuingSubwordPrefix"
  | "onProgress"
>;

/** Ids above need 27 bits: two would no longer fit one safe integer. */
const PAIR_BASE = 2 ** 26;

function byCodePoint(a: string, b: string): number {
  return a.codePointAt(0)! - b.codePointAt(0)!;
}

/** Characters kept, by code point. Of equally frequent ones at the limit, the smaller code points stay. */
function alphabetOf(words: ReadonlyMap<string, number>, options: LearnOptions): string[] {
  const counts = new Map<string, number>();
  for (const [word, count] of words) {
    for (const character of word) counts.set(character, (counts.get(character) ?? 0) + count);
  }
  for (const text of options.initialAlphabet) {
    const [character] = text;
    if (character !== undefined) counts.set(character, Number.POSITIVE_INFINITY);
  }
  let kept = [...counts.keys()];
  if (options.limitAlphabet !== undefined && kept.length > options.limitAlphabet) {
    kept.sort((a, b) => (counts.get(a) === counts.get(b) ? byCodePoint(a, b) : counts.get(b)! - counts.get(a)!));
    kept = kept.slice(0, options.limitAlphabet);
  }
  return kept.sort(byCodePoint);
}

/** The growing vocabulary. */
class Vocabulary {
  readonly tokens: string[] = [];
  readonly ids = new Map<string, number>();

  add(token: string): number {
    let id = this.ids.get(token);
    if (id === undefined) {
      id = this.tokens.length;
      this.tokens.push(token);
      this.ids.set(token, id);
    }
    return id;
  }
}

/** Words as piece ids in one flat array; a word only ever shrinks in place. */
interface Spelling {
  readonly pieces: Int32Array;
  readonly starts: Int32Array;
  readonly lengths: Int32Array;
  readonly counts: Float64Array;
}

/** Continuing forms (`##x`) of the characters that words need, in order; undefined gives code point order. */
function continuingCharacters(words: ReadonlyMap<string, number>, vocabulary: Vocabulary): string[] {
  const seen = new Set<string>();
  for (const word of words.keys()) {
    let first = true;
    for (const character of word) {
      if (!first && vocabulary.ids.has(character)) seen.add(character);
      first = false;
    }
  }
  return [...seen].sort(byCodePoint);
}

function spell(
  words: ReadonlyMap<string, number>,
  vocabulary: Vocabulary,
  alphabet: Set<string>,
  prefix: string,
): Spelling {
  let total = 0;
  for (const word of words.keys()) total += word.length;
  const pieces = new Int32Array(total);
  const starts = new Int32Array(words.size);
  const lengths = new Int32Array(words.size);
  const counts = new Float64Array(words.size);
  let at = 0;
  let index = 0;
  for (const [word, count] of words) {
    starts[index] = at;
    counts[index] = count;
    let first = true;
    for (const character of word) {
      // A character outside the alphabet is skipped, but still the first of its word.
      if (alphabet.has(character)) pieces[at++] = vocabulary.ids.get(first ? character : prefix + character)!;
      first = false;
    }
    lengths[index] = at - starts[index]!;
    index++;
  }
  return { pieces, starts, lengths, counts };
}

/**
 * Learns a WordPiece vocabulary from word counts: the most frequent pair of neighbouring pieces is merged, over and over.
 *
 * Equal to the Rust trainer (`WordPieceTrainer`), except for one thing that it leaves to chance, different in every run:
 * the order of the continuing characters (`##x`), which also decides between equally frequent pairs, and which characters
 * stay where several are equally frequent at `limitAlphabet`. Here both follow code points.
 * @param continuing order of the continuing characters (without prefix), to repeat one run of the Rust trainer
 * @returns tokens by id
 * @throws {ConfigError} TOKENIZER_VOCAB_TOO_SMALL when the alphabet alone does not fit
 * @source `tokenizers` 0.23, BpeTrainer
 */
export function learnVocabulary(
  words: ReadonlyMap<string, number>,
  options: LearnOptions,
  continuing?: readonly string[],
): string[] {
  const prefix = options.continuingSubwordPrefix;
  const vocabulary = new Vocabulary();
  for (const token of options.specialTokens) vocabulary.add(token);
  for (const character of alphabetOf(words, options)) vocabulary.add(character);
  const order = continuing ?? continuingCharacters(words, vocabulary);
  const alphabet = new Set([...vocabulary.ids.keys()]);
  for (const character of order) vocabulary.add(prefix + character);
  if (vocabulary.tokens.length > options.vocabSize) {
    throw new ConfigError("wordpiece.train", [
      {
        path: "vocabSize",
        message:
          `must hold the special tokens and the alphabet; got ${options.vocabSize}, needs ${vocabulary.tokens.length} ` +
          `(${options.specialTokens.length} special tokens, the rest characters at the start of words and inside them). ` +
          `Give at least ${vocabulary.tokens.length}, or limit the alphabet.`,
        code: "TOKENIZER_VOCAB_TOO_SMALL",
      },
    ]);
  }
  const spelling = spell(words, vocabulary, alphabet, prefix);
  mergePairs(spelling, vocabulary, options);
  return vocabulary.tokens;
}

function mergePairs(
  { pieces, starts, lengths, counts }: Spelling,
  vocabulary: Vocabulary,
  options: LearnOptions,
): void {
  const { vocabSize, minFrequency, continuingSubwordPrefix: prefix, onProgress } = options;
  const indices = new Map<number, number>();
  const pairLeft: number[] = [];
  const pairRight: number[] = [];
  const pairCounts: number[] = [];
  /** Words of pairs that the current merge has made; entries of the heap own theirs. */
  const fresh = new Map<number, number[]>();
  const heap = new PairHeap();

  const change = (left: number, right: number, amount: number, word: number): void => {
    const key = left * PAIR_BASE + right;
    let pair = indices.get(key);
    if (pair === undefined) {
      pair = pairCounts.length;
      indices.set(key, pair);
      pairLeft.push(left);
      pairRight.push(right);
      pairCounts.push(0);
    }
    pairCounts[pair]! += amount;
    if (amount < 0) return;
    const words = fresh.get(pair);
    if (words === undefined) fresh.set(pair, [word]);
    else if (words[words.length - 1] !== word) words.push(word);
  };
  const pushFresh = (): void => {
    for (const [pair, words] of fresh) {
      const count = pairCounts[pair]!;
      if (count > 0) heap.push({ left: pairLeft[pair]!, right: pairRight[pair]!, count, pair, words });
    }
    fresh.clear();
  };
  const mergeIn = (word: number, { left, right }: PairEntry, merged: number): void => {
    const from = starts[word]!;
    const end = from + lengths[word]!;
    const count = counts[word]!;
    let write = from;
    for (let read = from; read < end; write++) {
      if (pieces[read] !== left || read + 1 >= end || pieces[read + 1] !== right) {
        pieces[write] = pieces[read++]!;
        continue;
      }
      if (write > from) {
        const previous = pieces[write - 1]!;
        change(previous, left, -count, word);
        change(previous, merged, count, word);
      }
      if (read + 2 < end) {
        const next = pieces[read + 2]!;
        change(right, next, -count, word);
        change(merged, next, count, word);
      }
      pieces[write] = merged;
      read += 2;
    }
    lengths[word] = write - from;
  };

  for (let word = 0; word < starts.length; word++) {
    const from = starts[word]!;
    for (let i = from; i + 1 < from + lengths[word]!; i++) change(pieces[i]!, pieces[i + 1]!, counts[word]!, word);
  }
  pushFresh();
  let merges = 0;
  while (vocabulary.tokens.length < vocabSize) {
    const top = heap.pop();
    if (top === undefined) break;
    const count = pairCounts[top.pair]!;
    if (count <= 0) continue;
    if (top.count !== count) {
      top.count = count;
      heap.push(top);
      continue;
    }
    if (count < minFrequency) break;
    const right = vocabulary.tokens[top.right]!;
    const merged = vocabulary.add(
      vocabulary.tokens[top.left]! + (right.startsWith(prefix) ? right.slice(prefix.length) : right),
    );
    for (const word of top.words) mergeIn(word, top, merged);
    pushFresh();
    if (++merges % 500 === 0) onProgress?.({ phase: "merge", done: vocabulary.tokens.length, total: vocabSize });
  }
  onProgress?.({ phase: "merge", done: vocabulary.tokens.length, total: vocabSize });
}
