/** @file Texts and pairs of texts as what an encoder reads. */
import { DataError } from "../base/errors.ts";
import type { Framing } from "../models/framing.ts";
import { type FramedText, frameOf } from "../objectives/frame.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";

/** One text, or two that are read together. */
export type TextInput = string | readonly [string, string];

/** A text with its special tokens, e.g. `[CLS] A [SEP]` or `[CLS] A [SEP] B [SEP]`. */
export interface EncodedText extends FramedText {
  /** Whether tokens were cut off. */
  readonly truncated: boolean;
}

/** How texts are encoded. */
export interface TextEncoding {
  readonly tokenizer: Tokenizer;
  /** The model's. */
  readonly framing: Framing;
  /** Longest text in tokens, special tokens included. */
  readonly maxSeqLength: number;
}

/** Refuses an empty text of a list. @throws {DataError} TEXT_EMPTY naming its number */
export function emptyText(input: number): never {
  throw new DataError("the text is empty. Leave it out.", { code: "TEXT_EMPTY", path: `texts[${input}]` });
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
 * Encodes texts, each with its special tokens and cut to the longest length allowed.
 * @param onEmpty called for a text without any token, with the number of the input and of its segment; must throw
 * @throws {FirthError} TOKENIZER_LACKS_TOKEN
 */
export async function encodeTexts(
  { tokenizer, framing, maxSeqLength }: TextEncoding,
  inputs: readonly TextInput[],
  onEmpty: (input: number, segment: number) => never,
): Promise<EncodedText[]> {
  const frame = frameOf(framing, tokenizer, "encodeTexts");
  const texts = inputs.map((input) => (typeof input === "string" ? [input] : input));
  const encoded = await tokenizer.encodeIds(texts.flat());
  let at = 0;
  return texts.map((parts, input) => {
    const [first, second] = parts.map((_, segment) => {
      const { ids } = encoded[at++]!;
      if (ids.length === 0) onEmpty(input, segment);
      return ids;
    }) as [Int32Array, Int32Array | undefined];
    const room = maxSeqLength - frame.overhead(parts.length);
    const [firstLength, secondLength] = longestFirst(first.length, second?.length ?? 0, room);
    const kept = [first.subarray(0, firstLength), ...(second === undefined ? [] : [second.subarray(0, secondLength)])];
    const truncated = firstLength + secondLength < first.length + (second?.length ?? 0);
    return { ...frame.join(kept), truncated };
  });
}
