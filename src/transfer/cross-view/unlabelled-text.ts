/** @file Texts without labels, from files of all kinds, as tasks read them. */
import { DataError } from "../../base/errors.ts";
import { joinWords, wordSpans } from "../../data/alignment.ts";
import type { DecodeOptions } from "../../data/encoding.ts";
import { fileLines } from "../../data/file-lines.ts";
import { type ColumnRef, cellText, type TableSource } from "../../data/table.ts";
import type { TaggedSource } from "../../data/tagged-sentence.ts";
import { UNSCORED } from "../../ir/unscored.ts";
import type { Framing } from "../../models/framing.ts";
import { frameOf } from "../../objectives/frame.ts";
import { longestFirst } from "../../tasks/encode-text.ts";
import { type TaggingWindow, tagWindows } from "../../tasks/tagging-data.ts";
import type { Tokenizer } from "../../tokenizers/tokenizer.ts";
import type { UnlabelledText } from "./unlabelled-batch.ts";

/** A text without a label: as it is, as its words, or two that are read together. */
export type PlainText = string | { readonly words: readonly string[] } | { readonly pair: readonly [string, string] };

/** Texts without labels, which are read once. */
export interface PlainTextSource {
  readonly name: string;
  texts(): AsyncIterable<PlainText>;
}

/** The lines of a file that are not empty. */
export function lineTexts(file: string, options: DecodeOptions = {}): PlainTextSource {
  return {
    name: file,
    texts: async function* () {
      for await (const { text } of fileLines(file, options)) if (text.trim() !== "") yield text;
    },
  };
}

/** The texts of a table, or its pairs of texts; whatever its other columns hold is not read. */
export function tableTexts(source: TableSource, columns: readonly ColumnRef[]): PlainTextSource {
  return {
    name: source.name,
    texts: async function* () {
      for await (const row of source.rows()) {
        const [first, second] = columns.map((column) => cellText(row, column, source.name));
        if (second === undefined) yield first!;
        else yield { pair: [first!, second] };
      }
    },
  };
}

/** The sentences of a tagged file without their tags. */
export function sentenceTexts(source: TaggedSource): PlainTextSource {
  return {
    name: source.name,
    texts: async function* () {
      for await (const { words } of source.sentences()) yield { words };
    },
  };
}

/** How unlabelled texts are encoded. */
export interface UnlabelledReading {
  readonly tokenizer: Tokenizer;
  readonly framing: Framing;
  readonly maxSeqLength: number;
  /** Tokens that neighbouring windows of long texts have in common, where words are read. */
  readonly overlap: number;
  /** Language by whose rules texts are cut into words. */
  readonly locale?: string | undefined;
  /** At most so many are read; null: all. */
  readonly maxTexts: number | null;
}

/** All texts of a source, one kind of them. @throws {DataError} TEXTS_MIXED, DATA_EMPTY */
export async function readPlainTexts(
  source: PlainTextSource,
  maxTexts: number | null,
): Promise<{ readonly texts: readonly PlainText[]; readonly arePairs: boolean }> {
  const isPair = (text: PlainText): boolean => typeof text !== "string" && "pair" in text;
  const texts: PlainText[] = [];
  for await (const text of source.texts()) {
    if (maxTexts !== null && texts.length === maxTexts) break;
    texts.push(text);
  }
  const [first] = texts;
  if (first === undefined) {
    throw new DataError("has no text. Is it the right file?", { code: "DATA_EMPTY", path: source.name });
  }
  const arePairs = isPair(first);
  if (texts.every((text) => isPair(text) === arePairs)) return { texts, arePairs };
  const message = "must hold single texts or pairs of texts; it has both. Put them into two files.";
  throw new DataError(message, { code: "TEXTS_MIXED", path: source.name });
}

function wordsOf(text: PlainText, locale: string): readonly string[] {
  if (typeof text === "string") return wordSpans(text, locale).map(({ start, end }) => text.slice(start, end));
  return "words" in text ? text.words : [];
}

/** Where the words of a window end: at the next word, and the last one at the end of its sentence. */
function behindWords({ words, places, tokens, endsSentence }: TaggingWindow, frameEnd: number): Int32Array {
  return Int32Array.from(places, (_, i) => {
    if (i + 1 < places.length) return words[i + 1] === words[i]! + 1 ? places[i + 1]! : -1;
    return endsSentence && frameEnd > 0 ? tokens.length - frameEnd : -1;
  });
}

/** Texts with the places of their words; long ones in windows. @throws {DataError} DATA_EMPTY */
export async function encodeForWords(
  texts: readonly PlainText[],
  { tokenizer, framing, maxSeqLength, overlap, locale = "en" }: UnlabelledReading,
): Promise<UnlabelledText[]> {
  const sentences = texts.map((text) => wordsOf(text, locale)).filter((words) => words.length > 0);
  const windows = await tagWindows({ tokenizer, framing, maxSeqLength, overlap }, sentences, () => UNSCORED);
  const frameEnd = framing.single.length - 1 - framing.single.indexOf(0);
  return windows.map((window) => ({ ...window, words: window.places, behind: behindWords(window, frameEnd) }));
}

/** Texts, or pairs of them, as tasks of texts read them: cut to the longest length; those without a token are left out. */
export async function encodeForTexts(
  texts: readonly PlainText[],
  { tokenizer, framing, maxSeqLength }: UnlabelledReading,
): Promise<UnlabelledText[]> {
  const frame = frameOf(framing, tokenizer, "crossView");
  const parts = texts.map((text): readonly string[] => {
    if (typeof text === "string") return [text];
    return "pair" in text ? text.pair : [joinWords(text.words).text];
  });
  const encoded = await tokenizer.encodeIds(parts.flat());
  const none = new Int32Array(0);
  let at = 0;
  return parts.flatMap((own) => {
    const ids = own.map(() => encoded[at++]!.ids);
    if (ids.some((part) => part.length === 0)) return [];
    const kept = longestFirst(ids[0]!.length, ids[1]?.length ?? 0, maxSeqLength - frame.overhead(ids.length));
    return [{ ...frame.join(ids.map((part, i) => part.subarray(0, kept[i]!))), words: none, behind: none }];
  });
}
