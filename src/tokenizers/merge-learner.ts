import { ConfigError } from "../base/errors.ts";
import type { ResolvedMergeTraining } from "./merge-option.ts";
import { type PairEntry, PairHeap } from "./pair-heap.ts";

/** What learning needs of the options. */
export interface LearnOptions extends ResolvedMergeTraining {
  /** Named in errors. */
  readonly where: string;
  /** Marks a piece that continues a word; may be empty. */
  readonly continuingSubwordPrefix: string;
  /** Marks a piece that ends a word; may be empty. */
  readonly endOfWordSuffix: string;
}

/** What merging has learned. */
export interface LearnedMerges {
  /** Tokens by id: special tokens, characters, marked characters, pieces by the order of their merges. */
  readonly tokens: string[];
  /** Pairs of pieces in the order in which they are merged. */
  readonly merges: [left: string, right: string][];
}

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
  /** Characters of each token, marks left out. */
  readonly lengths: number[] = [];
  readonly ids = new Map<string, number>();

  add(token: string, length = 1): number {
    let id = this.ids.get(token);
    if (id === undefined) {
      id = this.tokens.length;
      this.tokens.push(token);
      this.lengths.push(length);
      this.ids.set(token, id);
    }
    return id;
  }
}

/** A character as a piece, by its place in a word. */
type Marked = (character: string, first: boolean, last: boolean) => string;

function forEachCharacter(word: string, visit: (character: string, first: boolean, last: boolean) => void): void {
  let at = 0;
  for (const character of word) {
    visit(character, at === 0, at + character.length === word.length);
    at += character.length;
  }
}

/** Forms of the characters that words need and the alphabet lacks: by character, then continuing, ending, both. */
function markedForms(words: ReadonlyMap<string, number>, vocabulary: Vocabulary, marked: Marked): string[] {
  const seen = new Map<string, number>();
  for (const word of words.keys()) {
    forEachCharacter(word, (character, first, last) => {
      if (!vocabulary.ids.has(character)) return;
      seen.set(character, (seen.get(character) ?? 0) | (1 << ((first ? 0 : 1) + (last ? 2 : 0))));
    });
  }
  const forms = [...seen].sort(([a], [b]) => byCodePoint(a, b));
  return forms.flatMap(([character, places]) =>
    [1, 2, 3]
      .filter((place) => ((places >> place) & 1) === 1)
      .map((place) => marked(character, (place & 1) === 0, place >= 2)),
  );
}

/** Words as piece ids in one flat array; a word only ever shrinks in place. */
interface Spelling {
  readonly pieces: Int32Array;
  readonly starts: Int32Array;
  readonly lengths: Int32Array;
  readonly counts: Float64Array;
}

function spell(
  words: ReadonlyMap<string, number>,
  vocabulary: Vocabulary,
  alphabet: ReadonlySet<string>,
  marked: Marked,
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
    forEachCharacter(word, (character, first, last) => {
      // A character outside the alphabet is skipped, but still the first or last of its word.
      if (alphabet.has(character)) pieces[at++] = vocabulary.ids.get(marked(character, first, last))!;
    });
    lengths[index] = at - starts[index]!;
    index++;
  }
  return { pieces, starts, lengths, counts };
}

/**
 * Learns pieces from word counts: the most frequent pair of neighbouring pieces is merged, over and over.
 *
 * Equal to the Rust trainer (`BpeTrainer`), except for two things that it leaves to chance, different in every run: the
 * order of marked characters (`##x`, `x</w>`), which also decides between equally frequent pairs, and which characters
 * stay where several are equally frequent at `limitAlphabet`. Here both follow code points. Byte-level BPE has neither.
 * @param order marked characters in the order of their ids, to repeat one run of the Rust trainer
 * @throws {ConfigError} TOKENIZER_VOCAB_TOO_SMALL when the alphabet alone does not fit
 * @source Sennrich et al. 2016, arXiv:1508.07909, in the form of `tokenizers` 0.23
 */
export function learnMerges(
  words: ReadonlyMap<string, number>,
  options: LearnOptions,
  order?: readonly string[],
): LearnedMerges {
  const { continuingSubwordPrefix: prefix, endOfWordSuffix: suffix } = options;
  const marked: Marked = (character, first, last) => (first ? "" : prefix) + character + (last ? suffix : "");
  const vocabulary = new Vocabulary();
  for (const token of options.specialTokens) vocabulary.add(token, [...token].length);
  for (const character of alphabetOf(words, options)) vocabulary.add(character);
  const alphabet = new Set(vocabulary.ids.keys());
  for (const form of order ?? markedForms(words, vocabulary, marked)) vocabulary.add(form);
  if (vocabulary.tokens.length > options.vocabSize) {
    throw new ConfigError(options.where, [
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
  const merges = mergePairs(spell(words, vocabulary, alphabet, marked), vocabulary, options);
  const { tokens } = vocabulary;
  return { tokens, merges: merges.map(([left, right]) => [tokens[left]!, tokens[right]!]) };
}

function mergePairs(
  { pieces, starts, lengths, counts }: Spelling,
  vocabulary: Vocabulary,
  options: LearnOptions,
): [left: number, right: number][] {
  const { vocabSize, minFrequency, continuingSubwordPrefix: prefix, onProgress } = options;
  const maxTokenLength = options.maxTokenLength ?? Number.POSITIVE_INFINITY;
  /** Merged pairs; one that comes up again has its later place, as in the Rust trainer. */
  const merges = new Map<number, [left: number, right: number]>();
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
  const fits = (left: number, right: number): boolean =>
    vocabulary.lengths[left]! + vocabulary.lengths[right]! < maxTokenLength;
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
        if (fits(previous, merged)) change(previous, merged, count, word);
      }
      if (read + 2 < end) {
        const next = pieces[read + 2]!;
        change(right, next, -count, word);
        if (fits(merged, next)) change(merged, next, count, word);
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
  onProgress?.({ phase: "merge", done: vocabulary.tokens.length, total: vocabSize });
  let done = 0;
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
      vocabulary.lengths[top.left]! + vocabulary.lengths[top.right]!,
    );
    const key = top.left * PAIR_BASE + top.right;
    merges.delete(key);
    merges.set(key, [top.left, top.right]);
    for (const word of top.words) mergeIn(word, top, merged);
    pushFresh();
    if (++done % 500 === 0) onProgress?.({ phase: "merge", done: vocabulary.tokens.length, total: vocabSize });
  }
  onProgress?.({ phase: "merge", done: vocabulary.tokens.length, total: vocabSize });
  return [...merges.values()];
}
