/** @file Where an answer may begin and end in a text, whatever the pieces of a tokenizer. */

/** Letters, marks and numbers, which make words. */
const joined = /[\p{L}\p{M}\p{N}]/u;
/** Scripts that write words without space between them. */
const apart =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;

const isWordPart = (character: string): boolean => joined.test(character) && !apart.test(character);

/** Whether a place of a text, in UTF-16 units, is inside a word or a character. */
export function isInsideWord(text: string, place: number): boolean {
  if (place <= 0 || place >= text.length) return false;
  const after = String.fromCodePoint(text.codePointAt(place)!);
  const pair = text.codePointAt(place - 1)!;
  // The place lies between the halves of one character.
  if (pair > 0xffff) return true;
  const isLow = pair >= 0xdc00 && pair <= 0xdfff && place >= 2;
  const before = String.fromCodePoint(isLow ? text.codePointAt(place - 2)! : pair);
  return isWordPart(before) && isWordPart(after);
}
