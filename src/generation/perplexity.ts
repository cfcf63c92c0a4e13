import { ConfigError, type ConfigIssue, DataError } from "../base/errors.ts";
import type { WritingNetwork } from "./network.ts";
import type { ScoredText, TokenScorer } from "./token-scorer.ts";

export interface PerplexityOptions {
  /** Tokens of a window; all that the model has room for by default. */
  readonly maxLength?: number | undefined;
  /** Tokens from the start of one window to that of the next; half a window by default. */
  readonly stride?: number | undefined;
}

/** How well a network foretells a text. */
export interface Perplexity {
  /** e to the power of `nll`. */
  readonly perplexity: number;
  /** Mean negative logarithm of probability, nats a token. */
  readonly nll: number;
  /** Tokens that were scored: all but the first. */
  readonly numTokens: number;
  /** All of the logarithms over bytes of the text, in bits: does not depend on the tokenizer. */
  readonly bitsPerByte: number;
}

/** Windows over a text: each scores the tokens behind the window before it, and looks at what else it holds. */
export function perplexityWindows(tokens: Int32Array, maxLength: number, stride: number): ScoredText[] {
  const windows: ScoredText[] = [];
  let scoredTo = 1;
  for (let begin = 0; scoredTo < tokens.length; begin += stride) {
    const end = Math.min(begin + maxLength, tokens.length);
    windows.push({ source: new Int32Array(), tokens: tokens.subarray(begin, end), start: scoredTo - begin });
    scoredTo = end;
  }
  return windows;
}

function check(options: PerplexityOptions, room: number): { maxLength: number; stride: number } {
  const { maxLength = room } = options;
  const { stride = Math.max(1, maxLength >> 1) } = options;
  const issues: ConfigIssue[] = [];
  const whole = (path: string, value: number, least: number, most: number): void => {
    if (Number.isInteger(value) && value >= least && value <= most) return;
    issues.push({
      path,
      message: `must be a whole number from ${least} to ${most}; got ${value}.`,
      code: "CONFIG_RANGE",
    });
  };
  whole("maxLength", maxLength, 2, room);
  // The first token of a window is looked at only.
  whole("stride", stride, 1, Math.max(1, maxLength - 1));
  if (issues.length > 0) throw new ConfigError("perplexity", issues);
  return { maxLength, stride };
}

/**
 * Perplexity of a text that may be longer than the network's room: windows overlap, and every token but the first is scored
 * once, looking at `maxLength − stride` tokens before it or more.
 * @param numBytes of the text in UTF-8
 * @throws {ConfigError} for wrong options; {DataError} TEXT_TOO_SHORT
 * @source "Perplexity of fixed-length models", transformers' documentation. Differs: every token weighs
 * the same, where theirs takes means of windows' means
 */
export async function perplexityOf(
  scorer: TokenScorer,
  network: WritingNetwork,
  text: { readonly tokens: Int32Array; readonly numBytes: number },
  options: PerplexityOptions = {},
): Promise<Perplexity> {
  const { maxLength, stride } = check(options, network.maxPositions);
  const { tokens, numBytes } = text;
  if (tokens.length < 2) {
    throw new DataError(`the text must have two tokens or more; got ${tokens.length}. Give a longer one.`, {
      code: "TEXT_TOO_SHORT",
      path: "perplexity",
    });
  }
  let total = 0;
  for (const scores of await scorer.score(perplexityWindows(tokens, maxLength, stride))) {
    for (const score of scores) total -= score;
  }
  const numTokens = tokens.length - 1;
  const nll = total / numTokens;
  return { perplexity: Math.exp(nll), nll, numTokens, bitsPerByte: total / Math.LN2 / numBytes };
}
