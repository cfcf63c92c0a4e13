/**
 * @file Where a SentencePiece character map (`Precompiled`) treats every stretch between white space by itself.
 *
 * The map is applied grapheme by grapheme: one of fewer than six bytes is replaced whole by what its beginning maps to, any
 * other character by character. Words stay apart as long as no grapheme reaches across white space. By the rules of
 * Unicode's grapheme clusters (UAX 29) one does only where white space is followed by a character that extends it (GB9,
 * GB9a), or follows a character that is prepended to others (GB9b). Texts with such places are the library's to spell.
 */
import type { NativeTokenizer } from "./library.ts";

/** White space of Unicode. */
const WHITE = [
  ..."\t\n\v\f\r \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a",
  ..."\u2028\u2029\u202f\u205f\u3000",
];
const white = String.raw`\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000`;

/** Extend, ZWJ, SpacingMark; with them what a newer table of Unicode may make such a character. */
const extending = String.raw`\p{M}\p{Grapheme_Extend}\p{Emoji_Modifier}\u200d\u0e33\u0eb3`;
/** Grapheme_Cluster_Break=Prepend. */
const prepended = [
  String.raw`\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\u0d4e\u{110bd}\u{110cd}\u{111c2}\u{111c3}`,
  String.raw`\u{113d1}\u{1193f}\u{11941}\u{11a3a}\u{11a84}-\u{11a89}\u{11d46}\u{11f02}`,
].join("");

const reaching = new RegExp(String.raw`[${white}][${extending}]|[${prepended}\p{Cn}]`, "u");

/** Whether a grapheme of the text may reach across white space. */
export function reachesAcrossSpace(text: string): boolean {
  return reaching.test(text);
}

/**
 * White space that a tokenizer's normalization does not leave white between words, so that these are joined: usual maps
 * delete U+000B.
 */
export function lostSpace(native: NativeTokenizer): readonly string[] {
  const normalizer = native.getNormalizer();
  if (normalizer === null) return [];
  const between = new RegExp(`^a[${white}]+a$`);
  const isKept = (space: string): boolean => between.test(normalizer.normalizeString(`a${space}a`));
  return [...WHITE, "\r\n"].filter((space) => !isKept(space));
}
