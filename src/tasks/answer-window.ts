/** @file Questions with their texts, as windows that a network can read. */
import { DataError } from "../base/errors.ts";
import type { Question } from "../data/question-file.ts";
import { UNSCORED } from "../ir/unscored.ts";
import type { Framing } from "../models/framing.ts";
import { type Frame, frameOf } from "../objectives/frame.ts";
import type { Encoding, Tokenizer } from "../tokenizers/tokenizer.ts";
import type { EncodedText } from "./encode-text.ts";

/** How questions become windows. */
export interface WindowOptions {
  readonly tokenizer: Tokenizer;
  /** The model's. */
  readonly framing: Framing;
  /** Which token stands for "no answer": the one that sums a sequence up. */
  readonly nullToken: "first" | "last";
  /** Longest window in tokens, special tokens included. */
  readonly maxSeqLength: number;
  /** Tokens from the beginning of a window's part of the text to that of the next one's. */
  readonly docStride: number;
  /** Questions are cut to so many tokens. */
  readonly maxQueryLength: number;
}

/** Which tokens of its text a window holds, and where. */
export interface TokenRange {
  /** Number of the first one among the text's tokens. */
  readonly first: number;
  readonly count: number;
}

/** A question and a part of its text. Places count in the window's own tokens, from 0. */
export interface AnswerWindow extends EncodedText {
  /** Number of the question. */
  readonly question: number;
  /** The tokens of the text from place `secondStart` on. */
  readonly range: TokenRange;
  /** For each of them whether no other window shows more around it: answers begin there in this window only. */
  readonly isMaxContext: Uint8Array;
  /** Stands for "no answer here". */
  readonly nullPlace: number;
  /** Place of the answer's first and last token; `nullPlace` where the window has no answer, −100 where nobody knows. */
  readonly startLabel: number;
  readonly endLabel: number;
}

/** Where the tokens of a text lie in it, in UTF-16 units. */
export type TokenPlaces = Pick<Encoding, "starts" | "ends">;

/** Questions, their windows, and the way back from tokens to letters. */
export interface WindowedQuestions {
  readonly questions: readonly Question[];
  readonly windows: readonly AnswerWindow[];
  /** For each question, the places of its text's tokens. */
  readonly places: readonly TokenPlaces[];
  /** Questions that were cut. */
  readonly numTruncated: number;
}

/** The parts of a text of some tokens: as long as they can be, `stride` apart. @source Devlin et al. 2019, authors' repository */
export function windowRanges(numTokens: number, room: number, stride: number): TokenRange[] {
  const ranges: TokenRange[] = [];
  for (let first = 0; ; first += Math.min(stride, room)) {
    const count = Math.min(room, numTokens - first);
    ranges.push({ first, count });
    if (first + count >= numTokens) return ranges;
  }
}

/**
 * For each token of each part whether it is seen best there: the smaller of what stands left and right of it in the part is
 * largest, and among equals a longer part, then an earlier one wins.
 * @source Devlin et al. 2019, authors' repository (maximum context)
 */
export function maxContextMarks(ranges: readonly TokenRange[]): Uint8Array[] {
  const marks = ranges.map(({ count }) => new Uint8Array(count));
  const numTokens = ranges.reduce((most, { first, count }) => Math.max(most, first + count), 0);
  const [best, owner] = [new Float64Array(numTokens).fill(-1), new Int32Array(numTokens)];
  ranges.forEach(({ first, count }, part) => {
    for (let i = 0; i < count; i++) {
      const score = Math.min(i, count - 1 - i) + 0.01 * count;
      if (score <= best[first + i]!) continue;
      best[first + i] = score;
      owner[first + i] = part;
    }
  });
  for (let token = 0; token < numTokens; token++) marks[owner[token]!]![token - ranges[owner[token]!]!.first] = 1;
  return marks;
}

/** First and last token that share a letter with [start, end) of the text; undefined where none does. */
export function tokensOf(
  { starts, ends }: TokenPlaces,
  start: number,
  end: number,
): { readonly first: number; readonly last: number } | undefined {
  const first = ends.findIndex((tokenEnd) => tokenEnd > start);
  if (first === -1) return undefined;
  let last = first - 1;
  while (last + 1 < starts.length && starts[last + 1]! < end) last++;
  return last < first ? undefined : { first, last };
}

