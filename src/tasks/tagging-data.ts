/** @file Tagged sentences as what an encoder reads: windows with places of first pieces. */
import { DataError } from "../base/errors.ts";
import { joinWords, pieceWords, wordPieces } from "../data/alignment.ts";
import type { TaggedSentence, TaggedSource } from "../data/tagged-sentence.ts";
import { areEntityTags, convertTags, type TagScheme } from "../evaluation/index.ts";
import { UNSCORED } from "../ir/unscored.ts";
import { frameOf } from "../objectives/frame.ts";
import type { SpecialTokenIds } from "../tokenizers/tokenizer.ts";
import { maxContextMarks, windowRanges } from "./answer-window.ts";
import type { EncodedText, TextEncoding } from "./encode-text.ts";
import { showLabels, sortLabels } from "./label-name.ts";

/** A sentence, or a part of a long one. */
export interface TaggingWindow extends EncodedText {
  /** Number of its sentence. */
  readonly sentence: number;
  /** Words whose tags are read here, by number in the sentence: each word in one window, where it has most context. */
  readonly words: Int32Array;
  /** The token of each of them that is read: its first piece. */
  readonly places: Int32Array;
  /** Class of each of them; −100 where it is not known. */
  readonly labels: Int32Array;
  /** Whether the sentence's last word is one of them. */
  readonly endsSentence: boolean;
}

export interface TaggingEncoding extends TextEncoding {
  /** Tokens that neighbouring windows of a long sentence have in common. */
  readonly overlap: number;
}

/** How many tokens neighbouring windows have in common where nothing is said: 32, or a quarter of shorter windows. */
export function usualOverlap(maxSeqLength: number): number {
  return Math.min(32, Math.floor(maxSeqLength / 4));
}

/** Sentences encoded at a time. */
const CHUNK = 4_096;

/** The piece that a word is read as which the tokenizer drops (a lone control character or mark). */
function droppedId({ unk, mask, pad }: SpecialTokenIds): number {
  return unk >= 0 ? unk : (mask ?? pad);
}

/**
 * Windows of sentences of words. Words are joined by one space and encoded together; a word that has no piece of its own is
 * read as the unknown token, so that every word has a place.
 * @param labelsOf the class of each word of a sentence
 */
export async function tagWindows(
  { tokenizer, framing, maxSeqLength, overlap }: TaggingEncoding,
  sentences: readonly (readonly string[])[],
  labelsOf: (sentence: number, word: number) => number,
): Promise<TaggingWindow[]> {
  const frame = frameOf(framing, tokenizer, "tagWindows");
  const room = maxSeqLength - frame.overhead(1);
  const dropped = droppedId(tokenizer.special);
  const windows: TaggingWindow[] = [];
  for (let from = 0; from < sentences.length; from += CHUNK) {
    const joined = sentences.slice(from, from + CHUNK).map(joinWords);
    const encodings = await tokenizer.encodeBatch(joined.map(({ text }) => text));
    encodings.forEach((encoding, i) => {
      const { spans } = joined[i]!;
      const runs = wordPieces(pieceWords(encoding, spans), spans.length);
      const ids: number[] = [];
      const firsts = runs.map(({ start, end }) => {
        const first = ids.length;
        if (start === end) ids.push(dropped);
        else for (const id of encoding.ids.subarray(start, end)) ids.push(id);
        return first;
      });
      const pieces = Int32Array.from(ids);
      const ranges = windowRanges(pieces.length, room, Math.max(1, room - overlap));
      const marks = maxContextMarks(ranges);
      ranges.forEach(({ first, count }, part) => {
        const own = firsts.flatMap((piece, word) => (marks[part]![piece - first] === 1 ? [word] : []));
        if (own.length === 0) return;
        const text = frame.join([pieces.subarray(first, first + count)]);
        windows.push({
          ...text,
          truncated: false,
          sentence: from + i,
          words: Int32Array.from(own),
          places: Int32Array.from(own, (word) => text.firstStart + firsts[word]! - first),
          labels: Int32Array.from(own, (word) => labelsOf(from + i, word)),
          endsSentence: own.at(-1) === spans.length - 1,
        });
      });
    });
  }
  return windows;
}

/** What a file of tagged sentences holds. */
export interface TaggingData {
  readonly name: string;
  /** With the tags in the task's scheme. */
  readonly sentences: readonly TaggedSentence[];
  readonly windows: readonly TaggingWindow[];
  /** Tags by number. */
  readonly labels: readonly string[];
  /** Whether the tags mark entities. */
  readonly marksEntities: boolean;
  /** Sentences in several windows. */
  readonly numDivided: number;
  /** Sentences whose tags were written otherwise in the task's scheme. */
  readonly numConverted: number;
  /** Tags that the training data do not have; words with them are not learnt from, and count as wrong. */
  readonly unknownTags: readonly string[];
}

/** What a user should know of tags that a model does not have; undefined where there are none. */
export function unknownTagsNotice({ unknownTags }: Pick<TaggingData, "unknownTags">): string | undefined {
  if (unknownTags.length === 0) return undefined;
  return `${showLabels(unknownTags)} are not among the training data's tags: words with them count as wrong`;
}

