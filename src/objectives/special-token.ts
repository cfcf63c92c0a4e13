/** @file The special tokens that objectives cannot do without, by what they do. */
import { FirthError } from "../base/errors.ts";
import type { SpecialTokenIds, Tokenizer } from "../tokenizers/tokenizer.ts";

function lacks(what: string, fix: string, where: string): FirthError {
  return new FirthError(`the tokenizer must have a token ${what}. ${fix}`, {
    code: "TOKENIZER_LACKS_TOKEN",
    path: where,
  });
}

/** The id that a text begins with: what it begins with by the tokenizer's rules, or else the token that ends texts. */
export function startId({ bos, cls, eos, sep }: SpecialTokenIds): number | undefined {
  return bos ?? cls ?? eos ?? sep;
}

/**
 * {@link startId} where there must be one.
 * @param fix what to do otherwise, as a sentence
 * @throws {FirthError} TOKENIZER_LACKS_TOKEN
 */
export function startToken(special: SpecialTokenIds, where: string, fix = "Train it with one."): number {
  const start = startId(special);
  if (start !== undefined) return start;
  throw lacks("that begins or ends texts", fix, where);
}

/**
 * The ids that begin and end the texts of encoder–decoders.
 * @throws {FirthError} TOKENIZER_LACKS_TOKEN
 */
export function textEnds({ special }: Tokenizer, where: string): { readonly begin: number; readonly end: number } {
  const [begin, end] = [special.bos ?? special.cls, special.eos ?? special.sep];
  if (begin !== undefined && end !== undefined) return { begin, end };
  throw lacks("that begins texts and one that ends them", "Train it with both.", where);
}

/** `text` between the tokens that begin and end it. */
export function withEnds(text: Int32Array, { begin, end }: ReturnType<typeof textEnds>): Int32Array {
  const tokens = new Int32Array(text.length + 2);
  tokens[0] = begin;
  tokens.set(text, 1);
  tokens[text.length + 1] = end;
  return tokens;
}

/**
 * The id that stands for what is hidden.
 * @throws {FirthError} TOKENIZER_LACKS_TOKEN
 */
export function maskToken({ special }: Tokenizer, where: string): number {
  if (special.mask !== undefined) return special.mask;
  throw lacks("for masked words, such as [MASK]", "Train it with one.", where);
}