/** What is learnt of a question: its answer's tokens, that it has none, or nothing. */
type Target = { readonly first: number; readonly last: number } | "none" | undefined;

/** @param areComplete whether a question without answers is known to have none */
function targetOf({ answers }: Question, places: TokenPlaces, areComplete: boolean): Target {
  if (answers.length === 0) return areComplete ? "none" : undefined;
  for (const { text, start } of answers) {
    const tokens = start === undefined ? undefined : tokensOf(places, start, start + text.length);
    if (tokens !== undefined) return tokens;
  }
  return undefined;
}

interface Encoded {
  readonly query: Int32Array;
  readonly context: Encoding;
  readonly target: Target;
  readonly isCut: boolean;
}

function windowsOf(question: number, encoded: Encoded, frame: Frame, options: WindowOptions): AnswerWindow[] {
  const { query, context, target, isCut } = encoded;
  const { maxSeqLength, docStride, nullToken } = options;
  const room = maxSeqLength - frame.overhead(2) - query.length;
  const ranges = windowRanges(context.ids.length, room, docStride);
  const marks = maxContextMarks(ranges);
  return ranges.map((range, part) => {
    const framed = frame.join([query, context.ids.subarray(range.first, range.first + range.count)]);
    const nullPlace = nullToken === "first" ? 0 : framed.tokens.length - 1;
    const placeOf = (token: number): number => framed.secondStart + token - range.first;
    let labels = { startLabel: nullPlace, endLabel: nullPlace };
    if (target === undefined) labels = { startLabel: UNSCORED, endLabel: UNSCORED };
    else if (target !== "none" && target.first >= range.first && target.last < range.first + range.count) {
      labels = { startLabel: placeOf(target.first), endLabel: placeOf(target.last) };
    }
    return { ...framed, truncated: isCut, question, range, isMaxContext: marks[part]!, nullPlace, ...labels };
  });
}

/** Texts encoded at a time. */
const CHUNK = 1_024;

async function encodeAll(tokenizer: Tokenizer, texts: readonly string[]): Promise<Encoding[]> {
  const encoded: Encoding[] = [];
  for (let at = 0; at < texts.length; at += CHUNK) {
    encoded.push(...(await tokenizer.encodeBatch(texts.slice(at, at + CHUNK))));
  }
  return encoded;
}

/**
 * Windows of questions, in the order of the questions. Texts that several questions share are encoded once.
 * @param source `hasUnanswerable`: whether a question without answers is known to have none
 * @throws {DataError} TEXT_EMPTY for a question or a text without any token
 * @throws {FirthError} TOKENIZER_LACKS_TOKEN
 */
export async function windowQuestions(
  source: {
    readonly name: string;
    readonly questions: readonly Question[];
    readonly hasUnanswerable: boolean;
  },
  options: WindowOptions,
): Promise<WindowedQuestions> {
  const { questions, name } = source;
  const { tokenizer, maxQueryLength } = options;
  const frame = frameOf(options.framing, tokenizer, "questionAnswering");
  const numbers = new Map<string, number>();
  for (const { context } of questions) if (!numbers.has(context)) numbers.set(context, numbers.size);
  const contexts = await encodeAll(tokenizer, [...numbers.keys()]);
  const queries = await encodeAll(
    tokenizer,
    questions.map(({ question }) => question),
  );
  const windows: AnswerWindow[] = [];
  const places: TokenPlaces[] = [];
  let numTruncated = 0;
  questions.forEach((question, i) => {
    const context = contexts[numbers.get(question.context)!]!;
    const { ids } = queries[i]!;
    if (ids.length === 0 || context.ids.length === 0) {
      const what = ids.length === 0 ? "question" : "text";
      throw new DataError(`the ${what} of ${JSON.stringify(question.id)} has no token. Fill it in, or leave it out.`, {
        code: "TEXT_EMPTY",
        path: name,
        details: { id: question.id },
      });
    }
    const isCut = ids.length > maxQueryLength;
    if (isCut) numTruncated++;
    const target = targetOf(question, context, source.hasUnanswerable);
    windows.push(...windowsOf(i, { query: ids.subarray(0, maxQueryLength), context, target, isCut }, frame, options));
    places.push({ starts: context.starts, ends: context.ends });
  });
  return { questions, windows, places, numTruncated };
}
