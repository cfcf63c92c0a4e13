/** @file Texts and pairs of texts as what an encoder reads. */
import { FirthError } from "../base/errors.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";

/** One text, or two that are read together. */
export type TextInput = string | readonly [string, string];

/** A text with its special tokens: `[CLS] A [SEP]` or `[CLS] A [SEP] B [SEP]`. */
export interface EncodedText {
  readonly tokens: Int32Array;
  /** Where the second segment begins; the number of tokens when there is none. */
  readonly secondStart: number;
  /** Whether tokens were cut off. */
  readonly truncated: boolean;
}

/**
 * How many tokens of two segments remain: the longer is cut first, from its end, until both fit.
 * @param room tokens for both together, special tokens not counted
 * @source `longest_first` of Hugging Face tokenizers (`truncate_encodings`)
 */
export function longestFirst(first: number, second: number, room: number): readonly [number, number] {
  if (first + second <= room) return [first, second];
  const shorter = Math.min(first, second, Math.floor(room / 2));
  return first > second ? [room - shorter, shorter] : [shorter, room - shorter];
}

/**
 * The ids that begin and end segments.
 * @throws {FirthError} TOKENIZER_LACKS_TOKEN
 */
export function boundaryTokens(tokenizer: Tokenizer, where: string): { readonly cls: number; readonly sep: number } {
  const { cls, sep } = tokenizer.special;
  if (cls !== undefined && sep !== undefined) return { cls, sep };
  throw new FirthError("the tokenizer must have [CLS] and [SEP]. Train it with BERT's special tokens.", {
    code: "TOKENIZER_LACKS_TOKEN",
    path: where,
  });
}

function join(
  segments: readonly Int32Array[],
  { cls, sep }: { readonly cls: number; readonly sep: number },
  maxSeqLength: number,
): EncodedText {
  const [first, second] = segments as [Int32Array, Int32Array | undefined];
  const room = maxSeqLength - 1 - segments.length;
  const [firstLength, secondLength] = longestFirst(first.length, second?.length ?? 0, room);
  const secondStart = firstLength + 2;
  const length = second === undefined ? secondStart : secondStart + secondLength + 1;
  const tokens = new Int32Array(length);
  tokens[0] = cls;
  tokens.set(first.subarray(0, firstLength), 1);
  tokens[secondStart - 1] = sep;
  if (second !== undefined) {
    tokens.set(second.subarray(0, secondLength), secondStart);
    tokens[length - 1] = sep;
  }
  return { tokens, secondStart, truncated: firstLength + secondLength < first.length + (second?.length ?? 0) };
}

/**
 * Encodes texts, each with its special tokens and cut to the longest length allowed.
 * @param onEmpty called for a text without any token, with the number of the input and of its segment; must throw
 */
export async function encodeTexts(
  tokenizer: Tokenizer,
  inputs: readonly TextInput[],
  maxSeqLength: number,
  onEmpty: (input: number, segment: number) => never,
): Promise<EncodedText[]> {
  const boundaries = boundaryTokens(tokenizer, "encodeTexts");
  const segments = inputs.map((input) => (typeof input === "string" ? [input] : input));
  const encoded = await tokenizer.encodeIds(segments.flat());
  let at = 0;
  return segments.map((texts, input) => {
    const ids = texts.map((_, segment) => {
      const own = encoded[at++]!.ids;
      if (own.length === 0) onEmpty(input, segment);
      return own;
    });
    return join(ids, boundaries, maxSeqLength);
  });
}
