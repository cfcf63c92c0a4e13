/** @file The tokenizers of BLEU: texts become words in the way that published figures have them. */
import { splitWords, trim } from "./python-text.ts";

/**
 * `13a` is WMT's (mteval-v13a.pl) and the default, `intl` mteval-v14.pl's with Unicode classes; `zh` takes every Chinese
 * character as a word and the rest as 13a does; `char` takes every character; `none` splits at spaces.
 */
export type BleuTokenizer = "13a" | "intl" | "zh" | "char" | "none";

/** Punctuation apart from words, except points and commas inside numbers; a dash apart from a digit before it. */
function westernWords(text: string): string[] {
  const apart = text
    .replace(/[{-~[-` -&(-+:-@/]/gu, " $& ")
    .replace(/([^0-9])([.,])/gu, "$1 $2 ")
    .replace(/([.,])([^0-9])/gu, " $1 $2")
    .replace(/([0-9])(-)/gu, "$1 $2 ");
  return splitWords(apart);
}

const entities: readonly (readonly [string, string])[] = [
  ["&quot;", '"'],
  ["&amp;", "&"],
  ["&lt;", "<"],
  ["&gt;", ">"],
];

function tokenize13a(text: string): string[] {
  const line = text.replaceAll("<skipped>", "").replaceAll("-\n", "").replaceAll("\n", " ");
  // One after the other, as the script does: "&amp;lt;" ends as "<".
  const plain = entities.reduce((all, [entity, character]) => all.replaceAll(entity, character), line);
  return westernWords(` ${plain} `);
}

function tokenizeInternational(text: string): string[] {
  const apart = text
    .replace(/(\P{N})(\p{P})/gu, "$1 $2 ")
    .replace(/(\p{P})(\P{N})/gu, " $1 $2")
    .replace(/\p{S}/gu, " $& ");
  return splitWords(apart);
}

/**
 * First and last code point of what sacrebleu takes for a Chinese character. Two of its ranges are meant to lie beyond U+FFFF
 * but are compared as texts of four digits and one more, so they span U+2001–U+2A6D and U+2F81–U+2FA1: curly quotes
 * and dashes are words of their own, ideographs of extension B are not. Figures are comparable only with the same ranges.
 */
const chineseRanges: readonly (readonly [number, number])[] = [
  [0x3400, 0x4db5],
  [0x4e00, 0x9fa5],
  [0x9fa6, 0x9fbb],
  [0xf900, 0xfa2d],
  [0xfa30, 0xfa6a],
  [0xfa70, 0xfad9],
  [0x2001, 0x2a6d],
  [0x2f81, 0x2fa1],
  [0xff00, 0xffef],
  [0x2e80, 0x2eff],
  [0x3000, 0x303f],
  [0x31c0, 0x31ef],
  [0x2f00, 0x2fdf],
  [0x2ff0, 0x2fff],
  [0x3100, 0x312f],
  [0x31a0, 0x31bf],
  [0xfe10, 0xfe1f],
  [0xfe30, 0xfe4f],
  [0x2600, 0x26ff],
  [0x2700, 0x27bf],
  [0x3200, 0x32ff],
  [0x3300, 0x33ff],
];

function isChinese(character: string): boolean {
  const code = character.codePointAt(0)!;
  return chineseRanges.some(([first, last]) => code >= first && code <= last);
}

function tokenizeChinese(text: string): string[] {
  return westernWords([...trim(text)].map((c) => (isChinese(c) ? ` ${c} ` : c)).join(""));
}

/**
 * The words of a text as BLEU counts them.
 * @source sacrebleu's tokenizers of the same names (github.com/mjpost/sacrebleu), described by Post 2018, arXiv:1804.08771
 */
export const bleuTokenizers: Readonly<Record<BleuTokenizer, (text: string) => string[]>> = {
  "13a": tokenize13a,
  intl: tokenizeInternational,
  zh: tokenizeChinese,
  char: (text) => [...text].flatMap(splitWords),
  none: splitWords,
};
