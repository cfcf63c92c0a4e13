/** @file From scores of tokens to an answer in the text's own letters. */
import type { AnswerWindow, TokenPlaces } from "./answer-window.ts";
import { isInsideWord } from "./word-boundary.ts";

/** What a network says of a window: scores of each of its places as the first and the last of the answer. */
export interface EndScores {
  readonly starts: Float32Array;
  readonly ends: Float32Array;
}

export interface SpanOptions {
  /** Longest answer in tokens. */
  readonly maxAnswerLength: number;
  /** Answers that are kept. */
  readonly numBest: number;
  /** Whether "no answer" is one of them. */
  readonly allowsNone: boolean;
  /** "No answer" must be better by more than this. */
  readonly noneThreshold: number;
}

/** A part of the text as an answer. */
export interface AnswerCandidate {
  /** As it stands in the text; empty for "no answer". */
  readonly text: string;
  /** UTF-16 units [start, end) of the text; both 0 for "no answer". */
  readonly start: number;
  readonly end: number;
  /** Sum of the scores of its first and last token. */
  readonly score: number;
  /** Among all answers kept. */
  readonly probability: number;
}

export interface Answer extends AnswerCandidate {
  /** The best part of the text, whether or not "no answer" beats it. */
  readonly span: AnswerCandidate;
  /** How much better "no answer" is than `span`: the official "null odds". */
  readonly noneScore: number;
  /** The best first; they include "no answer" where it is allowed. */
  readonly best: readonly AnswerCandidate[];
}

interface Span {
  readonly first: number;
  readonly last: number;
  readonly score: number;
}

/** Which tokens of a text begin a word, and which end one. */
function wordEnds(context: string, { starts, ends }: TokenPlaces) {
  const begins = Array.from(starts, (place) => !isInsideWord(context, place));
  const finishes = Array.from(ends, (place) => !isInsideWord(context, place));
  return { begins, finishes };
}

/** The best spans of windows, by tokens of the text: first ≤ last, whole words, not too long, beginning where it is seen best. */
function bestSpans(
  words: ReturnType<typeof wordEnds>,
  windows: readonly AnswerWindow[],
  scores: readonly EndScores[],
  most: number,
  maxAnswerLength: number,
): Span[] {
  let kept: Span[] = [];
  let least = Number.NEGATIVE_INFINITY;
  const cut = (): void => {
    kept.sort((a, b) => b.score - a.score || a.first - b.first || a.last - b.last);
    kept = kept.slice(0, most);
    if (kept.length === most) least = kept.at(-1)!.score;
  };
  windows.forEach(({ range, secondStart, isMaxContext }, w) => {
    const { starts, ends } = scores[w]!;
    for (let i = 0; i < range.count; i++) {
      if (isMaxContext[i] === 0 || words.begins[range.first + i] === false) continue;
      const limit = Math.min(range.count, i + maxAnswerLength);
      for (let j = i; j < limit; j++) {
        const score = starts[secondStart + i]! + ends[secondStart + j]!;
        if (score <= least || words.finishes[range.first + j] === false) continue;
        kept.push({ first: range.first + i, last: range.first + j, score });
        if (kept.length >= 4 * most) cut();
      }
    }
  });
  cut();
  return kept;
}

/** The letters from a token to another, without white space around them. */
function lettersOf(context: string, { starts, ends }: TokenPlaces, { first, last }: Span) {
  const whole = context.slice(starts[first]!, ends[last]!);
  const text = whole.trim();
  const start = starts[first]! + whole.length - whole.trimStart().length;
  return { text, start, end: start + text.length };
}

function withProbabilities(candidates: readonly Omit<AnswerCandidate, "probability">[]): AnswerCandidate[] {
  const highest = candidates.reduce((most, { score }) => Math.max(most, score), Number.NEGATIVE_INFINITY);
  const weights = candidates.map(({ score }) => Math.exp(score - highest));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return candidates.map((candidate, i) => ({ ...candidate, probability: weights[i]! / total }));
}

/**
 * The answer to a question from the scores of all its windows.
 *
 * Answers are whole words: none begins or ends between two letters or digits, but of scripts without spaces between words.
 * Of the parts of the text with the same letters only the best is kept. "No answer" scores as in the window where it
 * scores least: the one most likely to hold an answer.
 * @source Devlin et al. 2019 §4.2–4.3, arXiv:1810.04805, and the authors' repository. Differs: all spans are looked at, not
 * only those between the best twenty first and last tokens
 */
export function answerOf(
  question: { readonly context: string; readonly places: TokenPlaces },
  windows: readonly AnswerWindow[],
  scores: readonly EndScores[],
  { maxAnswerLength, numBest, allowsNone, noneThreshold }: SpanOptions,
): Answer {
  const { context, places } = question;
  const found = new Map<string, Omit<AnswerCandidate, "probability">>();
  // Several spans may have the same letters.
  for (const span of bestSpans(wordEnds(context, places), windows, scores, 3 * numBest, maxAnswerLength)) {
    const letters = lettersOf(context, places, span);
    if (letters.text === "" || found.has(letters.text) || found.size >= numBest) continue;
    found.set(letters.text, { ...letters, score: span.score });
  }
  const none = windows.reduce(
    (least, { nullPlace }, w) => Math.min(least, scores[w]!.starts[nullPlace]! + scores[w]!.ends[nullPlace]!),
    Number.POSITIVE_INFINITY,
  );
  const nothing = { text: "", start: 0, end: 0, score: none };
  const spans = [...found.values()];
  const all = allowsNone || spans.length === 0 ? [...spans, nothing] : spans;
  const best = withProbabilities(all).sort((a, b) => b.score - a.score);
  const span = best.find(({ text }) => text !== "") ?? best[0]!;
  const noneScore = none - span.score;
  const isNone = span.text === "" || (allowsNone && noneScore > noneThreshold);
  const chosen = isNone ? best.find(({ text }) => text === "")! : span;
  return { ...chosen, span, noneScore, best };
}
