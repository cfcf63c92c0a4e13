/** @file What generation gives. */

/** Why a text ended: at a token that ends texts, before a stop string, or because no more was asked for or fits. */
export type FinishReason = "eos" | "stopString" | "length";

/** Tokens that a network wrote. */
export interface WrittenTokens {
  /** New tokens; the one that ended the text is the last of them. */
  readonly tokens: readonly number[];
  readonly finishReason: FinishReason;
  /**
   * Of each new token, its logarithm of probability (nats): by the network alone, or in a beam search as processors left it.
   */
  readonly logProbabilities: readonly number[];
  /** Of a beam search: sum of `logProbabilities` over length to the power of `lengthPenalty`. */
  readonly score?: number;
}

/**
 * What a search asks of those who know about text, for every new token of every text that is followed.
 * @param tokens new tokens only, the newest last
 */
export type StopRule = (tokens: readonly number[]) => "eos" | "stopString" | undefined;
