import { DataError } from "../base/errors.ts";

/** Perplexity: e to the mean loss in nats per token. */
export function perplexity(natsPerToken: number): number {
  return Math.exp(natsPerToken);
}

/**
 * Entropy of the distribution that token counts describe: the loss of the best guess that ignores context.
 * @param counts `[V]`, how often each token occurs
 * @returns nats per token; NaN when nothing was counted
 * @throws {DataError} COUNT_NEGATIVE
 * @source Shannon 1948; scipy.stats `entropy`
 */
export function unigramEntropy(counts: ArrayLike<number>): number {
  let total = 0;
  for (let token = 0; token < counts.length; token++) {
    if (!(counts[token]! >= 0)) {
      throw new DataError(
        `a count is 0 or more; got ${counts[token]} for token ${token}. Pass counts, not logarithms.`,
        {
          code: "COUNT_NEGATIVE",
          path: "unigramEntropy",
          details: { token, count: counts[token] },
        },
      );
    }
    total += counts[token]!;
  }
  if (total === 0) return Number.NaN;
  let entropy = 0;
  for (let token = 0; token < counts.length; token++) {
    const share = counts[token]! / total;
    if (share > 0) entropy -= share * Math.log(share);
  }
  return entropy;
}

/**
 * Loss per byte of the text it was measured on, which compares models of different vocabularies.
 * @param nats summed loss over all tokens of the text, in nats
 * @param numBytes length of that text in UTF-8
 * @returns bits per byte; NaN for no text
 */
export function bitsPerByte(nats: number, numBytes: number): number {
  return numBytes === 0 ? Number.NaN : nats / (Math.LN2 * numBytes);
}
