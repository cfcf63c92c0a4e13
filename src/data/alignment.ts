/** @file Characters ↔ words ↔ pieces ↔ spans of one text. */
import type { Encoding } from "../tokenizers/tokenizer.ts";
import { codePointToUnit } from "../tokenizers/unicode-offset.ts";

/** A part of a text, in UTF-16 code units: `text.slice(start, end)`. */
export interface TextSpan {
  readonly start: number;
  readonly end: number;
}

/**
 * Positions of a text in both countings: UTF-16 code units, as JavaScript slices, and Unicode code points, as Python and most
 * data files count. A lone surrogate is a code point of its own.
 */
export class TextPositions {
  /** Code points of the text. */
  readonly numCodePoints: number;
  /** UTF-16 position of each code point; undefined where both countings agree. */
  private readonly units: Int32Array | undefined;

  constructor(text: string) {
    this.units = codePointToUnit(text);
    this.numCodePoints = (this.units?.length ?? text.length + 1) - 1;
  }

  /** UTF-16 position of a code point; both may be the text's end. */
  toUnit(codePoint: number): number {
    return this.units === undefined ? codePoint : this.units[codePoint]!;
  }

  /** The code point that a UTF-16 position lies in: of both halves of a pair the same. */
  toCodePoint(unit: number): number {
    const { units } = this;
    if (units === undefined) return unit;
    // The last code point that begins at `unit` or before it.
    let [low, high] = [0, units.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (units[middle]! <= unit) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/** Words joined by one space, and where each of them lies. */
export function joinWords(words: readonly string[]): { readonly text: string; readonly spans: readonly TextSpan[] } {
  let at = 0;
  const spans = words.map((word) => {
    const span = { start: at, end: at + word.length };
    at = span.end + 1;
    return span;
  });
  return { text: words.join(" "), spans };
}

const segmenters = new Map<string, Intl.Segmenter>();

/** Where the words of a running text lie, by Unicode's rules; punctuation marks are words, white space is none. */
export function wordSpans(text: string, locale = "en"): TextSpan[] {
  let segmenter = segmenters.get(locale);
  if (segmenter === undefined) {
    segmenter = new Intl.Segmenter(locale, { granularity: "word" });
    segmenters.set(locale, segmenter);
  }
  const spans: TextSpan[] = [];
  for (const { segment, index } of segmenter.segment(text)) {
    if (segment.trim() !== "") spans.push({ start: index, end: index + segment.length });
  }
  return spans;
}

/**
 * The word that each piece belongs to: the one it begins in or, before a word, the next one (a piece that carries the space
 * before its word, or is nothing but that space); behind all words the last. Never falling, so that a word's pieces are a run.
 * @param spans of the words in the encoded text, rising, not overlapping; at least one
 * @returns a word number for each piece
 */
export function pieceWords({ starts }: Pick<Encoding, "starts">, spans: readonly TextSpan[]): Int32Array {
  const words = new Int32Array(starts.length);
  let word = 0;
  for (let piece = 0; piece < starts.length; piece++) {
    while (word + 1 < spans.length && spans[word]!.end <= starts[piece]!) word++;
    words[piece] = word;
  }
  return words;
}

/** A run of pieces: from `start` to before `end`. */
export type PieceRun = TextSpan;

/** For each word its pieces; `start` equals `end` where it has none of its own. */
export function wordPieces(words: Int32Array, numWords: number): PieceRun[] {
  const runs: { start: number; end: number }[] = [];
  let piece = 0;
  for (let word = 0; word < numWords; word++) {
    const start = piece;
    while (piece < words.length && words[piece] === word) piece++;
    runs.push({ start, end: piece });
  }
  return runs;
}

/** The words or pieces that a span touches, as a run; undefined where it touches none. @param spans rising, not overlapping */
export function touchedBy({ start, end }: TextSpan, spans: readonly TextSpan[]): PieceRun | undefined {
  const from = spans.findIndex((span) => span.end > start && span.start < end);
  if (from < 0) return undefined;
  let to = from + 1;
  while (to < spans.length && spans[to]!.start < end) to++;
  return { start: from, end: to };
}

/** Whether a span begins and ends where a word does: the cut of the words respects it. */
export function fitsWords(span: TextSpan, spans: readonly TextSpan[]): boolean {
  const run = touchedBy(span, spans);
  return run !== undefined && spans[run.start]!.start === span.start && spans[run.end - 1]!.end === span.end;
}
