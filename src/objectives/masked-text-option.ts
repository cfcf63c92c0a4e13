import { ConfigError, type ConfigIssue } from "../base/errors.ts";
import type { ChunkBoundary } from "../data/chunk-index.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";
import { choiceIssues, corruptionIssues, countIssues } from "./option-issue.ts";
import type { CorruptionOptions } from "./token-masking.ts";

/** What all objectives of masked words have. */
export interface MaskedTextOptions {
  readonly tokenizer: Tokenizer;
  /** Tokens in a row, special tokens included. */
  readonly maxSeqLength: number;
  /** 0.15 by default. */
  readonly maskProbability?: number;
  /** Most tokens chosen in one sequence; no limit by default. */
  readonly maxPredictionsPerSequence?: number;
  /** 0.8 by default. */
  readonly maskTokenProbability?: number;
  /** 0.1 by default. */
  readonly randomTokenProbability?: number;
  /** Masks drawn anew every epoch (`dynamic`, the default), or once for each example (`static`). */
  readonly masking?: "dynamic" | "static";
  /** Also predict whether B follows A (`nextSentence`) or whether they were exchanged (`sentenceOrder`). */
  readonly pair?: "none" | "nextSentence" | "sentenceOrder";
  /** Runs of one document each (`separate`, the default), or that go on in the next one behind a separator; without pairs. */
  readonly documents?: "separate" | "joined";
  /** Whether runs end after any `token` (the default), or hold whole sentences only; without pairs. */
  readonly boundary?: ChunkBoundary;
  /** Put several short sequences into one row; true by default. */
  readonly packed?: boolean;
}

/** What is wrong with settings of masked words. */
export function maskedTextIssues(options: Omit<MaskedTextOptions, "tokenizer" | "maxSeqLength">): ConfigIssue[] {
  const { maskProbability = 0.15, maskTokenProbability = 0.8, randomTokenProbability = 0.1 } = options;
  const { masking = "dynamic", pair = "none", documents = "separate", boundary = "token" } = options;
  const { maxPredictionsPerSequence: most } = options;
  const issues: ConfigIssue[] = [];
  if (!(maskProbability > 0 && maskProbability < 1)) {
    const message = `must lie in (0, 1); got ${maskProbability}.`;
    issues.push({ path: "maskProbability", message, code: "CONFIG_RANGE" });
  }
  issues.push(
    ...(most === undefined ? [] : countIssues("maxPredictionsPerSequence", most)),
    ...corruptionIssues({ maskTokenProbability, randomTokenProbability }),
    ...choiceIssues("masking", masking, ["dynamic", "static"]),
    ...choiceIssues("pair", pair, ["none", "nextSentence", "sentenceOrder"]),
    ...choiceIssues("documents", documents, ["separate", "joined"]),
    ...choiceIssues("boundary", boundary, ["token", "sentence"]),
  );
  const code = "CONFIG_AMBIGUOUS";
  if (pair !== "none" && documents === "joined") {
    issues.push({ path: "documents", message: "must be separate with pairs: a pair is of one document.", code });
  }
  if (pair !== "none" && boundary === "sentence") {
    issues.push({ path: "boundary", message: "must be left out with pairs: they hold whole sentences.", code });
  }
  return issues;
}

/**
 * The shares of an objective of masked words.
 * @param issues what else is wrong with its options
 * @throws {ConfigError} all problems together
 */
export function corruptionOf(
  name: string,
  options: MaskedTextOptions,
  issues: readonly ConfigIssue[],
): CorruptionOptions {
  const all = [...maskedTextIssues(options), ...issues];
  if (all.length > 0) throw new ConfigError(name, all);
  const { maskProbability = 0.15, maxPredictionsPerSequence } = options;
  const { maskTokenProbability = 0.8, randomTokenProbability = 0.1 } = options;
  return { maskProbability, maxPredictionsPerSequence, maskTokenProbability, randomTokenProbability };
}
