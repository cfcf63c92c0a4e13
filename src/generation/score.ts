/** @file Arithmetic on the scores of one next token. */
import { FirthError } from "../base/errors.ts";

/** log Σ eˣ. */
export function logSumExp(scores: ArrayLike<number>): number {
  let most = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < scores.length; i++) if (scores[i]! > most) most = scores[i]!;
  if (most === Number.NEGATIVE_INFINITY) return most;
  let sum = 0;
  for (let i = 0; i < scores.length; i++) sum += Math.exp(scores[i]! - most);
  return most + Math.log(sum);
}

/** The place of the largest number; of equals the first. */
export function argmax(scores: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < scores.length; i++) if (scores[i]! > scores[best]!) best = i;
  return best;
}

/** The largest `count` numbers' places, the largest first; of equals the first first. */
export function largest(scores: ArrayLike<number>, count: number): Int32Array {
  const room = Math.min(count, scores.length);
  const places = new Int32Array(room);
  let used = 0;
  // Most numbers are smaller than all that are kept: one comparison each.
  for (let i = 0; i < scores.length; i++) {
    const score = scores[i]!;
    if (used === room && !(score > scores[places[room - 1]!]!)) continue;
    let at = used < room ? used++ : room - 1;
    while (at > 0 && score > scores[places[at - 1]!]!) {
      places[at] = places[at - 1]!;
      at--;
    }
    places[at] = i;
  }
  return places;
}

/**
 * The place at a share of the whole: as often as its probability where the share is drawn evenly from [0, 1).
 * @param scores logarithms up to a constant; −∞ for what cannot be
 * @returns −1 where nothing can be
 */
export function placeAt(share: number, scores: ArrayLike<number>): number {
  const total = logSumExp(scores);
  let left = share;
  let last = -1;
  for (let i = 0; i < scores.length; i++) {
    if (scores[i]! === Number.NEGATIVE_INFINITY) continue;
    left -= Math.exp(scores[i]! - total);
    last = i;
    if (left < 0) return i;
  }
  // Rounding left a little over.
  return last;
}

/**
 * Refuses to go on where no token is left: all ruled out by processors, or no numbers, as of a network that diverged.
 * @param best score of the token that would be taken; none where there is no such
 * @throws {FirthError} NO_TOKEN_LEFT
 */
export function requireToken(best = Number.NEGATIVE_INFINITY): void {
  if (best > Number.NEGATIVE_INFINITY) return;
  const why = Number.isNaN(best) ? "its scores are no numbers" : "all are ruled out";
  const message = `no token may come next: ${why}. Loosen noRepeatNgramSize and own processors, or check the weights.`;
  throw new FirthError(message, { code: "NO_TOKEN_LEFT", path: "generate" });
}
