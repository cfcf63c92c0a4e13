/** @file Figures of searches: how high what is relevant stands among the results. */
import { DataError } from "../base/errors.ts";
import { checkSameLength } from "./check.ts";

/** The results of one query, judged. */
export interface RankedResults {
  /** Relevance of each result, best result first: 0 for not relevant, more for more. */
  readonly ranked: ArrayLike<number>;
  /** Relevance of all judged items, those that were not found included; `ranked` when left out. */
  readonly judged?: ArrayLike<number> | undefined;
}

function count({ ranked, judged = ranked }: RankedResults): number {
  let relevant = 0;
  for (let i = 0; i < judged.length; i++) if (judged[i]! > 0) relevant++;
  return relevant;
}

function hitsAt(ranked: ArrayLike<number>, k: number): number {
  let hits = 0;
  for (let i = 0; i < Math.min(k, ranked.length); i++) if (ranked[i]! > 0) hits++;
  return hits;
}

/** A quotient; 0 where nothing was counted. */
const quotient = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);

/**
 * One over the rank of the first relevant result; 0 where there is none.
 * @source trec_eval `recip_rank`
 */
export function reciprocalRank({ ranked }: RankedResults): number {
  for (let i = 0; i < ranked.length; i++) if (ranked[i]! > 0) return 1 / (i + 1);
  return 0;
}

/**
 * Share of the relevant items that are among the first k results; 0 where nothing is relevant.
 * @source trec_eval `recall_k`
 */
export function recallAt(results: RankedResults, k: number): number {
  return quotient(hitsAt(results.ranked, k), count(results));
}

/**
 * Share of k results that are relevant; places that a shorter list leaves empty count as misses.
 * @source trec_eval `P_k`
 */
export function precisionAt({ ranked }: RankedResults, k: number): number {
  return quotient(hitsAt(ranked, k), k);
}

/**
 * Mean over the relevant items of the precision at their rank, 0 for those not found; 0 where nothing is relevant.
 * @source trec_eval `map` of one query
 */
export function averagePrecisionOfRanking(results: RankedResults): number {
  const { ranked } = results;
  let hits = 0;
  let sum = 0;
  for (let i = 0; i < ranked.length; i++) if (ranked[i]! > 0) sum += ++hits / (i + 1);
  return quotient(sum, count(results));
}

function discounted(gains: ArrayLike<number>, k: number): number {
  let sum = 0;
  for (let i = 0; i < Math.min(k, gains.length); i++) sum += Math.max(0, gains[i]!) / Math.log2(i + 2);
  return sum;
}

/**
 * nDCG@k of a ranking as trec_eval counts it: gain is the relevance itself, discount log₂(rank + 1), the ideal that of all
 * judged items; 0 where nothing is relevant.
 * @source Järvelin & Kekäläinen 2002; trec_eval `ndcg_cut`
 */
export function ndcgAt({ ranked, judged = ranked }: RankedResults, k: number = Number.POSITIVE_INFINITY): number {
  const ideal = Float64Array.from(judged).sort().reverse();
  return quotient(discounted(ranked, k), discounted(ideal, k));
}

/**
 * nDCG@k of scores as scikit-learn counts it: as {@link ndcgAt}, but items with equal scores share the mean gain of their
 * places, so that the figure does not hang on their order.
 * @param relevance `[N]`, not negative
 * @param scores `[N]`, higher is better
 * @returns in `[0, 1]`; 0 where nothing is relevant; NaN for no items or a score that is NaN
 * @throws {DataError} LENGTH_MISMATCH, RELEVANCE_NEGATIVE
 * @source scikit-learn `ndcg_score` of one query; ties by McSherry & Najork 2008
 */
export function ndcgOfScores(
  relevance: ArrayLike<number>,
  scores: ArrayLike<number>,
  k: number = Number.POSITIVE_INFINITY,
): number {
  checkSameLength("ndcgOfScores", relevance, scores);
  const isNumber = Array.from(scores).every((score) => !Number.isNaN(score));
  if (relevance.length === 0 || !isNumber) return Number.NaN;
  const worst = Array.from(relevance).reduce((least, value) => Math.min(least, value));
  if (worst < 0) {
    throw new DataError(`relevance must not be negative; got ${worst}. Use 0 for what is not relevant.`, {
      code: "RELEVANCE_NEGATIVE",
      path: "ndcgOfScores",
    });
  }
  const order = Array.from({ length: scores.length }, (_, i) => i).sort((a, b) =>
    scores[a] === scores[b] ? 0 : scores[b]! - scores[a]!,
  );
  const gains = new Float64Array(order.length);
  for (let start = 0; start < order.length; ) {
    let end = start;
    let sum = 0;
    for (; end < order.length && scores[order[end]!] === scores[order[start]!]; end++) sum += relevance[order[end]!]!;
    gains.fill(sum / (end - start), start, end);
    start = end;
  }
  const ideal = Float64Array.from(relevance).sort().reverse();
  return quotient(discounted(gains, k), discounted(ideal, k));
}

/** Mean figures over queries, those at a depth by `k`. */
export interface RankingReport {
  readonly numQueries: number;
  /** Queries for which nothing is relevant; they count with 0. */
  readonly numUnanswerable: number;
  /** Mean reciprocal rank. */
  readonly mrr: number;
  /** Mean average precision. */
  readonly map: number;
  readonly at: readonly {
    readonly k: number;
    readonly recall: number;
    readonly precision: number;
    /** trec_eval's form. */
    readonly ndcg: number;
  }[];
}

/**
 * Mean reciprocal rank, mean average precision, and recall, precision and nDCG at some depths.
 * @returns NaN for no queries
 * @source trec_eval, with queries that nothing is relevant to counted as 0 (its option `-c`); leave them out before if wanted
 */
export function rankingReport(
  queries: readonly RankedResults[],
  depths: readonly number[] = [1, 3, 5, 10],
): RankingReport {
  const mean = (figure: (results: RankedResults) => number): number =>
    queries.reduce((sum, results) => sum + figure(results), 0) / queries.length;
  return {
    numQueries: queries.length,
    numUnanswerable: queries.filter((results) => count(results) === 0).length,
    mrr: mean(reciprocalRank),
    map: mean(averagePrecisionOfRanking),
    at: depths.map((k) => ({
      k,
      recall: mean((results) => recallAt(results, k)),
      precision: mean((results) => precisionAt(results, k)),
      ndcg: mean((results) => ndcgAt(results, k)),
    })),
  };
}