export interface TaggingReading extends TaggingEncoding {
  /** What entities' tags are converted to; null keeps them. */
  readonly scheme: TagScheme | null;
}

/** All sentences of a file that have a word. @throws {DataError} DATA_EMPTY, TAGS_MISSING and the file's own */
export async function sentencesIn(source: TaggedSource): Promise<TaggedSentence[]> {
  const sentences: TaggedSentence[] = [];
  for await (const sentence of source.sentences()) {
    if (sentence.words.length === 0) continue;
    const { words, tags, line } = sentence;
    if (tags.length !== words.length) {
      throw new DataError(
        `line ${line}: a sentence must have a tag for every word; got ${tags.length} tags and ${words.length} words.`,
        { code: "TAGS_MISSING", path: source.name, details: { line } },
      );
    }
    sentences.push(sentence);
  }
  if (sentences.length > 0) return sentences;
  throw new DataError("has no sentence. Is it the right file?", { code: "DATA_EMPTY", path: source.name });
}

/** Tags of sentences as a task learns them. */
export interface SchemedTags {
  /** The tags of each sentence. */
  readonly tags: readonly (readonly string[])[];
  /** Whether they mark entities. */
  readonly marksEntities: boolean;
}

/**
 * Tags of sentences in a task's scheme: those of entities are converted, faults mended; others stay as they are.
 * @param scheme null keeps all
 * @param labels the tags of a model; where they mark entities, those of the sentences must too
 * @throws {DataError} TAG_UNKNOWN for a tag that marks no entity among such that do, naming file and line
 */
export function schemedTags(
  name: string,
  sentences: readonly TaggedSentence[],
  { scheme, labels = [] }: { readonly scheme: TagScheme | null; readonly labels?: readonly string[] | undefined },
): SchemedTags {
  const tags = sentences.map((sentence) => sentence.tags);
  if (scheme === null) return { tags, marksEntities: areEntityTags([...labels, ...tags.flat()]) };
  const all = new Set([...labels, ...tags.flat()]);
  const known = new Set([...all].filter((tag) => areEntityTags([tag])));
  const isOdd = (tag: string): boolean => tag !== "O" && !known.has(tag);
  // Marks of words that happen to look like those of entities (Arabic 'S----3MS2-') have no outside.
  const isOther = !all.has("O") && [...all].some(isOdd);
  if (known.size === 0 || isOther) return { tags, marksEntities: false };
  const odd = sentences.find((sentence) => sentence.tags.some(isOdd));
  if (odd !== undefined) {
    const { tags: own, words, line } = odd;
    const word = own.findIndex(isOdd);
    throw new DataError(
      `line ${line}: the tag ${JSON.stringify(own[word])} of the word ${JSON.stringify(words[word])} is neither O nor a mark (B-, I-, E-, S-) with a type, as others are: ${showLabels(sortLabels(known).slice(0, 3))}. Correct it, or keep tags as they are (scheme: null; in recipes keep).`,
      { code: "TAG_UNKNOWN", path: name, details: { line } },
    );
  }
  return { tags: tags.map((own) => convertTags(own, scheme)), marksEntities: true };
}

/**
 * Reads all tagged sentences of a file.
 * @param labels the tags by number; found in the file when left out
 * @throws {DataError} LABELS_TOO_FEW, DATA_EMPTY, TAGS_MISSING, TAG_UNKNOWN and the file's own
 */
export async function readTagged(
  source: TaggedSource,
  reading: TaggingReading,
  labels?: readonly string[],
): Promise<TaggingData> {
  const raw = await sentencesIn(source);
  const { tags: schemed, marksEntities } = schemedTags(source.name, raw, { scheme: reading.scheme, labels });
  const sentences = raw.map((item, i) => ({ ...item, tags: schemed[i]! }));
  const numConverted = sentences.filter(({ tags }, i) => tags.some((tag, word) => tag !== raw[i]!.tags[word])).length;
  const found = new Set(sentences.flatMap(({ tags }) => tags));
  const names = labels ?? sortLabels(found);
  if (names.length < 2) {
    throw new DataError(
      `there must be two tags at least; all words have ${showLabels(names)}. Is it the right column?`,
      { code: "LABELS_TOO_FEW", path: source.name },
    );
  }
  const numbers = new Map(names.map((name, i) => [name, i]));
  const windows = await tagWindows(
    reading,
    sentences.map(({ words }) => words),
    (sentence, word) => numbers.get(sentences[sentence]!.tags[word]!) ?? UNSCORED,
  );
  const parts = new Map<number, number>();
  for (const { sentence } of windows) parts.set(sentence, (parts.get(sentence) ?? 0) + 1);
  return {
    name: source.name,
    sentences,
    windows,
    labels: names,
    marksEntities,
    numDivided: [...parts.values()].filter((count) => count > 1).length,
    numConverted,
    unknownTags: sortLabels([...found].filter((tag) => !numbers.has(tag))),
  };
}
