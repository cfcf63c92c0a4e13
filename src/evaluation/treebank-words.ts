/** @file Words of Latin text as the Penn Treebank divides them, for figures that are defined on these. */
import { splitWords } from "./python-text.ts";

/** Letters, numbers and `_`: what Python's `\w` is. */
const word = "[\\p{L}\\p{N}_]";
/** Space as Python's `\s` has it. */
const space = "[\\s\\x1c-\\x1f\\x85]";
const wordStart = `(?<!${word})(?=${word})`;
const wordEnd = `(?<=${word})(?!${word})`;

/** What is put apart, in this order; ` $1 ` puts spaces around the first group. */
const beforeBrackets: readonly (readonly [RegExp, string])[] = [
  [/([«“‘„]|`+)/gu, " $1 "],
  [/^"/gu, "``"],
  [/(``)/gu, " $1 "],
  [/([ ([{<])("|'{2})/gu, "$1 `` "],
  [new RegExp(`(?<!${word})(')(?!(?:re|ve|ll|m|t|s|d|n)(?!${word}))(?=${word})`, "giu"), "$1 "],
  [new RegExp(`([^.])(\\.)([\\]\\)}>"'»”’ ]*)${space}*$`, "gu"), "$1 $2 $3 "],
  [/([:,])(\P{Nd})/gu, " $1 $2"],
  [/([:,])$/gu, " $1 "],
  [/(\.{2,})/gu, " $1 "],
  [/([;@#$%&])/gu, " $1 "],
  [/([\u2012-\u2015])/gu, " $1 "],
  [new RegExp(`([^.])(\\.)([\\]\\)}>"']*)${space}*$`, "gu"), "$1 $2$3 "],
  [/([?!])/gu, " $1 "],
  [/([^'])' /gu, "$1 ' "],
  [/([*])/gu, " $1 "],
  [/([\][(){}<>])/gu, " $1 "],
  [/--/gu, " -- "],
];
const afterBrackets: readonly (readonly [RegExp, string])[] = [
  [/([»”’])/gu, " $1 "],
  [/''/gu, " '' "],
  [/"/gu, " '' "],
  [new RegExp(`${space}+`, "gu"), " "],
  [/([^' ])('[sS]|'[mM]|'[dD]|') /gu, "$1 $2 "],
  [/([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) /gu, "$1 $2 "],
  ...["(can)(not)", "(d)('ye)", "(gim)(me)", "(gon)(na)", "(got)(ta)", "(lem)(me)", "(more)('n)"].map(
    (joined) => [new RegExp(`${wordStart}${joined}${wordEnd}`, "giu"), " $1 $2 "] as const,
  ),
  [new RegExp(`${wordStart}(wan)(na)(?=${space})`, "giu"), " $1 $2 "],
  [new RegExp(` ('t)(is|was)${wordEnd}`, "giu"), " $1 $2 "],
];

/**
 * Words of one line.
 * @source the rules of the Penn Treebank's tokenizer as NLTK has them (`word_tokenize` with `preserve_line`)
 */
export function treebankWords(line: string): string[] {
  const apart = (text: string, rules: typeof beforeBrackets): string =>
    rules.reduce((result, [pattern, spaced]) => result.replace(pattern, spaced), text);
  return splitWords(apart(` ${apart(line, beforeBrackets)} `, afterBrackets));
}
