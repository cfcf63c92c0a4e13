/** @file Tokenizers of symbols: of bases, amino acids, notes, one or a few at a time. */
import { ConfigError, type ConfigIssue } from "../base/errors.ts";
import { tokenizerFileText, vocabularyText } from "./file-text.ts";
import { LibraryTokenizer } from "./library-tokenizer.ts";
import { addedTokens, addedTokensDecoder, segmentTemplate } from "./special-tokens.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** The special tokens of a vocabulary by what they do. */
export interface SymbolSpecials {
  readonly pad: string;
  readonly unk: string;
  readonly cls?: string | undefined;
  readonly sep?: string | undefined;
  readonly mask?: string | undefined;
  readonly bos?: string | undefined;
  readonly eos?: string | undefined;
}

export interface SymbolOptions {
  /** The symbols: the characters of a text, or a list of symbols of any length. */
  readonly alphabet: string | readonly string[];
  /** Symbols that a token holds, the last of a sequence perhaps fewer; 1 by default. */
  readonly perToken?: number | undefined;
  /** Whether symbols are separated by white space already, as words; false by default: they follow each other. */
  readonly separated?: boolean | undefined;
  /** Whether small and capital letters are the same symbol; true by default. */
  readonly ignoreCase?: boolean | undefined;
}

/** Tokens of a symbol vocabulary at most: more are certainly a mistake. */
const MOST_TOKENS = 1_000_000;

function symbolIssues(symbols: readonly string[], perToken: number, separated: boolean): ConfigIssue[] {
  const issues: ConfigIssue[] = [];
  const add = (path: string, message: string, code: string) => issues.push({ path, message, code });
  if (symbols.length === 0) add("alphabet", "must have one symbol at least; got none.", "CONFIG_MISSING");
  const white = symbols.find((symbol) => symbol === "" || /\s/u.test(symbol));
  if (white !== undefined)
    add("alphabet", `symbols must not hold white space; got ${JSON.stringify(white)}.`, "CONFIG_VALUE");
  const twice = symbols.find((symbol, i) => symbols.indexOf(symbol) !== i);
  if (twice !== undefined) {
    add(
      "alphabet",
      `${JSON.stringify(twice)} occurs twice, or in both cases (see ignoreCase). Remove one.`,
      "CONFIG_AMBIGUOUS",
    );
  }
  if (!(Number.isInteger(perToken) && perToken >= 1)) {
    add("perToken", `must be a whole number ≥ 1; got ${perToken}.`, "CONFIG_RANGE");
  } else if (separated && perToken > 1) {
    add("perToken", `must be 1 where symbols are separated; got ${perToken}.`, "CONFIG_AMBIGUOUS");
  } else if (symbols.length ** perToken > MOST_TOKENS) {
    add(
      "perToken",
      `${symbols.length} symbols, ${perToken} a token, are more than ${MOST_TOKENS} tokens. Lower it.`,
      "CONFIG_RANGE",
    );
  }
  return issues;
}

/**
 * The tokens of an alphabet: every symbol, every two … up to `perToken` of them.
 * @throws {ConfigError} all problems together
 */
export function symbolTokens({
  alphabet,
  perToken = 1,
  separated = false,
  ignoreCase = true,
}: SymbolOptions): string[] {
  const given = typeof alphabet === "string" ? [...alphabet] : alphabet;
  const symbols = ignoreCase ? given.map((symbol) => symbol.toLowerCase()) : [...given];
  const issues = symbolIssues(symbols, perToken, separated);
  if (issues.length > 0) throw new ConfigError("symbols", issues);
  const tokens: string[] = [];
  let longest = [""];
  for (let length = 1; length <= perToken; length++) {
    longest = longest.flatMap((start) => symbols.map((symbol) => start + symbol));
    tokens.push(...longest);
  }
  return [...new Set(tokens)];
}

/** A pattern of one symbol, the longest first. */
function symbolPattern(symbols: readonly string[]): string {
  const longestFirst = [...symbols].sort((one, other) => other.length - one.length);
  return longestFirst.map((symbol) => symbol.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")).join("|");
}

/**
 * A tokenizer whose tokens are symbols, or a few of them that follow each other; white space between them is ignored, and
 * what is no symbol is the unknown token.
 * @param vocabulary all tokens in the order of their ids: special ones, and those of `symbolTokens`
 * @param options `typesSegments`: whether the model is told which of two sequences a token belongs to
 */
export function symbolTokenizer(
  vocabulary: readonly string[],
  specials: SymbolSpecials,
  options: SymbolOptions & { readonly typesSegments?: boolean | undefined },
): Tokenizer {
  const { perToken = 1, separated = false, ignoreCase = true, typesSegments = false } = options;
  const ids = new Map(vocabulary.map((token, id) => [token, id]));
  const roles = Object.entries(specials).filter(([, token]) => token !== undefined) as [string, string][];
  const added = addedTokens(
    roles.map(([, token]) => token),
    ids,
    specials.mask ?? null,
    false,
  );
  const { cls, sep, unk } = specials;
  const symbols = symbolTokens({ ...options, perToken: 1 });
  const parts = {
    type: "Split",
    pattern: { Regex: `(?:${symbolPattern(symbols)}){1,${perToken}}` },
    behavior: "Isolated",
    invert: false,
  };
  const split = { type: "WhitespaceSplit" };
  const fileText = tokenizerFileText({
    added,
    normalizer: ignoreCase ? { type: "Lowercase" } : null,
    preTokenizer: separated ? split : { type: "Sequence", pretokenizers: [split, parts] },
    postProcessor: cls === undefined || sep === undefined ? null : segmentTemplate(cls, sep, ids),
    decoder: null,
    model: [
      ["type", '"WordLevel"'],
      ["vocab", vocabularyText(ids, "    ")],
      ["unk_token", JSON.stringify(unk)],
    ],
  });
  return new LibraryTokenizer(fileText, "symbols", {
    added_tokens_decoder: addedTokensDecoder(added),
    clean_up_tokenization_spaces: false,
    tokenizer_class: "PreTrainedTokenizerFast",
    ...(typesSegments ? { model_input_names: ["input_ids", "token_type_ids", "attention_mask"] } : {}),
    ...Object.fromEntries(roles.map(([role, token]) => [`${role}_token`, token])),
  });
}
