/** @file What changes the scores of the next token before one is chosen. */
import type { GenerationSettings } from "./settings.ts";

/** A text so far, as processors see it. */
export interface TextSoFar {
  /** Tokens of the prompt (of an encoder–decoder: those that the decoder begins with), then those written. */
  readonly tokens: readonly number[];
  /** How many of them are the prompt's. */
  readonly numPromptTokens: number;
}

/**
 * Changes the scores of the next token, in place; −∞ rules a token out.
 * @param scores `[V]`: logits, or logarithms of probabilities in a beam search
 */
export type LogitsProcessor = (scores: Float32Array, text: TextSoFar) => void;

const FORBIDDEN = Number.NEGATIVE_INFINITY;

/** Divides positive scores of tokens that occurred, and multiplies negative ones. @source Keskar et al. 2019 §4.1 */
export function repetitionPenalty(penalty: number): LogitsProcessor {
  return (scores, { tokens }) => {
    for (const token of new Set(tokens)) {
      const score = scores[token];
      if (score !== undefined) scores[token] = score < 0 ? score * penalty : score / penalty;
    }
  };
}

/** Rules out tokens that would end a sequence of `size` tokens which occurred before. @source Paulus et al. 2017 §2.5 */
export function noRepeatNgrams(size: number): LogitsProcessor {
  return (scores, { tokens }) => {
    const begin = tokens.length - size + 1;
    for (let start = 0; start + size <= tokens.length; start++) {
      let same = 0;
      while (same < size - 1 && tokens[start + same] === tokens[begin + same]) same++;
      if (same === size - 1) scores[tokens[start + same]!] = FORBIDDEN;
    }
  };
}

/** Rules out the tokens that end a text, before it has so many new ones. */
export function minNewTokens(count: number, eosTokenIds: readonly number[]): LogitsProcessor {
  return (scores, { tokens, numPromptTokens }) => {
    if (tokens.length - numPromptTokens >= count) return;
    for (const id of eosTokenIds) scores[id] = FORBIDDEN;
  };
}

/** Makes one token the only one where a text has so many new ones. */
export function forcedToken(id: number, numNewTokens: number): LogitsProcessor {
  return (scores, { tokens, numPromptTokens }) => {
    if (tokens.length - numPromptTokens !== numNewTokens) return;
    scores.fill(FORBIDDEN);
    scores[id] = 0;
  };
}

/** Divides the scores: below 1 the likely become likelier. */
export function temperature(value: number): LogitsProcessor {
  return (scores) => {
    for (let i = 0; i < scores.length; i++) scores[i] = scores[i]! / value;
  };
}

/** Rules out all but the `count` largest scores; those equal to the smallest of them stay. @source Fan et al. 2018 §5.4 */
export function topK(count: number): LogitsProcessor {
  return (scores) => {
    if (count >= scores.length) return;
    const bound = Float32Array.from(scores).sort()[scores.length - count]!;
    for (let i = 0; i < scores.length; i++) if (scores[i]! < bound) scores[i] = FORBIDDEN;
  };
}

/** Rules out the least likely tokens with a share of at most 1 − `share` together. @source Holtzman et al. 2020 §3.1 */
export function topP(share: number): LogitsProcessor {
  return (scores) => {
    const order = likelyTokens(scores, share);
    const kept = new Map<number, number>();
    // From the likeliest on, until what is left has a share of at most 1 − `share`.
    let above = 0;
    for (const { id, probability } of order) {
      if (kept.size > 0 && 1 - above <= 1 - share) break;
      kept.set(id, scores[id]!);
      above += probability;
    }
    scores.fill(FORBIDDEN);
    for (const [id, score] of kept) scores[id] = score;
  };
}

interface Likely {
  readonly id: number;
  readonly probability: number;
}

/** Tokens with at least this share together and more, the likeliest first: sorting all of a vocabulary takes long. */
function likelyTokens(scores: Float32Array, share: number): Likely[] {
  let most = FORBIDDEN;
  for (let i = 0; i < scores.length; i++) if (scores[i]! > most) most = scores[i]!;
  let total = 0;
  for (let i = 0; i < scores.length; i++) total += Math.exp(scores[i]! - most);
  for (let depth = 3; ; depth += 3) {
    const found: Likely[] = [];
    let sum = 0;
    for (let id = 0; id < scores.length; id++) {
      const score = scores[id]!;
      if (score < most - depth || score === FORBIDDEN) continue;
      const probability = Math.exp(score - most) / total;
      found.push({ id, probability });
      sum += probability;
    }
    // Slack for rounding: the bound itself must lie among those found.
    if (sum > share + 1e-6 || found.length === scores.length || depth > 100) {
      return found.sort((a, b) => b.probability - a.probability || b.id - a.id);
    }
  }
}

/** The processors that settings ask for, in the order in which transformers applies them; own ones come before sampling's. */
export function processorsFor(
  settings: GenerationSettings,
  eosTokenIds: readonly number[],
  own: readonly LogitsProcessor[] = [],
): LogitsProcessor[] {
  const { doSample, forcedBosTokenId: bos, forcedEosTokenId: eos } = settings;
  return [
    ...(settings.repetitionPenalty === 1 ? [] : [repetitionPenalty(settings.repetitionPenalty)]),
    ...(settings.noRepeatNgramSize === 0 ? [] : [noRepeatNgrams(settings.noRepeatNgramSize)]),
    ...(settings.minNewTokens === 0 ? [] : [minNewTokens(settings.minNewTokens, eosTokenIds)]),
    ...(bos === null ? [] : [forcedToken(bos, 0)]),
    ...(eos === null ? [] : [forcedToken(eos, settings.maxNewTokens - 1)]),
    ...own,
    ...(doSample && settings.temperature !== 1 ? [temperature(settings.temperature)] : []),
    ...(doSample && settings.topK !== null && settings.topK > 0 ? [topK(settings.topK)] : []),
    ...(doSample && settings.topP < 1 ? [topP(settings.topP)] : []),
  ];
}
